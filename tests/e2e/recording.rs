//! Recordings: invocations of every kind are recorded on the machine's clock and random generator, and run again on a host that has nothing of
//! the world around them; what was changed in between is found.

mod components;
mod kinds;
mod policies;
mod world;

use belljar::{Invocation, Outcome, Payload, Recording, Release, Replay, Replayed};
use belljar_tests::{applet, host};
use serde_json::Value;

use self::world::World;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// A release of one file on a world of its own.
fn release(world: &World, manifest: &str, main: &str) -> Release {
    applet::admit(&world.host, applet::tenant(), &applet::package_of("recorded", manifest, main))
}

/// Records a call, and takes the recording through its file.
fn record(world: &World, release: &Release, invocation: Invocation) -> (Outcome, Recording) {
    let (outcome, recording) = block_on(world.host.invoke_recorded(release, invocation));
    let file = recording.expect("it was called").encode(None).expect("it is written");
    (outcome, Recording::decode(&file, None).expect("it is read"))
}

/// Replays on the shared host, which has nothing of a world.
fn replay(release: &Release, recording: &Recording) -> Replay {
    block_on(host::shared().replay(release, recording, None)).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Replays, with the fuel that the outcome has.
#[track_caller]
fn check_equal(name: &str, release: &Release, outcome: &Outcome, recording: &Recording) -> Replayed {
    match replay(release, recording) {
        Replay::Equal(replayed) => {
            assert!(replayed.is_fuel_compared && !replayed.is_cut, "{name}: {replayed:?}");
            assert_eq!(replayed.fuel, outcome.usage.fuel, "{name}");
            replayed
        }
        other => panic!("{name}: {other:#?}\nrecorded:\n{}", recording.calls().collect::<Vec<_>>().join("\n")),
    }
}

fn json_call(json: &str) -> Invocation {
    Invocation::new("default", Payload::Json(json.into()))
}

/// The recording with its bytes changed: each `from` in what was recorded becomes `to`, which is as long.
fn tampered(recording: &Recording, part: &str, from: &str, to: &str) -> Recording {
    assert_eq!(from.len(), to.len());
    let mut value = serde_json::to_value(recording).expect("it is data");
    let bytes: Vec<u8> = serde_json::from_value(value[part].take()).expect("bytes");
    let (mut changed, mut count) = (bytes.clone(), 0);
    for at in 0..bytes.len().saturating_sub(from.len() - 1) {
        if bytes[at..].starts_with(from.as_bytes()) {
            changed[at..at + to.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
    }
    assert!(count > 0, "{from} is not in it");
    value[part] = serde_json::to_value(changed).expect("bytes");
    serde_json::from_value(value).expect("it is a recording")
}

const READS: &str = "export default async (context, payload) => {
  const first = await context.sdk.kv.get('first');
  await context.sdk.kv.set('second', first + '!');
  context.sdk.log.info('done', { first });
  return { first };
};";

#[test]
fn a_completion_that_was_changed_shows_in_the_call_that_follows_from_it() {
    let world = World::new();
    let release = release(&world, "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n", READS);
    block_on(world.host.invoke(&release, json_call("null")));
    let store = "export default async (context) => { await context.sdk.kv.set('first', 'alpha-beta'); };";
    let package =
        applet::package_of("recorded", "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n", store);
    let storing = applet::admit(&world.host, release.tenant().clone(), &package);
    block_on(world.host.invoke(&storing, json_call("null")));

    let (outcome, recording) = record(&world, &release, json_call("null"));
    check_equal("as it was", &release, &outcome, &recording);
    // The second one with an exclamation mark is an argument; what comes in is the first.
    let changed = tampered(&recording, "events", "\"alpha-beta\"", "\"alpha-BETA\"");
    match replay(&release, &changed) {
        Replay::Diverged(divergence) => {
            assert!(divergence.expected.contains("alpha-beta!"), "{divergence:#?}");
            assert!(
                divergence.got.starts_with("kv.set(\"second\"") && divergence.got.contains("alpha-BETA!"),
                "{divergence:#?}"
            );
            assert_eq!(
                divergence.frames.iter().find(|frame| frame.in_author_file).map(|frame| frame.line),
                Some(3),
                "{divergence:#?}"
            );
        }
        other => panic!("{other:#?}"),
    }
    let changed = tampered(&recording, "invocation", "one-off", "one-oof");
    assert!(
        matches!(replay(&release, &changed), Replay::Diverged(_) | Replay::Equal(_)),
        "what the applet does not look at need not differ"
    );
}

#[test]
fn a_package_that_does_something_else_is_found_at_the_call() {
    let world = World::new();
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n";
    let original = release(&world, manifest, READS);
    let (outcome, recording) = record(&world, &original, json_call("null"));
    check_equal("the original", &original, &outcome, &recording);
    let mutant =
        applet::package_of("recorded", manifest, &READS.replace("'second', first + '!'", "'second', first + '?'"));
    let mutant = applet::admit(&world.host, applet::tenant(), &mutant);
    let error = block_on(host::shared().replay(&mutant, &recording, None)).expect_err("it is another package");
    assert!(error.to_string().contains("replay against it"), "{error}");

    // A mutant that claims to be the original.
    let mut value = serde_json::to_value(&recording).unwrap();
    value["header"]["package"] = mutant.digest().to_hex().into();
    let claimed: Recording = serde_json::from_value(value).unwrap();
    match replay(&mutant, &claimed) {
        Replay::Diverged(divergence) => {
            let text = divergence.to_string();
            assert!(divergence.expected.starts_with("kv.set") && divergence.got.starts_with("kv.set"), "{text}");
            assert_ne!(divergence.expected, divergence.got);
        }
        other => panic!("{other:#?}"),
    }
    let comparison = block_on(host::shared().replay_against(&mutant, &recording)).expect("it is compared");
    let told: Vec<_> = comparison.differences.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.starts_with("new: kv.set(\"second\"")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("no longer: kv.set(\"second\"")), "{told:#?}");
    let same = block_on(host::shared().replay_against(&original, &recording)).expect("it is compared");
    assert!(same.differences.is_empty(), "{:#?}", same.differences);
}

