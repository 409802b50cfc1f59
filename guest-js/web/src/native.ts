// The engine's functions, bound once when the base image is made. A live binding of the bundle's own scope: applets cannot name it.

import type { Native } from './bindings.ts';

export let native: Native;

export function bindNative(value: Native): void { native = value; }
