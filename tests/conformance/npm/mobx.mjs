import { output } from './harness.mjs';
import { action, autorun, computed, configure, makeAutoObservable, observable, reaction, runInAction, toJS, when } from 'mobx';

export default () => output(async (print) => {
  configure({ enforceActions: 'never' });
  class Store { todos = []; constructor() { makeAutoObservable(this); } get left() { return this.todos.filter((todo) => !todo.done).length; } add(text) { this.todos.push({ text, done: false }); } }
  const store = new Store();
  const seen = [];
  const stop = autorun(() => seen.push(store.left));
  reaction(() => store.todos.length, (length) => seen.push(`length ${length}`));
  store.add('a'); runInAction(() => { store.add('b'); store.todos[0].done = true; });
  stop();
  store.add('c');
  const map = observable.map({ k: 1 });
  const box = observable.box(2);
  const sum = computed(() => map.get('k') + box.get());
  action(() => box.set(10))();
  print(seen, toJS(store.todos), sum.get());
  setTimeout(() => box.set(99), 2);
  await when(() => box.get() === 99);
  print(box.get());
});
