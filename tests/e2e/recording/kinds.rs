//! Invocations of every kind, and every way to end.

use std::time::Duration;

use belljar::{Body, FaultCode, Invocation, Limits, Payload, Request, Response};
use futures_util::stream;

use super::world::World;
use super::{block_on, check_equal, json_call, record, release};

const ALL: &str = "runtime: { entrypoint: src/main.ts, locales: [de, en] }\n\
                   permissions: { db: true, kv: true, http: ['api.example'], events: { publish: [order.made] }, jobs: true }\n";

/// Bodies of handlers that answer.
const ANSWERING: [(&str, &str); 16] = [
    ("nothing", "return payload;"),
    ("random and time", "return [Math.random(), Date.now(), performance.now(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(9))], new Date().toISOString()];"),
    ("much time", "let last = 0; for (let i = 0; i < 5000; i++) last = Date.now() + performance.now(); return last;"),
    ("logs", "console.log('a', { b: [1] }); console.error(new Error('shown')); sdk.log.warn('w', { n: 1.5 }); return 1;"),
    (
        "db",
        "await sdk.db.execute('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB, c REAL)', []);
         const made = await sdk.db.transaction(async (tx) => tx.execute('INSERT INTO t (b, c) VALUES (?, ?)', [new Uint8Array([1, 255]), 1.25]));
         await sdk.db.batch([{ sql: 'INSERT INTO t (c) VALUES (?)', params: [0.1] }]);
         const rows = await sdk.db.query('SELECT a, b, c, 9007199254740993 AS big, NULL AS none FROM t', []);
         return rows.map((row) => [String(row.big), row.c, row.b && [...row.b]]).concat([made.changes]);",
    ),
    ("db errors", "try { await sdk.db.query('SELECT nonsense', []); } catch (error) { return error.message; }"),
    (
        "kv",
        "await sdk.kv.set('a', { x: 1 }); await sdk.kv.set('b', new Uint8Array([7, 8])); await sdk.kv.increment('n', 3);
         return [await sdk.kv.get('a'), [...(await sdk.kv.get('b'))], await sdk.kv.mget(['n', 'none']), await sdk.kv.delete('a')];",
    ),
    ("http", "const r = await fetch('https://api.example/x?y=1', { headers: { 'x-y': 'z' } }); return [r.status, await r.text(), r.headers.get('content-type')];"),
    ("http that fails", "try { await fetch('https://api.example/broken'); } catch (error) { return String(error); }"),
    ("http in pieces", "const s = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(70000).fill(65)); c.enqueue(new Uint8Array([66])); c.close(); } });
         const r = await fetch('https://api.example/x', { method: 'POST', body: s, duplex: 'half' }); return (await r.arrayBuffer()).byteLength;"),
    ("many at once", "return (await Promise.all(Array.from({ length: 40 }, (_, i) => fetch('https://api.example/' + i).then((r) => r.text())))).length;"),
    ("timers", "const order = []; await Promise.all([20, 1, 10].map((ms) => new Promise((done) => setTimeout(() => { order.push(ms, Date.now()); done(); }, ms)))); return order;"),
    ("aborted", "const stop = new AbortController(); setTimeout(() => stop.abort(), 1);
         try { await Promise.all([fetch('https://api.example/a', { signal: stop.signal }), new Promise((_, no) => stop.signal.addEventListener('abort', () => no(new Error('late'))))]); } catch (error) { return error.name + Date.now(); }"),
    ("events and jobs", "return [await sdk.events.publish('order.made', { id: 7 }), await sdk.jobs.enqueue('default', { n: 1 })];"),
    (
        "crypto",
        "const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt', 'decrypt']);
         const iv = crypto.getRandomValues(new Uint8Array(12)), text = new TextEncoder().encode('hello');
         const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, text);
         const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
         const signed = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, text);
         const digest = await crypto.subtle.digest('SHA-256', text);
         return [await crypto.subtle.exportKey('jwk', key), new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed)),
           await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, pair.publicKey, signed, text), [...new Uint8Array(digest)].length];",
    ),
    ("intl", "return [new Intl.NumberFormat('de').format(1234.5), new Date(0).toLocaleDateString('de'), ['z', 'ä', 'a'].sort(new Intl.Collator('de').compare)];"),
];

