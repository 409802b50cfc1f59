// CSV (RFC 4180) as it comes in: text becomes lines, lines become records by the names of the first one. Both pass on what a chunk of
// text brought as one batch, because a step of a stream costs more than a line.

export type CsvRecord = Record<string, string>;

/** The longest line that is waited for. */
const LINE_CHARS_MAX = 64 * 1024;

/** Cuts text into lines. A line end within quotes is none. */
export function lines(): TransformStream<string, string[]> {
  let rest = '';
  return new TransformStream({
    transform(text, controller) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      const whole: string[] = [];
      let open = '';
      for (const part of parts) {
        const line = open === '' ? part : `${open}\n${part}`;
        if (isOpen(line)) open = line;
        else {
          whole.push(line.endsWith('\r') ? line.slice(0, -1) : line);
          open = '';
        }
      }
      if (open !== '') rest = `${open}\n${rest}`;
      if (rest.length > LINE_CHARS_MAX) throw new RangeError(`a line has more than ${LINE_CHARS_MAX} characters: this is no CSV, or a quote is not closed`);
      if (whole.length > 0) controller.enqueue(whole);
    },
    flush(controller) {
      if (isOpen(rest)) throw new SyntaxError('the last line has a quote that is not closed');
      if (rest !== '') controller.enqueue([rest]);
    },
  });
}

/** Gives the fields of each line their names. */
export function records(): TransformStream<string[], CsvRecord[]> {
  let names: string[] | undefined;
  let number = 0;
  return new TransformStream({
    transform(batch, controller) {
      const found: CsvRecord[] = [];
      for (const line of batch) {
        number += 1;
        if (line === '') continue;
        const values = fields(line);
        if (names === undefined) {
          names = values;
          continue;
        }
        if (values.length !== names.length) throw new SyntaxError(`line ${number} has ${values.length} fields, the first one has ${names.length}`);
        found.push(Object.fromEntries(names.map((name, i) => [name, values[i] as string])));
      }
      if (found.length > 0) controller.enqueue(found);
    },
  });
}

/** Whether a quote is not closed. */
function isOpen(line: string): boolean {
  let quotes = 0;
  for (let at = line.indexOf('"'); at >= 0; at = line.indexOf('"', at + 1)) quotes += 1;
  return quotes % 2 === 1;
}

/** The fields of one line. */
function fields(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const found: string[] = [];
  for (const [, quoted, plain = ''] of `,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,"]*))/g)) {
    found.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
  }
  return found;
}
