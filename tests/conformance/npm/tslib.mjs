import { output } from './harness.mjs';
import * as tslib from 'tslib';

export default () => output(async (print) => {
  const { __assign, __awaiter, __decorate, __extends, __generator, __read, __rest, __spreadArray, __values } = tslib;
  function A() {} function B() { return A.apply(this, arguments) || this; } __extends(B, A);
  print(new B() instanceof A, __assign({ a: 1 }, { b: 2 }), __rest({ a: 1, b: 2 }, ['a']), __read([1, 2, 3], 2), __spreadArray([1], [2, 3], true), [...(function* () { const values = __values([4, 5]); for (let step = values.next(); !step.done; step = values.next()) yield step.value; })()]);
  print(await __awaiter(undefined, undefined, Promise, function () { return __generator(this, function (state) { switch (state.label) { case 0: return [4, Promise.resolve(5)]; case 1: return [2, state.sent() + 1]; } }); }));
  class C { method() { return 1; } }
  __decorate([(target, key, descriptor) => { const old = descriptor.value; descriptor.value = () => old() + 10; return descriptor; }], C.prototype, 'method', null);
  print(new C().method());
});
