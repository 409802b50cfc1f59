import { call, CallError, expect, it, mock } from '@belljar/sdk/test';

it('counts the words of all files', async () => {
  const texts: Record<string, string> = { 'a.txt': 'one two', 'b.txt': 'three' };
  const project = mock.custom('project', {
    files: () => Object.keys(texts),
    read: ({ path }) => ({ text: texts[path] ?? '' }),
  });
  expect(await call('count')).toBe('a.txt        2 words\nb.txt        1 words');
  expect(project.calls.map(({ name, argument }) => [name, argument?.path])).toEqual([['files', undefined], ['read', 'a.txt'], ['read', 'b.txt']]);
});

it('passes on what the host says', async () => {
  mock.custom('project', { read: () => { throw new CallError('no-such-file', 'the project has no file "c.txt"'); } });
  await expect(call('longest', 'c.txt')).rejects.toMatchObject({ code: 'no-such-file', details: { capability: 'project' } });
});
