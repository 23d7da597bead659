/** Cells of the first table after a place in the text, without its heading; code marks taken off. */
export function tableAfter(text: string, place: string): string[][] {
  const rows: string[][] = [];
  for (const line of text.slice(text.indexOf(place)).split('\n').slice(1)) {
    if (line.startsWith('|')) rows.push(cells(line));
    else if (rows.length > 0) break;
  }
  return rows.slice(2);
}

const cells = (line: string): string[] =>
  line
    .slice(1, -1)
    .split(' | ')
    .map((cell) =>
      cell
        .replaceAll('|', '')
        .trim()
        .replace(/^`([^`]*)`$/, '$1'),
    );
