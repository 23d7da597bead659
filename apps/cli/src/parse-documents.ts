import { parseAllDocuments, visit, type Document } from 'yaml';

/** The documents of a stream as the server reads them: what does not read back the same as a number stays text. */
export function parseDocuments(text: string): unknown[] {
  const parsed = [...parseAllDocuments(text, { version: '1.2', schema: 'core' })] as Document.Parsed[];
  for (const document of parsed) {
    visit(document, {
      Scalar: (_, node) => {
        const isOther = typeof node.value === 'number' && String(node.value) !== node.source;
        if (isOther && node.source !== undefined) node.value = node.source;
      },
    });
  }
  return parsed.map((document) => document.toJS() as unknown).filter((value) => value !== null);
}
