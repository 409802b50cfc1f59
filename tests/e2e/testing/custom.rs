//! Functions of an embedder's own: mocked in tests, where an applet sees what it would see of a host's; and what the commands that have none say.

use belljar_tests::{cli, repository};

use super::{check_passes, folder, messages, results, run};

const MANIFEST: &str = "permissions: { custom: [greet, mail] }\n";
const MAIN: &str = "\
export default async ({ sdk }, { capability = 'greet', name, argument }) => {
  try {
    return { answer: await sdk[capability][name](argument) };
  } catch (error) {
    const { code, message, details } = error;
    return { failed: [error instanceof sdk.SdkError, error.name, code, message, details] };
  }
};
";

#[test]
fn a_mock_answers_as_a_host_does() {
    check_passes(
        MANIFEST,
        MAIN,
        r#"
import { CallError } from '@belljar/sdk/test';
it('gets and gives JSON', async () => {
  const hello = fn(({ name }) => ({ text: `Hello ${name}`, at: new Date(0), none: undefined, number: NaN }));
  const greet = mock.custom('greet', { hello, nothing: () => {} });
  expect(await call('default', { name: 'hello', argument: { name: 'Ada', tags: [1, null] } })).toEqual({ answer: { text: 'Hello Ada', at: '1970-01-01T00:00:00.000Z', number: null } });
  expect(await sdk.greet.hello({ name: new Date(0), left: undefined })).toMatchObject({ text: 'Hello 1970-01-01T00:00:00.000Z' });
  expect(await sdk.greet.nothing()).toBe(null);
  expect(hello).toHaveBeenNthCalledWith(1, { name: 'Ada', tags: [1, null] });
  expect(greet.calls).toEqual([{ name: 'hello', argument: { name: 'Ada', tags: [1, null] } }, { name: 'hello', argument: { name: '1970-01-01T00:00:00.000Z' } }, { name: 'nothing', argument: null }]);
  // What the mock does to its argument is not done to the applet's.
  mock.custom('greet', { hello: (given) => { given.name = 'Eve'; return given; } });
  const own = { name: 'Ada' };
  expect(await sdk.greet.hello(own)).toEqual({ name: 'Eve' });
  expect([own.name, greet.calls[3].argument.name]).toEqual(['Ada', 'Ada']);
});
it('waits as long as the mock does', async () => {
  mock.custom('greet', { later: async (ms) => { await new Promise((resolve) => setTimeout(resolve, ms)); return Date.now(); } });
  const begun = clock.now();
  expect(await Promise.all([sdk.greet.later(2000), sdk.greet.later(1000)])).toEqual([begun + 2000, begun + 1000]);
});
it('fails as a host does', async () => {
  mock.custom('greet', {
    coded: () => { throw new CallError('no-such-user', 'there is no nobody'); },
    bounded: async () => { throw new CallError('limit', 'limit custom.calls_max exceeded: 3 allowed, 4 used', { limit: 'custom.calls_max', allowed: 3, used: 4 }); },
    other: () => { throw Object.assign(new Error('by hand'), { code: 'own' }); },
    plain: () => { throw new RangeError('a secret of the host'); },
  });
  const failed = async (name, argument) => (await call('default', { name, argument })).failed;
  expect(await failed('coded')).toEqual([true, 'SdkError', 'no-such-user', 'there is no nobody', { capability: 'greet' }]);
  expect(await failed('bounded')).toEqual([true, 'SdkError', 'limit', 'limit custom.calls_max exceeded: 3 allowed, 4 used', { capability: 'greet', limit: 'custom.calls_max', allowed: 3, used: 4 }]);
  expect(await failed('other')).toEqual([true, 'SdkError', 'own', 'by hand', { capability: 'greet' }]);
  expect(await failed('plain')).toEqual([true, 'SdkError', 'failed', "the host's own function failed", { capability: 'greet' }]);
  await expect(sdk.greet.coded(1, 2)).rejects.toThrow('sdk.greet.coded takes one argument, not 2: give it an object');
  await expect(sdk.greet.coded(1n)).rejects.toThrow('BigInt');
});
it('is there as it is with a host', async () => {
  expect(['greet' in sdk, 'mail' in sdk, 'other' in sdk, 'hello' in sdk.greet]).toEqual([true, true, false, false]);
  mock.custom('greet', { hello: () => 1 });
  mock.custom('greet', { bye: () => 2 });
  expect(['hello' in sdk.greet, Object.keys(sdk.greet), await sdk.greet.hello(), await sdk.greet.bye()]).toEqual([true, ['hello', 'bye'], 1, 2]);
  expect(() => sdk.other).toThrow(/sdk has no capability "other".*granted are: greet, mail/);
});
"#,
    );
}

