import { output } from './harness.mjs';
import { applyPatch, createTwoFilesPatch, diffChars, diffJson, diffLines, diffWords, parsePatch } from 'diff';

export default () => output(async (print) => {
  print(diffChars('beep boop', 'beep boob blah').map((part) => [part.added ? '+' : part.removed ? '-' : '=', part.value]), diffWords('the quick fox', 'the slow fox').length, diffLines('a\nb\nc\n', 'a\nx\nc\n'), diffJson({ a: 1, b: 2 }, { a: 1, c: 3 }).length);
  const patch = createTwoFilesPatch('old', 'new', 'a\nb\nc\n', 'a\nx\nc\nd\n');
  print(patch, applyPatch('a\nb\nc\n', patch), parsePatch(patch)[0].hunks.length);
});
