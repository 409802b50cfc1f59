//! `sdk.kv` end to end: through the library, the command, and a process that is killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use belljar::{Grants, Invocation, KvLimits, Limits, Outcome, Payload, Release};
use belljar_tests::{applet, cli, host};
use serde_json::{Value, json};

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Calls an applet of one handler, for a tenant of its own.
fn call(main: &str) -> Outcome {
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("store", MANIFEST, main));
    block_on(applet::call(host, &release, "default", "null"))
}

fn value(main: &str) -> Value {
    applet::value(&call(main))
}

/// What `body` throws: code and message, or `null`.
fn thrown(body: &str) -> Value {
    value(&format!(
        "export default async () => {{ try {{ {body}; return null; }} catch (e) {{ return [e.code ?? e.name, e.message, e.limit ?? null]; }} }};"
    ))
}

#[test]
fn all_of_it_works() {
    let main = "
        const { kv } = sdk;
        export default async () => {
            const out: unknown[] = [await kv.get('missing'), await kv.delete('missing')];
            await kv.set('a', { list: [1, null, 'ä'] });
            await kv.set('b', new Uint8Array([0, 255]));
            await kv.set('null', null);
            const b = await kv.get<Uint8Array>('b');
            out.push(await kv.get('a'), b instanceof Uint8Array && [...b], await kv.get('null'));
            out.push((await kv.mget(['a', 'missing', 'null'])).map((value) => value === undefined ? 'none' : typeof value));
            out.push(await kv.increment('n'), await kv.increment('n', 41), await kv.get('n'));
            out.push(await kv.compareAndSet('lock', undefined, 'me'), await kv.compareAndSet('lock', undefined, 'you'));
            out.push(await kv.compareAndSet('a', { list: [1, null, 'ä'] }, 'b'), await kv.compareAndSet('lock', 'me', undefined));
            out.push(await kv.get('lock') === undefined, await kv.delete('a'));
            for (let i = 0; i < 7; i++) await kv.set(`page/${i}`, i);
            let cursor: string | undefined;
            const pages: string[][] = [];
            do {
                const page = await kv.list({ prefix: 'page/', limit: 3, cursor });
                pages.push(page.keys);
                cursor = page.cursor;
            } while (cursor !== undefined);
            return [...out, pages.map((keys) => keys.length), pages.flat().join()];
        };";
    let outcome = call(main);
    assert_eq!(
        applet::value(&outcome),
        json!([
            null, false, { "list": [1, null, "ä"] }, [0, 255], null, ["object", "none", "object"], 1, 42, 42, true, false, true, true,
            true, true, [3, 3, 1], "page/0,page/1,page/2,page/3,page/4,page/5,page/6"
        ])
    );
    let usage = &outcome.usage.kv;
    assert_eq!((usage.reads, usage.writes), (1 + 1 + 1 + 1 + 1 + 1 + 1 + 3, 1 + 3 + 2 + 4 + 1 + 7));
    assert!(usage.bytes_in > 100 && usage.bytes_out > 50, "{usage:?}");
}

#[test]
fn what_expires_is_gone() {
    let main = "
        export default async () => {
            await sdk.kv.set('soon', 1, { ttlMs: 30 });
            await sdk.kv.increment('count', 1, { ttlMs: 100_000 });
            const before = await sdk.kv.get('soon');
            await new Promise((resolve) => setTimeout(resolve, 60));
            return [before, await sdk.kv.get('soon') ?? 'gone', (await sdk.kv.list()).keys];
        };";
    assert_eq!(value(main), json!([1, "gone", ["count"]]));
}

