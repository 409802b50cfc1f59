import { odd } from './cycle.js';
export function even(n) { return n === 0 ? true : odd(n - 1); }
