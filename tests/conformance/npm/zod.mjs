import { output } from './harness.mjs';
import { z } from 'zod';

export default () => output(async (print) => {
  const User = z.object({ name: z.string().min(2), email: z.email(), age: z.number().int().positive().optional(), tags: z.array(z.string()).default([]) });
  print(User.parse({ name: 'Ada', email: 'ada@example.com', age: 36 }));
  const failed = User.safeParse({ name: 'A', email: 'nope', age: -1.5 });
  print(failed.success, failed.error.issues.map((issue) => [issue.code, issue.path.join('.'), issue.message]));
  const Shape = z.discriminatedUnion('kind', [z.object({ kind: z.literal('circle'), r: z.number() }), z.object({ kind: z.literal('box'), w: z.number(), h: z.number() })]);
  print(Shape.parse({ kind: 'box', w: 1, h: 2 }), Shape.safeParse({ kind: 'line' }).success);
  print(z.string().transform((text) => text.length).pipe(z.number().max(5)).parse('four'), z.coerce.date().parse('2024-01-02').toISOString());
  print(await z.string().refine(async (text) => text === 'ok', 'must be ok').safeParseAsync('no').then((result) => result.error.issues[0].message));
  print(z.treeifyError(failed.error), z.toJSONSchema(User));
});
