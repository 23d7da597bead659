/** Whether a text matches a pattern in which `*` is any run of characters, as in statements; nothing matches ''. */
export function matchesWildcards(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text !== '' && text === first;
  if (text === '' || !text.startsWith(first)) return false;
  let at = first.length;
  // The leftmost place of each part leaves the most room for those after it, so there is no need to go back.
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
