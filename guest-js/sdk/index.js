// Types only: `sdk` is a global of the sandbox and a member of `context`, so an applet's bundle holds nothing of this package.
export {};
