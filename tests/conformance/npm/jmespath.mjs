import { output } from './harness.mjs';
import jmespath from 'jmespath';

export default () => output(async (print) => {
  const data = { people: [{ name: 'a', age: 30, tags: ['x'] }, { name: 'b', age: 20, tags: [] }], n: 1 };
  for (const query of ['people[?age > `25`].name', 'people[*].{n: name, t: length(tags)}', 'sort_by(people, &age)[0].name', 'people[].tags[]', 'join(`, `, people[*].name)', 'max_by(people, &age).age', '@.n']) print(query, jmespath.search(data, query));
  try { jmespath.search(data, 'a['); } catch (error) { print(error.name); }
});
