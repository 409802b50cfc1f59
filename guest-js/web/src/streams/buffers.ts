// Views and their buffers, as the algorithms of byte streams need them.

import {
  typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, typedArrayTag, viewBuffer, viewByteLength, viewByteOffset,
} from '../primordials.ts';
import { ARRAYS } from '../web/structured-clone.ts';

export { bufferTransfer, isDetached } from '../web/structured-clone.ts';

export type ViewMaker = new (buffer: ArrayBuffer, offset: number, length: number) => ArrayBufferView;
const SavedDataView: ViewMaker = DataView;

export function makerOf(view: ArrayBufferView): ViewMaker {
  const tag = typedArrayTag(view);
  return tag === undefined ? SavedDataView : (ARRAYS[tag] as ViewMaker);
}
export function elementBytes(make: ViewMaker): number { return (make as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1; }

export function bufferOf(view: ArrayBufferView): ArrayBuffer { return typedArrayTag(view) === undefined ? viewBuffer(view) : typedArrayBuffer(view); }
export function offsetOf(view: ArrayBufferView): number { return typedArrayTag(view) === undefined ? viewByteOffset(view) : typedArrayByteOffset(view); }

/** 0 when the buffer is detached. */
export function lengthOf(view: ArrayBufferView): number {
  if (typedArrayTag(view) !== undefined) return typedArrayByteLength(view);
  try {
    return viewByteLength(view);
  } catch {
    return 0;
  }
}
