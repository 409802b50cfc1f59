//! Calls of components are recorded and run again as those of the engine of JavaScript are.

mod against;
mod javascript;
mod kept;

use std::time::Duration;

use belljar::{Body, FaultCode, Invocation, Limits, Outcome, Payload, Recording, Release, Replay, Request, Response};
use belljar_tests::{applet, component, host};
use futures_util::stream;

use super::world::World;
use super::{block_on, check_equal, json_call, record, replay, tampered};

const ALL: &str = "permissions: { db: true, kv: true, http: ['api.example'] }\n";

/// What the components here import of WASI.
const WASI: &str = "
package wasi:random@0.2.12 { interface random { get-random-u64: func() -> u64; } }
package wasi:io@0.2.12 {
  interface error { resource error { to-debug-string: func() -> string; } }
  interface poll { resource pollable { block: func(); ready: func() -> bool; } poll: func(in: list<borrow<pollable>>) -> list<u32>; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:clocks@0.2.12 {
  interface monotonic-clock { use wasi:io/poll@0.2.12.{pollable}; now: func() -> u64; subscribe-duration: func(when: u64) -> pollable; }
}
package wasi:cli@0.2.12 { interface stdout { use wasi:io/streams@0.2.12.{output-stream}; get-stdout: func() -> output-stream; } }
";

/// Every function that the components here call.
const IMPORTS: &str = r#"
(import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
(import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.12" "[method]pollable.ready" (func $ready (param i32) (result i32)))
(import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
(import "belljar:component/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
(import "belljar:component/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "belljar:component/kv@0.1.0" "increment" (func $increment (param i32 i32 i64 i32 i64 i32)))
(import "belljar:component/db@0.1.0" "query" (func $query (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "belljar:component/secrets@0.1.0" "get" (func $secret (param i32 i32 i32)))
(import "belljar:component/http@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
"#;

/// Texts, and functions that call one of the imports with them.
const HELPERS: &str = r#"
(data (i32.const 4096) "visits") (data (i32.const 4112) "GET") (data (i32.const 4128) "SELECT 41 + 1") (data (i32.const 4160) "a line\0a")
(data (i32.const 4176) "half a line") (data (i32.const 4192) "first") (data (i32.const 4208) "\60\10\00\00\05\00\00\00")
(data (i32.const 4224) "KEY") (data (i32.const 4232) "x-key") (data (i32.const 4240) "POST")
(global $to (mut i32) (i32.const 0))
(func $out (result i32)
  (if (i32.eqz (global.get $to)) (then (global.set $to (call $stdout))))
  (global.get $to))
(func $line (call $write (call $out) (i32.const 4160) (i32.const 7) (i32.const 3000)))
(func $half (call $write (call $out) (i32.const 4176) (i32.const 11) (i32.const 3000)))
(func $count (call $increment (i32.const 4096) (i32.const 6) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 1200)))
;; Asks the database, and answers the number in its row.
(func $ask (result i64)
  (call $query (i32.const 4128) (i32.const 13) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3200))
  (if (i32.load8_u (i32.const 3200)) (then unreachable))
  (i64.load (i32.add (i32.load (i32.load (i32.const 3216))) (i32.const 8))))
;; Sends a request to the URL in the payload, and logs the body of the response.
(func $fetch (param $call i32)
  (call $send (i32.const 4112) (i32.const 3)
    (i32.add (i32.load (i32.add (local.get $call) (i32.const 108))) (i32.const 1))
    (i32.sub (i32.load (i32.add (local.get $call) (i32.const 112))) (i32.const 2))
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3400))
  (if (i32.load8_u (i32.const 3400)) (then unreachable))
  (call $log (i32.const 1) (i32.load (i32.const 3440)) (i32.load (i32.const 3444)) (i32.const 0) (i32.const 0)))
;; Waits for a timer of some nanoseconds.
(func $sleep (param i64)
  (i32.store (i32.const 3600) (call $after (local.get 0)))
  (call $poll (i32.const 3600) (i32.const 1) (i32.const 3608)))
"#;

fn made_of(functions: &str) -> Vec<u8> {
    let imports = "import wasi:random/random@0.2.12; import wasi:clocks/monotonic-clock@0.2.12; import wasi:io/poll@0.2.12; import wasi:cli/stdout@0.2.12;";
    component::of_text(imports, WASI, IMPORTS, &format!("{HELPERS} {functions}"))
}

/// A release whose `handle` does this, and answers.
fn release(world: &World, manifest: &str, body: &str) -> Release {
    let handle = format!(r#"(func (export "handle") (param $call i32) (result i32) (local $n i64) {body})"#);
    admit(world, manifest, &handle)
}

/// A release of these functions.
fn admit(world: &World, manifest: &str, functions: &str) -> Release {
    applet::admit(&world.host, applet::tenant(), &component::package_of("recorded", manifest, &made_of(functions)))
}

fn fault_code(outcome: &Outcome) -> Option<FaultCode> {
    outcome.result.as_ref().err().map(|fault| fault.code)
}

/// Calls by their functions' names.
fn names(recording: &Recording) -> Vec<String> {
    recording.calls().map(|call| call.split('(').next().unwrap_or_default().to_owned()).collect()
}

const EVERYTHING: &str = "
  (call $line) (call $count) (local.set $n (call $ask))
  (call $sleep (i64.const 5000000)) (call $block (call $after (i64.const 1000000)))
  (local.set $n (i64.add (local.get $n) (i64.extend_i32_u (call $ready (call $after (i64.const 3600000000000))))))
  (call $fetch (local.get $call)) (call $half)
  (call $number (i64.xor (i64.add (local.get $n) (call $now)) (call $random)))";

#[test]
fn a_component_that_uses_everything_replays() {
    let world = World::new();
    let release = release(&world, ALL, EVERYTHING);
    let (outcome, recording) = record(&world, &release, json_call(r#""https://api.example/x""#));
    let fixture = recording.fixture().unwrap();
    assert_eq!(fixture["payload"], "https://api.example/x");
    assert_eq!(fixture["http"][0]["request"]["url"], "https://api.example/x");
    assert!(fixture["http"][0]["response"]["status"].is_u64() && fixture["http"][1].is_null(), "{fixture:#}");
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    // Whether a timer was waited for, or was due when it was asked for, is the machine's.
    let mut calls = names(&recording);
    calls.retain(|name| name != "clock.reached");
    let expected = [
        "stdout.write",
        "kv.increment",
        "db.query",
        "poll.poll",
        "poll.block",
        "poll.ready",
        "http.send",
        "log.write",
        "random.bytes",
        "stdout.write",
    ];
    assert_eq!(calls, expected);
    let replayed = check_equal("everything", &release, &outcome, &recording);
    assert_eq!(replayed.calls, recording.calls().count() as u64);
    let stopped =
        block_on(host::shared().replay(&release, &recording, Some(outcome.usage.fuel / 2))).expect("it is replayed");
    match stopped {
        Replay::Stopped { fuel, frames } => {
            assert_eq!(fuel, outcome.usage.fuel / 2);
            assert!(frames.iter().all(|frame| frame.file == "applet.wasm") && !frames.is_empty(), "{frames:?}");
        }
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_replay_of_a_component_stops_where_it_is_told_to_and_names_the_functions() {
    let world = World::new();
    let functions = r#"
        (func $inner (param $left i32)
          (loop $more (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $more (local.get $left))))
        (func $outer (call $inner (i32.const 50000)))
        (func $handle (export "handle") (param $call i32) (result i32) (call $count) (call $outer) (call $count) (call $number (i64.const 1)))"#;
    let release = admit(&world, ALL, functions);
    let (outcome, recording) = record(&world, &release, json_call("null"));
    let until = |fuel| block_on(host::shared().replay(&release, &recording, Some(fuel))).expect("it is replayed");
    // Nearly all of it is burnt in the loop between the two calls.
    for part in [3, 5, 7] {
        let given = outcome.usage.fuel * part / 10;
        let Replay::Stopped { fuel, frames } = until(given) else { panic!("{:#?}", until(given)) };
        assert_eq!(fuel, given);
        let functions: Vec<_> = frames.iter().map(|frame| frame.function.as_str()).collect();
        assert_eq!(functions, ["inner", "outer", "handle"]);
        assert!(frames.iter().all(|frame| frame.file == "applet.wasm" && frame.column > 1), "{frames:?}");
    }
    let Replay::Stopped { fuel, .. } = until(1) else { panic!("{:#?}", until(1)) };
    assert_eq!(fuel, 1);
    let beyond = until(outcome.usage.fuel + 1);
    assert!(matches!(&beyond, Replay::Equal(replayed) if replayed.calls == 2), "{beyond:#?}");
}

#[test]
fn a_bad_end_of_a_component_replays() {
    let limits = Limits { operations_max: 5, ..Limits::default() };
    let world = World::build(&[], |builder| builder.limits(limits));
    let cases = [
        ("traps", "", "(call $line) (call $half) unreachable", FaultCode::Trap),
        ("no JSON", "", "(call $text (i32.const 4112) (i32.const 3))", FaultCode::InvalidResult),
        (
            "too many operations",
            "",
            "(call $half) (loop $l (call $line) (call $count) (br $l)) (i32.const 0)",
            FaultCode::Operations,
        ),
        (
            "memory",
            "  limits: { max_memory_mb: 8 }\n",
            "(call $half) (loop $l (drop (memory.grow (i32.const 8))) (br $l)) (i32.const 0)",
            FaultCode::Memory,
        ),
        (
            "fuel",
            "  limits: { fuel_max: 25000000 }\n",
            "(call $count) (call $half) (loop $l (br $l)) (i32.const 0)",
            FaultCode::Fuel,
        ),
        (
            "fuel of the host",
            "  limits: { fuel_max: 2000000 }\n",
            "(loop $l (drop (call $random)) (br $l)) (i32.const 0)",
            FaultCode::Fuel,
        ),
    ];
    for (name, runtime, body, code) in cases {
        let release = release(&world, &format!("{runtime}{ALL}"), body);
        let (outcome, recording) = record(&world, &release, json_call("null"));
        assert_eq!(fault_code(&outcome), Some(code), "{name}: {:?}", outcome.result);
        check_equal(name, &release, &outcome, &recording);
    }
}

#[test]
fn a_component_that_was_ended_from_outside_replays_to_where_it_was() {
    let world = World::new();
    // Where it was, and what it had called by then.
    let cases = [
        ("it computed", "(call $line) (call $half) (loop $l (br $l)) (i32.const 0)", true),
        ("it called", "(loop $l (drop (call $random)) (call $line) (drop (call $now)) (br $l)) (i32.const 0)", true),
        ("it waited for a timer", "(call $half) (call $sleep (i64.const 60000000000)) (i32.const 0)", false),
        ("it waited for an operation", "(call $count) (call $fetch (local.get $call)) (i32.const 0)", false),
    ];
    for (name, body, is_running) in cases {
        let release = release(&world, &format!("  limits: {{ max_execution_ms: 120 }}\n{ALL}"), body);
        block_on(world.host.prepare(&release)).expect("it is sound");
        for is_cancelled in [false, true] {
            let mut invocation = json_call(r#""https://api.example/never""#);
            let (outcome, recording) = block_on(async {
                invocation.until = is_cancelled.then(|| Box::pin(tokio::time::sleep(Duration::from_millis(30))) as _);
                world.host.invoke_recorded(&release, invocation).await
            });
            let code = if is_cancelled { FaultCode::Cancelled } else { FaultCode::Deadline };
            assert_eq!(fault_code(&outcome), Some(code), "{name}: {:?}", outcome.result);
            let replayed = check_equal(name, &release, &outcome, &recording.expect("it was called"));
            assert!(!is_running || !replayed.frames.is_empty(), "{name}: {replayed:?}");
        }
    }
    let unbegun = release(&world, ALL, "(i32.const 0)");
    let mut invocation = json_call("null");
    invocation.until = Some(Box::pin(std::future::ready(())));
    let (outcome, recording) = block_on(world.host.invoke_recorded(&unbegun, invocation));
    assert_eq!(check_equal("before it began", &unbegun, &outcome, &recording.expect("it was to be called")).fuel, 0);
}

/// Answers 201 with the body of the request.
const ECHOES: &str = "(i32.store8 (i32.const 1024) (i32.const 0)) (i32.store8 (i32.const 1028) (i32.const 1)) (i32.store16 (i32.const 1032) (i32.const 201))
  (i32.store (i32.const 1036) (i32.const 0)) (i32.store (i32.const 1040) (i32.const 0))
  (i32.store (i32.const 1044) (i32.load (i32.add (local.get $call) (i32.const 132))))
  (i32.store (i32.const 1048) (i32.load (i32.add (local.get $call) (i32.const 136))))
  (i32.const 1024)";

#[test]
fn a_request_in_pieces_is_recorded_whole() {
    let world = World::new();
    let release =
        release(&world, "handlers: [{ name: default, type: http, method: POST, path: /x, auth: none }]\n", ECHOES);
    let body = Body::stream(stream::iter(["some", " ", "bytes"].map(|piece| Ok::<_, &str>(piece.into()))));
    let request = Request { method: "POST".into(), url: "https://a.example/x".into(), headers: Vec::new(), body };
    let (outcome, recording) = record(&world, &release, Invocation::new("default", Payload::Request(request)));
    let Ok(Response::Http(reply)) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!((reply.status, &reply.body[..]), (201, &b"some bytes"[..]));
    check_equal("in pieces", &release, &outcome, &recording);
    match replay(&release, &tampered(&recording, "invocation", "some bytes", "same bytes")) {
        Replay::Diverged(divergence) => assert!(divergence.got.contains("same bytes"), "{divergence:#?}"),
        other => panic!("{other:#?}"),
    }
}

/// Reads `first`, and logs it without its last byte.
const READS: &str = "(call $get (i32.const 4208) (i32.const 1) (i32.const 3704))
  (if (i32.load8_u (i32.const 3704)) (then unreachable))
  (call $log (i32.const 1) (i32.load (i32.add (i32.load (i32.const 3712)) (i32.const 8)))
    (i32.sub (i32.load (i32.add (i32.load (i32.const 3712)) (i32.const 12))) (i32.const 1)) (i32.const 0) (i32.const 0))
  (call $count) (call $number (i64.const 1))";

#[test]
fn what_was_changed_shows_in_the_call_that_follows_from_it() {
    let world = World::new();
    let store = "export default async (context) => { await context.sdk.kv.set('first', 'alpha-beta'); };";
    let reading = release(&world, ALL, READS);
    let package =
        applet::package_of("recorded", "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n", store);
    let storing = applet::admit(&world.host, reading.tenant().clone(), &package);
    block_on(world.host.invoke(&storing, json_call("null"))).result.expect("it is stored");
    let (outcome, recording) = record(&world, &reading, json_call("null"));
    check_equal("as it was", &reading, &outcome, &recording);

    let changed = tampered(&recording, "events", "\"alpha-beta\"", "\"alpha-BETA\"");
    match replay(&reading, &changed) {
        Replay::Diverged(divergence) => {
            assert_eq!(divergence.calls, 1, "{divergence:#?}");
            assert!(divergence.expected.contains("alpha-beta"), "{divergence:#?}");
            assert!(
                divergence.got.starts_with("log.write(") && divergence.got.contains("alpha-BETA"),
                "{divergence:#?}"
            );
            assert_eq!(
                divergence.frames.first().map(|frame| frame.file.as_str()),
                Some("applet.wasm"),
                "{divergence:#?}"
            );
        }
        other => panic!("{other:#?}"),
    }
    // A component that does something else, and claims to be the one that was recorded.
    let mutant = release(&world, ALL, &READS.replace("(call $count)", "(call $line) (call $count)"));
    let error = block_on(host::shared().replay(&mutant, &recording, None)).expect_err("it is another package");
    assert!(error.to_string().contains("replay against it"), "{error}");
    let mut value = serde_json::to_value(&recording).expect("it is data");
    value["header"]["package"] = mutant.digest().to_hex().into();
    match replay(&mutant, &serde_json::from_value(value).expect("it is a recording")) {
        Replay::Diverged(divergence) => {
            assert_eq!(divergence.calls, 2, "{divergence:#?}");
            assert!(
                divergence.expected.starts_with("kv.increment(") && divergence.got == "stdout.write(\"a line\")",
                "{divergence:#?}"
            );
        }
        other => panic!("{other:#?}"),
    }
}
