//! The part of Node that a sandbox has: the store of an AsyncLocalStorage follows the program, and modules answer as Node's own do.

use std::path::Path;
use std::process::Command;

use belljar_tests::{applet, cli, host, repository};
use serde_json::{Value, json};

async fn answer(main: &str) -> Value {
    let host = host::shared();
    let package = applet::package_of("node", "runtime: { entrypoint: src/main.ts }\npermissions: { db: true }\n", main);
    let release = applet::admit(host, applet::tenant(), &package);
    applet::value(&applet::call(host, &release, "default", "null").await)
}

fn check(main: &str, expected: Value) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    assert_eq!(runtime.block_on(answer(main)), expected, "{main}");
}

#[test]
fn a_store_follows_awaits_timers_and_capability_calls() {
    let main = "
        import { AsyncLocalStorage } from 'node:async_hooks';
        const storage = new AsyncLocalStorage<string>();
        const seen: unknown[] = [];
        const at = (label: string) => void seen.push([label, storage.getStore()]);
        // What top-level code enters is not there when a handler is called.
        storage.enterWith('top level');
        export default async (context: any) => {
            at('handler');
            await storage.run('a', async () => {
                await null;
                at('await');
                await context.sdk.db.query('select 1');
                at('database');
                await new Promise((resolve) => setTimeout(resolve, 1));
                at('timer');
                const together = await Promise.all(['b', 'c'].map((name) => storage.run(name, async () => {
                    await context.sdk.db.queryOne('select 2');
                    return storage.getStore();
                })));
                at(together.join());
                queueMicrotask(() => at('microtask'));
                for await (const n of (async function* () { yield 1; await null; yield 2; })()) at(`iteration ${n}`);
            });
            at('end');
            return seen;
        };";
    let expected = json!([
        ["handler", null],
        ["await", "a"],
        ["database", "a"],
        ["timer", "a"],
        ["b,c", "a"],
        ["microtask", "a"],
        ["iteration 1", "a"],
        ["iteration 2", "a"],
        ["end", null],
    ]);
    check(main, expected);
}

#[test]
fn ticks_run_before_jobs_and_not_between_them() {
    check(
        "export default async () => {
            const order: string[] = [];
            await new Promise<void>((done) => setTimeout(() => {
                Promise.resolve().then(() => { order.push('job 1'); process.nextTick(() => order.push('late tick')); }).then(() => order.push('job 2'));
                process.nextTick(() => { order.push('tick 1'); process.nextTick(() => order.push('tick 3')); });
                process.nextTick(() => order.push('tick 2'));
                order.push('sync');
                setTimeout(done, 1);
            }));
            return order.join();
        };",
        json!("sync,tick 1,tick 2,tick 3,job 1,job 2,late tick"),
    );
}

#[test]
fn garbage_that_holds_stores_is_collected() {
    // Ten thousand promises that nobody settles, each with a reaction, a store of 10 KB and a cycle: 100 MB if they stayed.
    check(
        "import { AsyncLocalStorage } from 'async_hooks';
         const storage = new AsyncLocalStorage<any>();
         export default async () => {
            let sum = 0;
            for (let i = 0; i < 10_000; i++) {
                const store: any = { bytes: new Uint8Array(10_000) };
                storage.run(store, () => {
                    const promise = new Promise(() => {});
                    store.promise = promise;
                    void promise.then(() => store);
                    void (async () => { await promise; return store; })();
                });
                sum += await storage.run(store, async () => { await null; return storage.getStore().bytes.length; });
            }
            return sum;
         };",
        json!(100_000_000),
    );
}

#[test]
fn packages_reach_nodes_modules_by_require_and_by_import() {
    check(
        "import { createHmac, createHash } from 'crypto';
         import EventEmitter, { once } from 'node:events';
         import * as path from 'node:path';
         import assert from 'node:assert/strict';
         import { inspect, promisify } from 'util';
         const made = createHash('sha256').update('while the applet is prepared').digest('hex').slice(0, 8);
         export default async () => {
            const emitter = new EventEmitter();
            setTimeout(() => emitter.emit('done', 7), 1);
            const [value] = await once(emitter, 'done');
            assert.throws(() => assert.equal(1, 2), { code: 'ERR_ASSERTION' });
            const { parse } = await import('node:url');
            return [made, createHmac('sha512', 'k').update(Buffer.from('ü')).digest('base64').slice(0, 8), value, path.join('a', '../b'), inspect(Buffer.from('hi')),
                await promisify((n: number, then: any) => then(null, n + 1))(1), parse('http://h/p?q').query, process.env.NODE_ENV];
         };",
        json!(["3a468c35", "AvOqWTuP", 7, "b", "<Buffer 68 69>", 2, "q", "production"]),
    );
}

/// Runs a program of guest-js/web/test/node: `load`, `print` and `attempt` are its only ties to where it runs.
fn program(source: &str, load: &str, print: &str) -> String {
    format!(
        "const load = {load};
         const print = (...args) => {print}(args.map(String).join(' '));
         const attempt = (call) => {{
             try {{ print(load('util').inspect(call())); }} catch (error) {{ print(error.name, error.code, error.message); }}
         }};
         await (async () => {{{source}\n}})();\n"
    )
}

#[test]
fn programs_print_what_they_print_in_node() {
    let node = Command::new("node").args(["--version"]).output();
    let is_ours = node.as_ref().is_ok_and(|output| output.stdout.starts_with(b"v20."));
    if !is_ours {
        eprintln!("skipped: the programs of guest-js/web/test/node are compared with Node 20, which is not installed");
        return;
    }
    let programs = repository().join("guest-js/web/test/node");
    let mut count = 0;
    for entry in std::fs::read_dir(&programs).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let folder = applet::folder(&[
            ("ours.mjs", &program(&source, "(name) => process.getBuiltinModule(name)", "globalThis.print")),
            (
                "node.mjs",
                &format!(
                    "import {{ createRequire }} from 'node:module';\n{}",
                    program(&source, "createRequire(import.meta.url)", "console.log")
                ),
            ),
        ]);
        let expected = Command::new("node")
            .arg("--no-deprecation")
            .arg(folder.path().join("node.mjs"))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        assert!(expected.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&expected.stderr));
        let ours = run_module(&folder.path().join("ours.mjs"));
        let expected = String::from_utf8_lossy(&expected.stdout).into_owned();
        for (line, expected) in ours.lines().zip(expected.lines()) {
            assert_eq!(line, expected, "{}", path.display());
        }
        assert_eq!(ours.lines().count(), expected.lines().count(), "{}: {ours}", path.display());
        count += 1;
    }
    assert!(count > 5, "the programs are there");
}

fn run_module(path: &Path) -> String {
    let path = path.to_str().expect("a path in UTF-8");
    let ran = cli::run(&["eval", "--module", path, "--deadline-ms", "60000", "--fuel-max", "20000000000"]);
    // Warnings of the modules go to standard error.
    assert_eq!(ran.code, Some(0), "{path}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn a_program_imports_nodes_modules() {
    let folder = applet::folder(&[(
        "main.mjs",
        "import events, { once } from 'events'; import { join } from 'node:path'; import * as strict from 'node:assert/strict';
         const url = await import('url');
         print(events.EventEmitter === events, typeof once, join('a', 'b'), typeof strict.deepEqual, url.parse('http://h/').host);
         try { await import('node:fs'); } catch (error) { print(error.message.includes('node:fs')); }",
    )]);
    assert_eq!(run_module(&folder.path().join("main.mjs")), "true function a/b function h\ntrue\n");
}
