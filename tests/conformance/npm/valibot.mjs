import { output } from './harness.mjs';
import * as v from 'valibot';

export default () => output(async (print) => {
  const Schema = v.object({ email: v.pipe(v.string(), v.email()), password: v.pipe(v.string(), v.minLength(8)), role: v.optional(v.picklist(['admin', 'user']), 'user') });
  print(v.parse(Schema, { email: 'a@b.co', password: 'longenough' }));
  const result = v.safeParse(Schema, { email: 'x', password: 'short' });
  print(result.success, result.issues.map((issue) => [issue.kind, issue.type, issue.message, v.getDotPath(issue)]));
  print(v.parse(v.pipe(v.string(), v.transform((text) => text.split(',')), v.array(v.pipe(v.string(), v.trim()))), 'a, b'), v.is(v.union([v.number(), v.string()]), 5n));
  print(v.flatten(result.issues));
});