#[test]
fn another_order_of_the_same_calls_is_no_difference_between_packages() {
    let world = World::new();
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { db: true, kv: true, http: ['api.example'] }\n";
    let main = |body: &str| {
        format!(
            "export default async (context, payload) => {{ const {{ kv, db }} = context.sdk; {body} return {{ a, b, c }}; }};"
        )
    };
    let one = "const a = await kv.get('a'); const b = await (await fetch('https://api.example/b')).text(); const c = await db.query('SELECT 1 AS one', []);";
    let all = "const [c, b, a] = await Promise.all([db.query('SELECT 1 AS one', []), fetch('https://api.example/b').then((r) => r.text()), kv.get('a')]);";
    let recorded = release(&world, manifest, &main(one));
    let (outcome, recording) = record(&world, &recorded, json_call("null"));
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let other = release(&world, manifest, &main(all));
    let comparison = block_on(host::shared().replay_against(&other, &recording)).expect("it is compared");
    assert!(comparison.differences.is_empty(), "{:#?}", comparison.differences);
    assert!(comparison.calls >= 3 && comparison.fuel != comparison.fuel_was, "{comparison:?}");
}

#[test]
fn a_package_that_runs_in_a_process_is_not_compared() {
    let world = World::new();
    let recorded = release(&world, applet::PLAIN, "export default () => 1;");
    let (_, recording) = record(&world, &recorded, json_call("null"));
    let package = applet::package_of(
        "recorded",
        "runtime: { engine: node, entrypoint: src/main.ts }\n",
        "export default () => 1;",
    );
    let other = applet::admit(&world.host, applet::tenant(), &package);
    let error = block_on(host::shared().replay_against(&other, &recording)).expect_err("there is no sandbox");
    assert!(error.to_string().contains("give one with engine 'wasm' or 'component'"), "{error}");
}