#[test]
fn mistakes_are_told() {
    for (body, code, part) in [
        ("await sdk.kv.get('')", "invalid", "at least one character"),
        ("await sdk.kv.set('a\\0b', 1)", "invalid", "U+0000"),
        ("await sdk.kv.list({ prefix: 'a\\n' })", "invalid", "U+000A"),
        ("await sdk.kv.get('\\ud800')", "TypeError", "well-formed"),
        ("await sdk.kv.get(1 as never)", "TypeError", "must be a string"),
        ("await sdk.kv.set('a', undefined)", "TypeError", "undefined"),
        ("await sdk.kv.set('a', 1n)", "TypeError", "BigInt"),
        ("await sdk.kv.set('a', 1, { ttlMs: 0 })", "RangeError", "ttlMs"),
        ("await sdk.kv.set('a', 1, { ttlMs: NaN })", "RangeError", "ttlMs"),
        ("await sdk.kv.set('a', 1, { ttl: 5 } as never)", "TypeError", "no option \"ttl\""),
        ("await sdk.kv.increment('a', 0.5)", "RangeError", "safe integer"),
        ("await sdk.kv.set('a', 'x'); await sdk.kv.increment('a')", "invalid", "no whole number"),
        ("await sdk.kv.list({ limit: 0 })", "RangeError", "limit"),
    ] {
        let thrown = thrown(body);
        assert_eq!(thrown[0], code, "{body}: {thrown}");
        assert!(thrown[1].as_str().unwrap().contains(part), "{body}: {thrown}");
    }
}

#[test]
fn limits_are_held() {
    for (body, limit) in [
        ("await sdk.kv.get('k'.repeat(513))", "kv.key_bytes_max"),
        ("await sdk.kv.set('ä'.repeat(257), 1)", "kv.key_bytes_max"),
        ("await sdk.kv.set('a', 'x'.repeat(1 << 20))", "kv.value_bytes_max"),
        ("await sdk.kv.set('a', new Uint8Array((1 << 20) + 1))", "kv.value_bytes_max"),
        ("await sdk.kv.list({ limit: 1001 })", "kv.keys_per_call_max"),
        ("await sdk.kv.mget(new Array(1001).fill('a'))", "kv.keys_per_call_max"),
    ] {
        let thrown = thrown(body);
        assert_eq!((&thrown[0], &thrown[2]), (&json!("limit"), &json!(limit)), "{body}: {thrown}");
    }
    let limits =
        Limits { kv: KvLimits { keys_max: 3, operations_max: 10, ..KvLimits::default() }, ..Limits::default() };
    let host = host::build(host::builder().limits(limits));
    let main = "
        export default async () => {
            const codes: string[] = [];
            for (let i = 0; i < 12; i++) await sdk.kv.set(`k${i}`, i).catch((e) => codes.push(e.limit));
            return codes;
        };";
    let release = applet::admit(&host, applet::tenant(), &applet::package_of("store", MANIFEST, main));
    let codes = applet::value(&block_on(applet::call(&host, &release, "default", "null")));
    assert_eq!(codes, json!([["kv.keys_max"; 7].as_slice(), ["kv.operations_max"; 2].as_slice()].concat()));
}

#[test]
fn nobody_has_it_unasked() {
    let main = "export default async () => sdk.kv.get('a').catch((e) => [e.code, e.capability]);";
    let host = host::shared();
    let plain = applet::admit(host, applet::tenant(), &applet::package_of("store", applet::PLAIN, main));
    assert_eq!(applet::value(&block_on(applet::call(host, &plain, "default", "null"))), json!(["not-granted", "kv"]));
    // Asked for, and not granted.
    let package = applet::package_of("store", MANIFEST, main);
    let refused = Release::admit(applet::tenant(), &package, &Grants::default(), host.limits()).unwrap();
    assert_eq!(applet::value(&block_on(applet::call(host, &refused, "default", "null"))), json!(["not-granted", "kv"]));
    // Top-level code has no tenant.
    let early =
        applet::package_of("store", MANIFEST, "export const early = await sdk.kv.get('a'); export default () => 0;");
    let release = applet::admit(host, applet::tenant(), &early);
    let outcome = block_on(applet::call(host, &release, "default", "null"));
    assert!(applet::fault(&outcome).message.contains("sdk.kv cannot be used while top-level code runs"), "{outcome:?}");
}

