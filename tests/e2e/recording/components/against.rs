//! Another version of a component, and a version in the other kind of engine, do what was recorded: calls are matched, and what differs is told.

use std::time::Duration;

use belljar::{Body, Comparison, Difference, FaultCode, Invocation, Payload, Recording, Release, Request};
use belljar_tests::host;
use futures_util::{StreamExt, stream};

use super::{ALL, World, block_on, fault_code, json_call, record, release};
use crate::recording;

fn against(release: &Release, recording: &Recording) -> Comparison {
    block_on(host::shared().replay_against(release, recording)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn told(comparison: &Comparison) -> Vec<String> {
    comparison.differences.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_same(name: &str, release: &Release, recording: &Recording) -> Comparison {
    let comparison = against(release, recording);
    assert!(comparison.differences.is_empty(), "{name}: {:#?}", told(&comparison));
    comparison
}

const URL: &str = r#""https://api.example/x""#;

/// Everything but the time, which follows from the host's while it is recorded.
const UNTIMED: &str = "
  (call $line) (call $count) (local.set $n (call $ask))
  (call $sleep (i64.const 5000000)) (call $block (call $after (i64.const 1000000)))
  (local.set $n (i64.add (local.get $n) (i64.extend_i32_u (call $ready (call $after (i64.const 3600000000000))))))
  (call $fetch (local.get $call)) (call $half)
  (call $number (i64.xor (local.get $n) (call $random)))";

#[test]
fn a_component_does_the_same_as_itself() {
    let world = World::new();
    let deadline = format!("  limits: {{ max_execution_ms: 120 }}\n{ALL}");
    let cases = [
        ("everything", ALL, URL, UNTIMED, None),
        ("trap", ALL, URL, "(call $line) (call $count) (call $half) unreachable", Some(FaultCode::Trap)),
        ("no JSON", ALL, URL, "(call $text (i32.const 4112) (i32.const 3))", Some(FaultCode::InvalidResult)),
        (
            "fuel",
            "  limits: { fuel_max: 2000000 }\n",
            URL,
            "(loop $l (drop (call $random)) (br $l)) (i32.const 0)",
            Some(FaultCode::Fuel),
        ),
        (
            "waits for a timer",
            deadline.as_str(),
            URL,
            "(call $line) (call $sleep (i64.const 60000000000)) (i32.const 0)",
            Some(FaultCode::Deadline),
        ),
        (
            "waits for an operation",
            deadline.as_str(),
            r#""https://api.example/never""#,
            "(call $count) (call $fetch (local.get $call)) (i32.const 0)",
            Some(FaultCode::Deadline),
        ),
    ];
    for (name, manifest, payload, body, code) in cases {
        let release = release(&world, manifest, body);
        let (outcome, recording) = record(&world, &release, json_call(payload));
        assert_eq!(fault_code(&outcome), code, "{name}: {:?}", outcome.result);
        let comparison = check_same(name, &release, &recording);
        // How components wait is no call that is matched.
        let matched =
            recording.calls().filter(|call| !call.starts_with("poll.") && !call.starts_with("clock.")).count();
        assert_eq!((comparison.calls, comparison.fuel_was), (matched as u64, outcome.usage.fuel), "{name}");
        if code != Some(FaultCode::Deadline) {
            assert_eq!(comparison.fuel, outcome.usage.fuel, "{name}: the component is the same");
        }
    }
}

#[test]
fn what_another_version_does_otherwise_is_told() {
    let world = World::new();
    let recorded = release(&world, ALL, UNTIMED);
    let (_, recording) = record(&world, &recorded, json_call(URL));

    // Another order, and another way to wait, are no difference.
    let turned = UNTIMED.replace(
        "(call $line) (call $count) (local.set $n (call $ask))",
        "(local.set $n (call $ask)) (call $line) (call $sleep (i64.const 7)) (call $count)",
    );
    assert_ne!(turned, UNTIMED);
    check_same("another order", &release(&world, ALL, &turned), &recording);

    let without = against(&release(&world, ALL, &UNTIMED.replace("(call $count)", "(call $line)")), &recording);
    assert_eq!(told(&without), [r#"new: stdout.write("a line")"#, r#"no longer: kv.increment("visits", 1, null)"#]);

    let other = UNTIMED
        .replace("(call $number (i64.xor", "(call $number (i64.add (i64.const 1) (i64.xor")
        .replace("(call $random))", "(call $random)))");
    let other = against(&release(&world, ALL, &other), &recording);
    match other.differences.as_slice() {
        [Difference::Result { expected, got }] => {
            assert!(
                expected.starts_with("the answer ") && got.starts_with("the answer ") && expected != got,
                "{expected} {got}"
            );
        }
        differences => panic!("{differences:#?}"),
    }

    // What was not recorded fails, and the component sees that.
    let asks = "(call $get (i32.const 4208) (i32.const 1) (i32.const 3704)) (call $number (i64.extend_i32_u (i32.load8_u (i32.const 3704))))";
    let told = told(&against(&release(&world, ALL, asks), &recording));
    assert_eq!(told[0], r#"new: kv.get(["first"])"#);
    assert!(told.iter().any(|line| line.starts_with("the answer 1 instead of")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("no longer: http.send(")), "{told:#?}");
}

#[test]
fn timers_are_due_when_they_are_waited_for() {
    let world = World::new();
    // The seconds that pass around a wait and a call, for one who looks at the clock.
    let waits = |nanoseconds: u64| {
        let body = format!(
            "(local.set $n (call $now)) (call $sleep (i64.const {nanoseconds})) (call $count)
             (call $number (i64.div_u (i64.sub (call $now) (local.get $n)) (i64.const 1000000000)))"
        );
        release(&world, ALL, &body)
    };
    let (outcome, recording) = record(&world, &waits(1), json_call("null"));
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    check_same("it hardly waits", &waits(1), &recording);
    let hour = against(&waits(3_600_000_000_000), &recording);
    assert_eq!(told(&hour), ["the answer 3600 instead of the answer 0"]);

    // One that asks again and again whether a timer is due gets there by what it computes.
    let asks = "(drop (call $now)) (local.set $n (i64.extend_i32_u (call $after (i64.const 1000000))))
        (loop $again (br_if $again (i32.eqz (call $ready (i32.wrap_i64 (local.get $n)))))) (call $count) (call $number (i64.const 0))";
    check_same("it asks", &release(&world, ALL, asks), &recording);
}

#[test]
fn a_version_in_javascript_and_one_as_a_component_are_compared() {
    let world = World::new();
    let component = release(
        &world,
        ALL,
        "(call $line) (call $count) (call $fetch (local.get $call)) (drop (call $random)) (call $number (i64.load (i32.const 1208)))",
    );
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true, http: ['api.example'] }\n";
    let main = |then: &str| {
        format!(
            "export default async ({{ sdk }}, url) => {{ console.log('a line'); await new Promise((done) => setTimeout(done, 20));
               const visits = await sdk.kv.increment('visits'); sdk.log.info(await (await fetch(url)).text()); {then} }}"
        )
    };
    let javascript = recording::release(&world, manifest, &main("return visits;"));
    let another = recording::release(&world, manifest, &main("await sdk.kv.delete('visits'); return visits + 1;"));
    let expected = [r#"new: kv.delete("visits")"#, "the fault threw"];

    let (outcome, recorded) = record(&world, &component, json_call(URL));
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let comparison = check_same("in JavaScript", &javascript, &recorded);
    assert_eq!(comparison.calls, 3, "{comparison:?}");
    let differs = told(&against(&another, &recorded));
    assert!(
        differs.len() == 2 && differs.iter().zip(expected).all(|(line, expected)| line.starts_with(expected)),
        "{differs:#?}"
    );

    let (outcome, recorded) = record(&world, &javascript, json_call(URL));
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let comparison = check_same("as a component", &component, &recorded);
    assert_eq!(comparison.calls, 3, "{comparison:?}");
    let shorter = release(&world, ALL, "(call $count) (call $number (i64.load (i32.const 1208)))");
    let differs = told(&against(&shorter, &recorded));
    assert!(differs.iter().any(|line| line.starts_with("no longer: http.send(")), "{differs:#?}");
    assert!(differs.iter().any(|line| line.starts_with("no longer: log.write(\"Sdk\"")), "{differs:#?}");
    assert_eq!(differs.len(), 2, "the console is not compared: {differs:#?}");
}

#[test]
fn bodies_in_pieces_are_whole_for_a_component() {
    let world = World::new();
    const ROUTE: &str = "handlers: [{ name: default, type: http, method: POST, path: /x, auth: none }]\n";
    let component = release(&world, ROUTE, super::ECHOES);
    let main = "export default { async fetch(request) { return new Response(await request.arrayBuffer(), { status: 201 }); } };";
    let javascript = recording::release(&world, &format!("runtime: {{ entrypoint: src/main.ts }}\n{ROUTE}"), main);
    for (name, recorded, other) in
        [("from JavaScript", &javascript, &component), ("from a component", &component, &javascript)]
    {
        let pieces = ["some", " ", "bytes"].map(|piece| Ok::<_, &str>(piece.into()));
        let body = Body::stream(stream::iter(pieces).then(|piece| async move {
            // Each comes by itself.
            tokio::time::sleep(Duration::from_millis(1)).await;
            piece
        }));
        let request = Request { method: "POST".into(), url: "https://a.example/x".into(), headers: Vec::new(), body };
        let (outcome, recording) = record(&world, recorded, Invocation::new("default", Payload::Request(request)));
        assert!(outcome.result.is_ok(), "{name}: {:?}", outcome.result);
        check_same(name, other, &recording);
    }
}
