//! examples/raffle, which componentize-js makes a component of (SpiderMonkey, 11 MB): recorded and replayed with its store, its log, its clock and
//! its chances.

use belljar::{Body, Bytes, Invocation, Outcome, Payload, Recording, Release, Replay, Request, Response};
use belljar_tests::{applet, component, host};
use serde_json::{Value, json};

use super::{World, block_on, check_equal, names, record, replay};
use crate::recording::tampered;

/// The example with its component; `None`, with a word, when nothing is there that makes it.
fn raffle(world: &World) -> Option<Release> {
    let component = component::of_javascript("examples/raffle/applet.js")?;
    let folder = applet::example("raffle", None);
    std::fs::write(folder.path().join("applet.wasm"), component).expect("it can be written");
    Some(applet::admit(&world.host, applet::tenant(), &applet::package(folder.path())))
}

fn call(world: &World, release: &Release, handler: &str, payload: &Value) -> (Outcome, Recording) {
    record(world, release, Invocation::new(handler, Payload::Json(payload.to_string())))
}

#[test]
fn javascript_as_a_component_is_recorded_and_replayed() {
    let world = World::new();
    let Some(release) = raffle(&world) else { return };
    let mut all = Vec::new();
    for name in ["Ada", "Grace", "Hedy", "Katherine", "Mary"] {
        all.push(("enter", call(&world, &release, "enter", &json!({ "name": name }))));
    }
    all.push(("too few", call(&world, &release, "draw", &json!({ "winners": 6 }))));
    all.push(("draw", call(&world, &release, "draw", &json!({ "winners": 3 }))));
    let body = Body::Bytes(Bytes::new());
    let request = Request { method: "GET".into(), url: "https://a.example/winners".into(), headers: Vec::new(), body };
    all.push(("winners", record(&world, &release, Invocation::new("winners", Payload::Request(request)))));
    for (name, (outcome, recording)) in &all {
        let replayed = check_equal(name, &release, outcome, recording);
        assert_eq!(replayed.calls, recording.calls().count() as u64, "{name}");
        let comparison = block_on(host::shared().replay_against(&release, recording)).expect("it is compared");
        assert!(comparison.differences.is_empty(), "{name}: {:#?}", comparison.differences);
        assert_eq!(comparison.fuel, outcome.usage.fuel, "{name}");
    }
    let (refused, drawn, shown) = (&all[5].1.0, &all[6].1, &all[7].1.0);
    assert_eq!(applet::fault(refused).errors[0].code.as_deref(), Some("too-few"));
    let result = applet::value(&drawn.0);
    assert_eq!((&result["of"], result["winners"].as_array().map(Vec::len)), (&json!(5), Some(3)), "{result}");
    let Ok(Response::Http(reply)) = &shown.result else { panic!("{shown:?}") };
    assert_eq!(String::from_utf8_lossy(&reply.body).lines().count(), 3);
    let calls = names(&drawn.1);
    let of_draw: Vec<_> = calls.iter().map(String::as_str).filter(|name| *name != "random.bytes").collect();
    assert_eq!(of_draw, ["kv.list", "kv.set", "log.write"]);
    assert!(calls.iter().filter(|name| *name == "random.bytes").count() >= 3, "each winner is drawn: {calls:?}");

    let entered = &all[0].1.1;
    assert!(
        entered.calls().any(|call| call.starts_with("kv.set(\"entry:Ada\"")),
        "{:?}",
        entered.calls().collect::<Vec<_>>()
    );

    // Another name in the store, and somebody else has won.
    let winner = result["winners"][0].as_str().expect("a name");
    let other = winner.to_uppercase();
    match replay(&release, &tampered(&drawn.1, "events", &format!("entry:{winner}"), &format!("entry:{other}"))) {
        Replay::Diverged(divergence) => {
            assert!(divergence.expected.contains(winner) && divergence.got.contains(&other), "{divergence:#?}")
        }
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_correction_of_javascript_as_a_component_is_tried_on_recorded_calls() {
    let world = World::new();
    let Some(recorded) = raffle(&world) else { return };
    for name in ["Ada", "Grace"] {
        call(&world, &recorded, "enter", &json!({ "name": name }));
    }
    let (outcome, recording) = call(&world, &recorded, "draw", &json!({}));
    let winner = applet::value(&outcome)["winners"][0].as_str().expect("somebody has won").to_owned();

    // The same applet for the sandbox of JavaScript, as its author would move it there: it has won who has won.
    let main = "export async function draw({ sdk }, { winners = 1 }) {
      const { keys } = await sdk.kv.list({ prefix: 'entry:', limit: 100 });
      const names = keys.map((key) => key.slice('entry:'.length));
      const drawn = [];
      while (drawn.length < winners) {
        const [chance] = crypto.getRandomValues(new Uint32Array(1));
        drawn.push(...names.splice(chance % names.length, 1));
      }
      sdk.log.info('drawn', { entries: keys.length, winners: drawn });
      return { of: keys.length, winners: drawn };
    }";
    let manifest = "runtime: { entrypoint: src/main.ts }\nhandlers: [{ name: draw }]\npermissions: { kv: true }\n";
    let moved = applet::admit(&world.host, applet::tenant(), &applet::package_of("raffle", manifest, main));
    let comparison = block_on(host::shared().replay_against(&moved, &recording)).expect("it is compared");
    let told: Vec<_> = comparison.differences.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].contains(&format!("\"winners\":[\"{winner}\"]")) && told[0].contains("instead of the answer"),
        "{told:#?}"
    );
    assert!(told[1].starts_with("no longer: kv.set(\"result\""), "{told:#?}");
}