/// Bodies of handlers that come to a bad end, with that end.
const FAILING: [(&str, &str, FaultCode); 6] = [
    (
        "throws",
        "console.log('before'); throw Object.assign(new TypeError('no', { cause: new Error('why') }), { code: 'E', details: { a: 1 } });",
        FaultCode::Threw,
    ),
    ("rejects later", "await sdk.kv.get('a'); await Promise.reject(new RangeError('late'));", FaultCode::Threw),
    ("never settles", "await sdk.kv.get('a'); await new Promise(() => {});", FaultCode::Unsettled),
    ("recurses", "const down = (n) => down(n + 1) + 1; return down(0);", FaultCode::Stack),
    ("no result", "const a = {}; a.a = a; return a;", FaultCode::InvalidResult),
    ("too many operations", "for (;;) await sdk.kv.get('a');", FaultCode::Operations),
];

fn main(body: &str) -> String {
    format!("export default async (context: any, payload: any) => {{ const {{ sdk }} = context; {body} }};")
}

#[test]
fn what_answers_replays() {
    let world = World::new();
    for (name, body) in ANSWERING {
        let release = release(&world, ALL, &main(body));
        let (outcome, recording) = record(&world, &release, json_call(r#"{"a":[1,"ü"]}"#));
        assert!(outcome.result.is_ok(), "{name}: {:?}", outcome.result);
        check_equal(name, &release, &outcome, &recording);
    }
}

#[test]
fn what_fails_replays() {
    let limits = Limits { operations_max: 50, ..Limits::default() };
    let world = World::build(&[], |builder| builder.limits(limits));
    for (name, body, code) in FAILING {
        let release = release(&world, ALL, &main(body));
        let (outcome, recording) = record(&world, &release, json_call("{}"));
        assert_eq!(outcome.result.as_ref().err().map(|fault| fault.code), Some(code), "{name}: {:?}", outcome.result);
        assert_eq!(recording.fault().map(|(code, _)| code), Some(code.as_str()), "{name}");
        check_equal(name, &release, &outcome, &recording);
    }
}

const LOOP: &str =
    "await sdk.kv.get('a'); let x = 1; for (;;) { x = (x * 31 + 1) % 65521; if (x === -1) return Date.now(); }";

#[test]
fn every_limit_replays_to_the_same_fuel() {
    let world = World::new();
    let limited = |limits: &str| {
        format!("runtime: {{ entrypoint: src/main.ts, limits: {{ {limits} }} }}\npermissions: {{ kv: true }}\n")
    };
    let cases = [
        ("fuel", "fuel_max: 30000000", LOOP, FaultCode::Fuel),
        (
            "memory",
            "max_memory_mb: 16",
            "const all = []; for (;;) all.push(new Array(1000).fill({}));",
            FaultCode::Memory,
        ),
        ("deadline while it computes", "max_execution_ms: 150", LOOP, FaultCode::Deadline),
        (
            "deadline while it waits",
            "max_execution_ms: 60",
            "await sdk.kv.get('a'); await new Promise((done) => setTimeout(done, 60000));",
            FaultCode::Deadline,
        ),
        ("output", "response_bytes_max: 1000", "return 'x'.repeat(5000);", FaultCode::Output),
    ];
    for (name, limits, body, code) in cases {
        let release = release(&world, &limited(limits), &main(body));
        let (outcome, recording) = record(&world, &release, json_call("{}"));
        assert_eq!(outcome.result.as_ref().err().map(|fault| fault.code), Some(code), "{name}: {:?}", outcome.result);
        let replayed = check_equal(name, &release, &outcome, &recording);
        if name == "deadline while it computes" {
            // The replay says where, whatever ended it.
            assert!(replayed.frames.iter().any(|frame| frame.file == "src/main.ts"), "{replayed:?}");
        }
    }
}

#[test]
fn what_was_cancelled_replays_to_where_it_was() {
    let world = World::new();
    for (name, body, begins) in [
        ("before it begins", LOOP, false),
        ("while it computes", LOOP, true),
        ("while it waits", "await sdk.kv.get('a'); await new Promise((done) => setTimeout(done, 60000));", true),
    ] {
        let release = release(&world, ALL, &main(body));
        let (outcome, recording) = block_on(async {
            let mut invocation = json_call("{}");
            world.host.prepare(&release).await.expect("it is sound");
            invocation.until = Some(if begins {
                Box::pin(tokio::time::sleep(Duration::from_millis(60)))
            } else {
                Box::pin(std::future::ready(()))
            });
            world.host.invoke_recorded(&release, invocation).await
        });
        assert_eq!(outcome.result.as_ref().err().map(|fault| fault.code), Some(FaultCode::Cancelled), "{name}");
        let replayed = check_equal(name, &release, &outcome, &recording.expect("it was called"));
        assert_eq!(replayed.frames.is_empty(), name != "while it computes", "{name}: {replayed:?}");
    }
}

fn request(body: Body) -> Invocation {
    let headers = vec![("host".to_owned(), "a.example".to_owned())];
    Invocation::new(
        "default",
        Payload::Request(Request { method: "POST".into(), url: "https://a.example/x".into(), headers, body }),
    )
}

#[test]
fn requests_and_responses_in_pieces_replay() {
    let world = World::new();
    let manifest = "runtime: { entrypoint: src/main.ts }\nhandlers: [{ name: default, type: http, method: POST, path: /x, auth: none }]\npermissions: { kv: true }\n";
    let cases = [
        ("whole", "export default { async fetch(request) { return new Response('got ' + (await request.text()).length, { status: 201 }); } };"),
        (
            "in pieces, and more after it",
            "export default { async fetch(request, env, ctx) {
               ctx.waitUntil((async () => { await new Promise((done) => setTimeout(done, 5)); await sdk.kv.set('later', Date.now()); console.log('later'); })());
               const upper = new TransformStream({ transform(chunk, c) { c.enqueue(new Uint8Array([...chunk].map((byte) => byte ^ 32))); } });
               return new Response(request.body.pipeThrough(upper));
             } };",
        ),
        ("breaks off", "export default { async fetch() { let n = 0; return new Response(new ReadableStream({ pull(c) { if (n++ > 2) throw new Error('no more'); c.enqueue(new Uint8Array([n])); } })); } };"),
    ];
    for (name, main) in cases {
        let release = release(&world, manifest, main);
        for (kind, body) in [
            ("bytes", Body::from("some bytes")),
            ("a stream", Body::stream(stream::iter(["some", " ", "bytes"].map(|piece| Ok::<_, &str>(piece.into()))))),
        ] {
            let (outcome, recording) = record(&world, &release, request(body));
            if name != "breaks off" {
                assert!(matches!(outcome.result, Ok(Response::Http(_))), "{name}, {kind}: {:?}", outcome.result);
            }
            check_equal(&format!("{name}, {kind}"), &release, &outcome, &recording);
        }
    }
}

