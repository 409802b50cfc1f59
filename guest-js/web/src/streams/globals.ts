// The names of the Streams standard and its neighbours on globalThis; nothing is made before a name is read.

import { installLazily } from '../lazy.ts';
import { byteStreams } from './byte-stream.ts';
import { compressions } from './compression.ts';
import { defaultControllers } from './default-controller.ts';
import { readables } from './readable.ts';
import { strategies } from './strategies.ts';
import { textStreams } from './text.ts';
import { transforms } from './transform.ts';
import { writables } from './writable.ts';

export function installStreams(): void {
  installLazily('ReadableStream ReadableStreamDefaultReader', readables);
  installLazily('ReadableStreamDefaultController', defaultControllers);
  installLazily('ReadableByteStreamController ReadableStreamBYOBReader ReadableStreamBYOBRequest', byteStreams);
  installLazily('WritableStream WritableStreamDefaultWriter WritableStreamDefaultController', writables);
  installLazily('TransformStream TransformStreamDefaultController', transforms);
  installLazily('ByteLengthQueuingStrategy CountQueuingStrategy', strategies);
  installLazily('TextEncoderStream TextDecoderStream', textStreams);
  installLazily('CompressionStream DecompressionStream', compressions);
}
