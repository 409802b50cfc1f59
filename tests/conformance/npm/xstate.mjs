import { output } from './harness.mjs';
import { assign, createActor, fromPromise, setup } from 'xstate';

export default () => output(async (print) => {
  const machine = setup({ actors: { load: fromPromise(async ({ input }) => input * 2) }, guards: { enough: ({ context }) => context.count >= 2 }, delays: { soon: 3 } }).createMachine({
    id: 'm', initial: 'idle', context: { count: 0, result: null },
    states: { idle: { on: { GO: [{ guard: 'enough', target: 'loading' }, { actions: assign({ count: ({ context }) => context.count + 1 }) }] } }, loading: { invoke: { src: 'load', input: ({ context }) => context.count, onDone: { target: 'waiting', actions: assign({ result: ({ event }) => event.output }) } } }, waiting: { after: { soon: 'done' } }, done: { type: 'final' } },
  });
  const actor = createActor(machine);
  const seen = [];
  actor.subscribe({ next: (snapshot) => seen.push(snapshot.value), complete: () => seen.push('complete') });
  actor.start();
  for (let i = 0; i < 3; i++) actor.send({ type: 'GO' });
  await new Promise((resolve) => setTimeout(resolve, 30));
  print(seen, actor.getSnapshot().context, actor.getSnapshot().status);
});
