// Calls what the embedder of tests/e2e/custom.rs offers. Each export is a handler.

const told = (error) => [error.name, error.capability ?? null, error.code ?? null, error.message, error.limit ?? null];
const caught = async (work) => {
  try {
    return await work();
  } catch (error) {
    return told(error);
  }
};

export const greet = async (context) => {
  const [hello, nothing] = await Promise.all([context.sdk.greet.hello({ name: 'Ada', times: 2 }), sdk.greet.nothing()]);
  return [hello, nothing, await sdk.greet.who(null), await sdk.greet.thread(21)];
};

export const failures = async () => [
  await caught(() => sdk.greet.hello({ name: 7 })),
  await caught(() => sdk.greet.hello({ name: 'nobody', times: 1 })),
  await caught(() => sdk.greet.fails()),
  await caught(() => sdk.greet.panics()),
  await caught(() => sdk.greet.panicsOnThread()),
  await caught(() => sdk.greet.hello(1, 2)),
  await caught(() => sdk.greet.helo()),
  await caught(() => sdk.gret),
];

export const bounds = async () => [
  await caught(() => sdk.bounded.echo('x'.repeat(100))),
  await caught(() => sdk.bounded.grow(100)),
  await caught(() => sdk.bounded.never()),
  await caught(() => sdk.bounded.echo('x')),
  await caught(() => sdk.bounded.echo('x')),
];

export const names = () => ['greet' in sdk, 'bounded' in sdk, 'mail' in sdk, 'hello' in sdk.greet, 'helo' in sdk.greet, Object.keys(sdk.greet)];

export const waits = () => sdk.bounded.never();
