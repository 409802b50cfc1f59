// Warnings of Node's modules: lines of the console's, at the level of console.warn.

import { native } from '../native.ts';

const CONSOLE = 0;
const WARN = 2;

export function warn(message: string): void { native.log(CONSOLE, WARN, message, []); }
