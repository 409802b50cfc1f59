// `@belljar/sdk/test`. Types for authors are in guest-js/sdk/test.d.ts.

export { call, deliver } from './call.ts';
export { clock } from './clock.ts';
export { CallError } from './custom.ts';
export { expect } from './expect.ts';
export { fn, spyOn } from './mock.ts';
export { mock } from './mocked.ts';
export { config, events, jobs, secrets } from './sinks.ts';
export { afterAll, afterEach, beforeAll, beforeEach, describe, it, it as test } from './suite.ts';