#[test]
fn what_is_not_mocked_fails_the_test() {
    let test = r#"
const quietly = (capability, name, argument) => call('default', { capability, name, argument });
it('nothing is', () => quietly('mail', 'send'));
it('another function is', async () => { mock.custom('greet', { hello: () => 1 }); await sdk.greet.bye(); });
it('one that is caught', async () => { mock.custom('greet', { hello: () => 1 }); expect((await quietly('greet', 'bye')).failed[1]).toBe('TypeError'); });
it('no JSON', async () => { mock.custom('greet', { hello: () => 1n }); await quietly('greet', 'hello'); });
it('no function of JSON', async () => { mock.custom('greet', { hello: () => () => 1 }); await quietly('greet', 'hello'); });
it('an expectation within', async () => { mock.custom('greet', { hello: (n) => { expect(n).toBe(1); } }); await quietly('greet', 'hello', 2); });
it('not asked for', () => { mock.custom('other', { hello: () => 1 }); });
it('no function', () => { mock.custom('greet', { hello: 1 }); });
it('no name', () => { mock.custom('greet', { toString: () => 1 }); });
it('passes', () => {});
"#;
    let folder = folder(MANIFEST, MAIN, test);
    let json = results(folder.path(), &[], 1);
    let failed = messages(&json);
    let expected = [
        (
            "nothing is",
            "sdk.mail.send is not mocked (nothing of mail is): say what it answers with mock.custom('mail', { send: (argument) => … })",
        ),
        (
            "another function is",
            "sdk.greet.bye is not mocked (mocked are greet.hello): say what it answers with mock.custom('greet', { bye: (argument) => … })",
        ),
        (
            "one that is caught",
            "sdk.greet.bye is not mocked (mocked are greet.hello): say what it answers with mock.custom('greet', { bye: (argument) => … })",
        ),
        ("no JSON", "the mock of sdk.greet.hello answered with what JSON cannot hold: "),
        ("no function of JSON", "the mock of sdk.greet.hello answered with what JSON cannot hold: it is a function"),
        ("an expectation within", "expected 2 to be 1"),
        (
            "not asked for",
            "mock.custom: the manifest does not ask for \"other\" by permissions.custom; it asks for greet, mail",
        ),
        ("no function", "mock.custom: greet.hello must be a function of its argument, not a value of type number"),
        ("no name", "mock.custom: no function of a host's is called \"toString\": "),
    ];
    assert_eq!(failed.len(), expected.len(), "{failed:#?}");
    for ((name, message), (test, start)) in failed.iter().zip(expected) {
        assert!(name == test && message.trim_start_matches("TypeError: ").starts_with(start), "{name}: {message}");
    }
    // Where the applet reads it, caught or not.
    for (test, place) in [(0, "src/main.ts:3:"), (1, "src/main.test.ts:"), (2, "src/main.ts:3:")] {
        assert!(json["tests"][test]["failures"][0]["at"].as_str().expect("a place").starts_with(place), "{json:#}");
    }

    let logs = "it('logs', async () => { mock.custom('greet', { hello: () => { throw new RangeError('why it failed'); } }); await sdk.greet.hello(); });";
    let shown = run(self::folder(MANIFEST, MAIN, logs).path(), &[]).stdout;
    for part in [
        "SdkError: the host's own function failed",
        "the mock of sdk.greet.hello failed: RangeError: why it failed",
        "at src/main.test.ts:2:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let none = "it('none', () => { mock.custom('greet', {}); });";
    let told = messages(&results(self::folder("", "export default () => 1;\n", none).path(), &[], 1));
    assert!(told[0].1.ends_with("it asks for nothing"), "{told:?}");
}

#[test]
fn the_example_of_the_documents_is_one_that_passes() {
    let plugin = repository().join("examples/embed-plugins/plugins/wordcount");
    let ran = run(&plugin, &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let example = std::fs::read_to_string(plugin.join("src/main.test.ts")).expect("it is there");
    let document = std::fs::read_to_string(repository().join("docs/testing.md")).expect("it is there");
    assert!(document.contains(&format!("```ts\n{example}```")), "docs/testing.md has it as it is");
}

#[test]
fn commands_that_have_none_say_so() {
    let folder = folder("permissions: { custom: [greet] }\n", "export default ({ sdk }) => sdk.greet.hello();\n", "");
    let path = folder.path().to_str().expect("a path of text");
    let ran = cli::run(&["run", path]);
    assert_eq!(ran.code, Some(30), "{ran:#?}");
    for part in [
        "the applet needs the capability \"greet\" (permissions.custom), which this host does not offer",
        "mock.custom",
        "belljar test",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("top-level code"), "{}", ran.stderr);
    let checked = cli::run(&["check", path]);
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    for part in ["offered by the program of an embedder only: greet", "mock.custom", "can be built"] {
        assert!(checked.stderr.contains(part), "{part}: {}", checked.stderr);
    }
    let json = cli::run(&["check", path, "--json"]).json();
    assert_eq!((&json["ok"], &json["problems"][0]["code"]), (&true.into(), &"check.custom".into()));
}
