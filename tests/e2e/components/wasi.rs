//! What there is of WASI for components: the invocation's clock and random bytes, an output that is logged, and nothing else.

use belljar::{FaultCode, Host, LogOrigin, Seeded, Virtual};
use belljar_tests::{applet, component, host};

use super::{admit, call, run};

/// Functions of WASI that some of the components import.
const WASI: &str = "
package wasi:random@0.2.12 { interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; } }
package wasi:cli@0.2.12 {
  interface environment { get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>; initial-cwd: func() -> option<string>; }
  interface exit { exit: func(status: result); }
}
package wasi:io@0.2.12 {
  interface poll { resource pollable { block: func(); } poll: func(in: list<borrow<pollable>>) -> list<u32>; }
}
package wasi:clocks@0.2.12 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.12.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
  }
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:filesystem@0.2.12 {
  interface types { resource descriptor { sync-data: func(); } }
  interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package wasi:sockets@0.2.12 {
  interface network {
    resource network;
    enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict, not-in-progress,
      would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use, remote-unreachable, connection-refused,
      connection-reset, connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure, permanent-resolver-failure }
    enum ip-address-family { ipv4, ipv6 }
  }
  interface tcp { use network.{network}; resource tcp-socket { is-listening: func() -> bool; } }
  interface tcp-create-socket {
    use network.{network, error-code, ip-address-family};
    use tcp.{tcp-socket};
    create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
  }
  interface instance-network { use network.{network}; instance-network: func() -> network; }
  interface ip-name-lookup {
    use network.{network, error-code};
    resource resolve-address-stream { blocked: func(); }
    resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
  }
}
";

fn with_wasi(imports: &str, core_imports: &str, functions: &str) -> Vec<u8> {
    component::of_text(imports, WASI, core_imports, functions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_grants_nothing() {
    // Counts what there is: variables, arguments, a folder to be in, folders that are open, sockets, names of other hosts.
    let counts = with_wasi(
        "import wasi:cli/environment@0.2.12; import wasi:filesystem/preopens@0.2.12; import wasi:sockets/tcp-create-socket@0.2.12;
         import wasi:sockets/instance-network@0.2.12; import wasi:sockets/ip-name-lookup@0.2.12;",
        r#"(import "wasi:cli/environment@0.2.12" "get-environment" (func $environment (param i32)))
           (import "wasi:cli/environment@0.2.12" "get-arguments" (func $arguments (param i32)))
           (import "wasi:cli/environment@0.2.12" "initial-cwd" (func $cwd (param i32)))
           (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $folders (param i32)))
           (import "wasi:sockets/tcp-create-socket@0.2.12" "create-tcp-socket" (func $socket (param i32 i32)))
           (import "wasi:sockets/instance-network@0.2.12" "instance-network" (func $network (result i32)))
           (import "wasi:sockets/ip-name-lookup@0.2.12" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))"#,
        r#"(data (i32.const 4096) "localhost")
           (func (export "handle") (param i32) (result i32)
             (call $environment (i32.const 3000)) (call $arguments (i32.const 3008)) (call $cwd (i32.const 3016)) (call $folders (i32.const 3028))
             (call $socket (i32.const 0) (i32.const 3040))
             (call $resolve (call $network) (i32.const 4096) (i32.const 9) (i32.const 3048))
             (call $number (i64.extend_i32_u
               (i32.add (i32.add (i32.add (i32.load (i32.const 3004)) (i32.load (i32.const 3012))) (i32.load8_u (i32.const 3016)))
               (i32.add (i32.load (i32.const 3032))
               ;; Both were refused: 10 for each, and 1 for `access-denied` as the reason.
               (i32.add (i32.mul (i32.add (i32.load8_u (i32.const 3040)) (i32.load8_u (i32.const 3048))) (i32.const 10))
                        (i32.load8_u (i32.const 3044))))))))"#,
    );
    let outcome = run("", &counts).await;
    let found = applet::value(&outcome).as_u64().unwrap();
    assert!(found == 21 || found == 22, "something was granted, or refused otherwise: {found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_exits_gives_no_answer() {
    let exits = with_wasi(
        "import wasi:cli/exit@0.2.12;",
        r#"(import "wasi:cli/exit@0.2.12" "exit" (func $exit (param i32)))"#,
        r#"(func (export "handle") (param i32) (result i32) (call $exit (i32.const 1)) (i32.const 0))"#,
    );
    let outcome = run("", &exits).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::Trap);
    assert!(applet::fault(&outcome).message.contains("exit code 1"), "{outcome:?}");
}