#[test]
fn programs_with_modules_replay() {
    use belljar::{Evaluation, Grants, Limits, Modules, Program, ProgramKind, Replay};
    struct One;
    impl Modules for One {
        fn load(&self, specifier: &str, _: &str) -> Result<(String, String), String> {
            match specifier {
                "./one.js" => Ok(("one.js".into(), "export const one = Math.random();".into())),
                _ => Err(format!("there is no {specifier}")),
            }
        }
    }
    let world = World::new();
    let source = "import { one } from './one.js'; console.log(one, Date.now()); await import('./none.js').catch((error) => console.log(String(error)));";
    let program =
        Program { kind: ProgramKind::Module, name: "main.mjs".into(), source: source.into(), locales: Vec::new() };
    let evaluation = Evaluation {
        program,
        grants: Grants { log: true, ..Grants::default() },
        limits: Limits::default(),
        modules: Some(std::sync::Arc::new(One)),
        tenant: belljar_tests::applet::tenant(),
    };
    let (outcome, recording) = block_on(world.host.run_recorded(evaluation));
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let recording = recording.expect("it was begun");
    match block_on(belljar_tests::host::shared().replay_program(&recording, None)).expect("it is replayed") {
        Replay::Equal(replayed) => assert_eq!(replayed.fuel, outcome.usage.fuel),
        other => panic!("{other:#?}"),
    }
}
