// Tests of applets run in the sandbox: `belljar test` puts the library in the place of this file.
throw new Error("@belljar/sdk/test is there in tests only, and tests are run by `belljar test`");
export {};
