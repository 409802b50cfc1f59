// The failure of an expectation, and how many expectations there were.

/** Thrown by matchers. `diff` is told below the message. */
export class AssertionError extends Error {
  static { Object.defineProperty(this.prototype, 'name', { value: 'AssertionError', configurable: true }); }
  readonly diff: string | undefined;
  constructor(message: string, diff?: string, stack?: string) {
    super(message);
    this.diff = diff;
    // Of an expectation that was awaited, the stack is that of where it was written: no author's frame is left when it fails.
    if (stack !== undefined) Object.defineProperty(this, 'stack', { value: stack, configurable: true, writable: true });
  }
}

/** Of the running test. */
export const counted: { assertions: number; expected: number | 'some' | undefined } = { assertions: 0, expected: undefined };
