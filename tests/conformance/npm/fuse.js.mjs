import { output } from './harness.mjs';
import Fuse from 'fuse.js';

export default () => output(async (print) => {
  const fuse = new Fuse([{ title: "Old Man's War", author: 'John Scalzi' }, { title: 'The Lock Artist', author: 'Steve Hamilton' }, { title: 'HTML5', author: 'Remy Sharp' }], { keys: ['title', { name: 'author', weight: 2 }], includeScore: true, threshold: 0.4 });
  print(fuse.search('jon').map((hit) => [hit.item.title, hit.score.toFixed(4)]), fuse.search('lock').length, new Fuse(['apple', 'orange'], { useExtendedSearch: true }).search("'app | ^ora").map((hit) => hit.item));
});
