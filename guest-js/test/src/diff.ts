// What differs between two texts, line by line, as people read it: what was expected with "-", what came with "+".

/** Lines of one text that are compared line by line; of longer ones only what is before and after the difference is found. */
const LINES_MAX = 800;
/** Equal lines shown around what differs. */
const CONTEXT = 3;
const SHOWN_MAX = 200;

interface Line { readonly mark: ' ' | '-' | '+'; readonly text: string }

function middle(left: string[], right: string[]): Line[] {
  if (left.length > LINES_MAX || right.length > LINES_MAX) {
    return [...left.map((text): Line => ({ mark: '-', text })), ...right.map((text): Line => ({ mark: '+', text }))];
  }
  // Longest common subsequence, from the end.
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      lengths[i * width + j] = left[i] === right[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      lines.push({ mark: ' ', text: left[i]! });
      i++;
      j++;
    } else if (j >= right.length || (i < left.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      lines.push({ mark: '-', text: left[i++]! });
    } else {
      lines.push({ mark: '+', text: right[j++]! });
    }
  }
  return lines;
}

function compare(expected: string, received: string): Line[] {
  const left = expected.split('\n');
  const right = received.split('\n');
  let before = 0;
  while (before < left.length && before < right.length && left[before] === right[before]) before++;
  let after = 0;
  while (after < left.length - before && after < right.length - before && left[left.length - 1 - after] === right[right.length - 1 - after]) after++;
  const same = (text: string): Line => ({ mark: ' ', text });
  return [
    ...left.slice(0, before).map(same),
    ...middle(left.slice(before, left.length - after), right.slice(before, right.length - after)),
    ...left.slice(left.length - after).map(same),
  ];
}

/** The difference with a heading; undefined when there is none. */
export function diff(expected: string, received: string): string | undefined {
  if (expected === received) return undefined;
  const lines = compare(expected, received);
  const isNear = lines.map((_, at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ mark }) => mark !== ' '));
  const shown: string[] = ['- expected', '+ received', ''];
  let isLeftOut = false;
  lines.forEach(({ mark, text }, at) => {
    if (shown.length > SHOWN_MAX) return;
    if (isNear[at]) {
      shown.push(`${mark} ${text}`.trimEnd());
    } else if (!isLeftOut) {
      shown.push('  …');
    }
    isLeftOut = !isNear[at];
  });
  if (shown.length > SHOWN_MAX) shown.push('  … and more');
  return shown.join('\n');
}