#[test]
fn tenants_and_applets_have_their_own() {
    let (host, _data) = host::with_data();
    let main = "export default async (_: unknown, value: unknown) => { const before = await sdk.kv.get('k'); await sdk.kv.set('k', value); return before ?? null; };";
    let (one, other) = (applet::package_of("one", MANIFEST, main), applet::package_of("other", MANIFEST, main));
    let (acme, umbrella) = (applet::tenant(), applet::tenant());
    let says = |tenant: &belljar::TenantId, package: &[u8], value: &str| {
        let release = applet::admit(&host, tenant.clone(), package);
        applet::value(&block_on(applet::call(&host, &release, "default", value)))
    };
    assert_eq!(says(&acme, &one, "1"), Value::Null);
    assert_eq!(says(&acme, &other, "2"), Value::Null);
    assert_eq!(says(&umbrella, &one, "3"), Value::Null);
    assert_eq!(says(&acme, &one, "4"), json!(1));
    let used = host.kv().used(Some(&acme)).unwrap();
    assert_eq!(
        used.iter().map(|used| (used.owner.applet.as_str(), used.keys, used.bytes)).collect::<Vec<_>>(),
        [("one", 1, 2), ("other", 1, 2)]
    );
}

#[test]
fn programs_get_it_on_request() {
    let code = "print(typeof sdk === 'undefined' ? 'none' : JSON.stringify(Object.keys(sdk)))";
    assert_eq!(cli::run(&["eval", code]).stdout, "none\n");
    assert_eq!(cli::run(&["eval", "--grant", "kv", code]).stdout, "[\"kv\",\"crypto\",\"SdkError\"]\n");
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let count = "sdk.kv.increment('n').then(print)";
    let run = || cli::run(&["eval", "--grant", "kv", "--data-dir", data, count]).stdout;
    assert_eq!((run(), run()), ("1\n".into(), "2\n".into()));
    // Without a folder nothing is kept.
    let run = || cli::run(&["eval", "--grant", "kv", count]).stdout;
    assert_eq!((run(), run()), ("1\n".into(), "1\n".into()));
}

/// A process is killed while it writes: what it was told of is there, and the file is whole.
#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_str().unwrap().to_owned();
    let writes = "(async () => { for (let i = 1; ; i++) { await Promise.all([sdk.kv.set('a/' + i, i), sdk.kv.set('b/' + i, 'x'.repeat(1000))]); print(String(i)); } })()";
    for round in 0..3 {
        let mut child = Command::new(cli::binary())
            .args(["eval", "--grant", "kv", "--deadline-ms", "60000", "--data-dir", &path, writes])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        let number = |line: std::io::Result<String>| line.unwrap().parse::<u64>().expect("a number in each line");
        while told < 20 + 30 * round {
            told = number(lines.next().expect("it goes on until it is killed"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told = lines.map(number).max().unwrap_or(told);
        let read = format!(
            "(async () => {{ const missing = []; for (let i = 1; i <= {told}; i++) {{
                const [a, b] = await sdk.kv.mget(['a/' + i, 'b/' + i]);
                if (a !== i || b.length !== 1000) missing.push(i);
            }}
            print(JSON.stringify(missing)); }})()"
        );
        let ran = cli::run(&["eval", "--grant", "kv", "--deadline-ms", "60000", "--data-dir", &path, &read]);
        assert_eq!(ran.stdout, "[]\n", "{ran:?}");
    }
}

#[test]
fn an_outcome_says_nothing_of_a_store_that_is_broken() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("kv.sqlite"), vec![b'x'; 4_096]).unwrap();
    let host = host::build(host::builder().data_dir(data.path()));
    let main = "export default async () => sdk.kv.get('a').catch((e) => [e.code, e.message]);";
    let release = applet::admit(&host, applet::tenant(), &applet::package_of("store", MANIFEST, main));
    let outcome = block_on(host.invoke(&release, Invocation::new("default", Payload::Json("null".into()))));
    assert_eq!(applet::value(&outcome), json!(["failed", "the key-value store cannot be opened"]));
}