/// Waits for the earlier one of two timers, and answers how long that took by its clock, nanoseconds.
const SLEEPER: (&str, &str, &str) = (
    "import wasi:clocks/monotonic-clock@0.2.12;",
    r#"(import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
       (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
       (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))"#,
    r#"(func (export "handle") (param i32) (result i32) (local $begun i64) (local $n i32)
         ;; Fuel is time as well.
         (local.set $n (i32.const 3000000))
         (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (local.set $begun (call $now))
         (i32.store (i32.const 3000) (call $after (i64.const 60000000)))
         (i32.store (i32.const 3004) (call $after (i64.const 30000000)))
         (call $poll (i32.const 3000) (i32.const 2) (i32.const 3008))
         ;; One was ready, and it is the second.
         (if (i32.ne (i32.load (i32.const 3012)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load (i32.load (i32.const 3008))) (i32.const 1)) (then unreachable))
         (call $number (i64.sub (call $now) (local.get $begun))))"#,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_chance_are_the_invocations() {
    let sleeper = with_wasi(&format!("{} import wasi:io/poll@0.2.12;", SLEEPER.0), SLEEPER.1, SLEEPER.2);
    let random = with_wasi(
        "import wasi:random/random@0.2.12;",
        r#"(import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))"#,
        r#"(func (export "handle") (param i32) (result i32) (call $number (call $random)))"#,
    );
    let seeded = |seed| host::build(host::builder().source(Seeded::new(1_750_000_000_000_000, seed)));
    let (one, same, other) = (seeded(1), seeded(1), seeded(2));
    let outcomes = async |host: &Host, component: &[u8]| {
        let outcome = call(host, &admit(host, "", component)).await;
        (applet::value(&outcome), outcome.usage.fuel)
    };
    // The id of an invocation is drawn from the same source.
    let (first, second) = (outcomes(&one, &random).await, outcomes(&same, &random).await);
    assert_eq!(first, second);
    assert_ne!(first.0, outcomes(&other, &random).await.0);
    let (first, second) = (outcomes(&one, &sleeper).await, outcomes(&same, &sleeper).await);
    assert_eq!(first, second);
    assert_eq!(
        first.0.as_u64().map(|ns| ns / 1_000_000),
        Some(30),
        "what is due is due at its time, to the microsecond: {first:?}"
    );

    // An hour passes at once where time is virtual.
    let hour = SLEEPER.2.replace("60000000", "7200000000000").replace("30000000)", "3600000000000)");
    let hour = with_wasi(&format!("{} import wasi:io/poll@0.2.12;", SLEEPER.0), SLEEPER.1, &hour);
    let host = host::build(host::builder().source(Virtual::new(1_750_000_000_000_000, 1)));
    assert_eq!(applet::value(&call(&host, &admit(&host, "", &hour)).await), 3_600_000_000_000_u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_logged_in_order_and_capped() {
    // Writes "line\n" 400 times to its standard output, then a line to the log.
    let talks = component::of_text(
        "import wasi:cli/stdout@0.2.12;",
        "package wasi:io@0.2.12 {
           interface error { resource error { to-debug-string: func() -> string; } }
           interface streams {
             use error.{error};
             variant stream-error { last-operation-failed(error), closed }
             resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
           }
         }
         package wasi:cli@0.2.12 { interface stdout { use wasi:io/streams@0.2.12.{output-stream}; get-stdout: func() -> output-stream; } }",
        r#"(import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
           (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
           (import "belljar:component/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#,
        r#"(data (i32.const 4096) "a line\0adone")
           (func (export "handle") (param i32) (result i32) (local $to i32) (local $n i32)
             (local.set $to (call $stdout))
             (local.set $n (i32.const 400))
             (loop $l
               (call $write (local.get $to) (i32.const 4096) (i32.const 7) (i32.const 3000))
               (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (call $log (i32.const 1) (i32.const 4103) (i32.const 4) (i32.const 0) (i32.const 0))
             (call $write (local.get $to) (i32.const 4096) (i32.const 6) (i32.const 3000))
             (call $number (i64.const 1)))"#,
    );
    let lines = async |manifest: &str| {
        let outcome = run(manifest, &talks).await;
        assert_eq!(applet::value(&outcome), 1);
        (host::log().of(&outcome.id), outcome.usage.log)
    };
    let (all, usage) = lines("").await;
    assert_eq!((all.len(), usage.lines, usage.lines_dropped), (402, 402, 0));
    assert!(all[..400].iter().all(|line| line.origin == LogOrigin::Stdout && line.message == "a line"));
    assert_eq!((all[400].origin, all[400].message.as_str()), (LogOrigin::Sdk, "done"), "in the order of writing");
    assert_eq!((all[401].origin, all[401].message.as_str()), (LogOrigin::Stdout, "a line"), "the last line has no end");
    let (cut, usage) = lines("  limits: { log_bytes_max: 600 }\n").await;
    assert_eq!((usage.lines, usage.lines_dropped), (100, 302));
    assert_eq!(cut.last().unwrap().origin, LogOrigin::Host);
}
