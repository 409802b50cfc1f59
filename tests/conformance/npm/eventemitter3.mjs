import { output } from './harness.mjs';
import EventEmitter from 'eventemitter3';

export default () => output(async (print) => {
  const emitter = new EventEmitter();
  const seen = [];
  emitter.on('x', function (a, b) { seen.push([a, b, this.k]); }, { k: 1 }).once('x', () => seen.push('once'));
  print(emitter.emit('x', 1, 2), emitter.emit('x', 3), emitter.emit('none'), emitter.listenerCount('x'), emitter.eventNames(), seen, emitter.removeAllListeners().listenerCount('x'));
});
