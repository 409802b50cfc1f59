// Two commands of a plug-in: `count` is a table of all files, `longest` the longest word of one.

import type { Handler } from '@belljar/sdk';

const words = (text: string): string[] => text.match(/[\p{L}\p{N}']+/gu) ?? [];

export const count: Handler = async ({ sdk: { project } }) => {
  const files = await project.files();
  const texts = await Promise.all(files.map((path) => project.read({ path })));
  return files.map((path, i) => `${path.padEnd(12)} ${words(texts[i]!.text).length} words`).join('\n');
};

export const longest: Handler<string | null> = async ({ sdk: { project } }, path) => {
  if (path === null) throw new Error('say which file');
  const { text } = await project.read({ path });
  return words(text).reduce((a, b) => (b.length > a.length ? b : a), '');
};