#[test]
fn a_replay_stops_where_it_is_told_to() {
    let world = World::new();
    let main = "function inner(n: number): number {\n  let x = n;\n  for (let i = 0; i < 200000; i++) x = (x * 31 + i) % 65521;\n  return x;\n}\n\
                export default () => {\n  return inner(7);\n};\n";
    let release = release(&world, applet::PLAIN, main);
    let (outcome, recording) = record(&world, &release, json_call("null"));
    check_equal("to its end", &release, &outcome, &recording);
    let middle = outcome.usage.fuel / 2;
    match block_on(host::shared().replay(&release, &recording, Some(middle))).expect("it is replayed") {
        Replay::Stopped { fuel, frames } => {
            assert_eq!(fuel, middle);
            let places: Vec<_> = frames.iter().map(|frame| format!("{} {frame}", frame.function)).collect();
            assert!(places[0].starts_with("inner src/main.ts:1:"), "{places:?}");
            assert!(places.iter().any(|place| place.ends_with("src/main.ts:7:10")), "{places:?}");
        }
        other => panic!("{other:#?}"),
    }
    let beyond =
        block_on(host::shared().replay(&release, &recording, Some(outcome.usage.fuel + 1))).expect("it is replayed");
    assert!(matches!(beyond, Replay::Equal(_)), "{beyond:#?}");
}

#[test]
fn secrets_are_not_in_a_recording_and_it_replays() {
    const SECRET: &str = "hunter2-\"quoted\"\nand-more";
    let world = World::with_secrets(&[("KEY", SECRET), ("PIN", "1234"), ("BOUND", "bound-to-a-host")]);
    let manifest = "runtime: { entrypoint: src/main.ts }\n\
                    permissions: { http: ['api.example'], secrets: [{ name: KEY }, { name: PIN }, { name: BOUND, hosts: ['api.example'] }] }\n";
    let main = "export default async (context) => {
      const key = await context.sdk.secrets.get('KEY'), pin = await context.sdk.secrets.get('PIN'), bound = await context.sdk.secrets.get('BOUND');
      const answer = await fetch('https://api.example/x', { method: 'POST', headers: { authorization: bound }, body: JSON.stringify({ key }) });
      console.log('with', key, { key });
      if (!(await answer.text()).includes(JSON.stringify(key))) return { key, length: key.length, pin: pin.length };
      throw new Error('not ' + key);
    };";
    let release = release(&world, manifest, main);
    let (outcome, recording) = record(&world, &release, json_call("null"));
    assert!(outcome.result.is_err(), "the echo has the secret: {:?}", outcome.result);
    assert!(recording.header().has_stand_ins);
    check_equal("with stand-ins", &release, &outcome, &recording);
    let value = serde_json::to_value(&recording).unwrap();
    let bytes = |part: &str| -> Vec<u8> { serde_json::from_value(value[part].clone()).unwrap() };
    let end = value["end"].to_string().into_bytes();
    for part in [bytes("events"), bytes("invocation"), end] {
        for secret in ["hunter2", "and-more", "1234", "bound-to-a-host"] {
            assert!(
                !part.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{secret}: {}",
                String::from_utf8_lossy(&part)
            );
        }
    }
    assert!(recording.calls().any(|call| call.contains("redacted")), "{:#?}", recording.calls().collect::<Vec<_>>());
}

#[test]
fn what_is_computed_from_a_secret_differs_and_the_recording_says_that_it_has_stand_ins() {
    let world = World::with_secrets(&[("KEY", "hunter2-and-more")]);
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { secrets: [{ name: KEY }] }\n";
    let release = release(
        &world,
        manifest,
        "export default async (context) => (await context.sdk.secrets.get('KEY')).startsWith('hunter2');",
    );
    let (_, recording) = record(&world, &release, json_call("null"));
    match replay(&release, &recording) {
        Replay::Diverged(divergence) => {
            assert_eq!((divergence.expected.as_str(), divergence.got.as_str()), ("the answer true", "the answer false"))
        }
        other => panic!("{other:#?}"),
    }
    assert!(recording.header().has_stand_ins);
}

#[test]
fn a_recording_of_another_engine_is_compared_but_for_its_fuel() {
    let world = World::new();
    let release = release(&world, applet::PLAIN, "export default () => { console.log(1); return Math.random() < 2; };");
    let (_, recording) = record(&world, &release, json_call("null"));
    let mut value = serde_json::to_value(&recording).unwrap();
    value["header"]["engine"] = Value::from("0".repeat(64));
    value["end"]["usage"]["fuel"] = Value::from(1);
    let other: Recording = serde_json::from_value(value).unwrap();
    match replay(&release, &other) {
        Replay::Equal(replayed) => assert!(!replayed.is_fuel_compared && replayed.calls >= 2, "{replayed:?}"),
        other => panic!("{other:#?}"),
    }
}
