// What the capability `project` is to authors of plug-ins: whoever makes the command ships this file to them.

import '@belljar/sdk';

declare module '@belljar/sdk' {
  interface Sdk {
    readonly project: {
      /** Names of the project's files. */
      files(): Promise<string[]>;
      /** A file's text. Error codes: `no-such-file`, `too-large`. */
      read(which: { path: string }): Promise<{ text: string }>;
    };
  }
}
