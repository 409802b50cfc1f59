// Mock functions and spies.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures } from './harness.mjs';

const check = async (body, expected = []) => assert.deepEqual(await failures(body), expected);

test('a mock function records its calls and answers as told', () => check(`
  const f = fn((a) => a + 1).mockReturnValueOnce(10).mockResolvedValueOnce(20);
  expect([f(1), await f(2), f(3)]).toEqual([10, 20, 4]);
  expect(f.mock.calls).toEqual([[1], [2], [3]]);
  expect(f).toHaveBeenCalledTimes(3);
  expect(f).toHaveBeenCalledWith(2);
  expect(f).toHaveBeenNthCalledWith(1, 1);
  expect(f).toHaveBeenLastCalledWith(3);
  expect(f).toHaveReturnedWith(4);
  f.mockImplementation(() => { throw new Error('x'); });
  expect(() => f()).toThrow('x');
  expect(f.mock.results.at(-1).type).toBe('throw');
  f.mockReset();
  expect(f).not.toHaveBeenCalled();
  expect(f(1)).toBe(2);
  await expect(fn().mockRejectedValue(new Error('y'))()).rejects.toThrow('y');
  const F = fn(function F(a) { this.a = a; });
  expect(new F(5).a).toBe(5);`));

test('a spy calls what it stands for, and is taken away again', () => check(`
  class Api { url = 'u'; get(path) { return this.url + path; } }
  const api = new Api();
  const spy = spyOn(api, 'get');
  expect(api.get('/a')).toBe('u/a');
  spy.mockReturnValue('mocked');
  expect(api.get('/b')).toBe('mocked');
  expect(spy.mock.contexts[0]).toBe(api);
  expect(spyOn(api, 'get')).toBe(spy);
  spy.mockRestore();
  expect(Object.hasOwn(api, 'get')).toBe(false);
  expect(api.get('/c')).toBe('u/c');
  const log = spyOn(console, 'log').mockReturnValue(undefined);
  console.log('x');
  expect(log).toHaveBeenCalledWith('x');
  expect(() => spyOn(api, 'nothing')).toThrow('there is no method nothing');
  expect(() => spyOn(sdk.log, 'info')).toThrow('frozen');`));
