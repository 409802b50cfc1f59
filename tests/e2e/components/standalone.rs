//! `belljar build --emit component`: an applet as one component, run here by a plain Wasmtime without a pool, fuel or a host of ours, as another
//! embedder would (docs/components.md has the loop).

use belljar_tests::{applet, cli};
use serde_json::{Value, json};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, StoreContextMut};

mod bindings {
    #![allow(clippy::all, unused, reason = "generated from wit/")]
    wasmtime::component::bindgen!({ path: "../wit", world: "applet", imports: { default: trappable } });
}

use bindings::Applet;
use bindings::belljar::applet::completions::{Completion, Outcome};
use bindings::belljar::applet::{kv, log, types};

/// What this embedder keeps: lines, and operations that it has yet to answer.
#[derive(Default)]
struct Embedder {
    lines: Vec<String>,
    pending: Vec<(u32, Outcome)>,
    operations: u32,
}

/// The time, always the same, for whoever asks.
const NOW_US: u64 = 1_750_000_000_000_000;

fn link(linker: &mut Linker<Embedder>) -> wasmtime::Result<()> {
    let mut clock = linker.instance("belljar:applet/clock@0.1.0")?;
    clock.func_wrap("now-us", |_: StoreContextMut<'_, Embedder>, (): ()| Ok((NOW_US,)))?;
    clock.func_wrap("checkpoint", |_: StoreContextMut<'_, Embedder>, (): ()| Ok(()))?;
    let mut random = linker.instance("belljar:applet/random@0.1.0")?;
    random.func_wrap("seed", |_: StoreContextMut<'_, Embedder>, (): ()| Ok((7_u64,)))?;
    random
        .func_wrap("bytes", |_: StoreContextMut<'_, Embedder>, (length,): (u32,)| Ok((vec![7_u8; length as usize],)))?;
    linker.instance("belljar:applet/log@0.1.0")?.func_wrap(
        "write",
        |mut store: StoreContextMut<'_, Embedder>,
         (_, _, message, _): (log::Origin, log::Level, String, Vec<log::Field>)| {
            store.data_mut().lines.push(message);
            Ok(())
        },
    )?;
    linker.instance("belljar:applet/kv@0.1.0")?.func_wrap(
        "get",
        |mut store: StoreContextMut<'_, Embedder>, (keys,): (Vec<String>,)| {
            let embedder = store.data_mut();
            embedder.operations += 1;
            let values = keys
                .into_iter()
                .map(|key| Some(kv::Value::Json(json!(format!("value of {key}")).to_string())))
                .collect();
            embedder.pending.push((embedder.operations, Outcome::Kv(Ok(kv::Reply::Values(values)))));
            Ok((embedder.operations,))
        },
    )
}

/// Drives a call to its end.
fn run(component: &[u8], payload: &Value) -> (Value, Vec<String>, u32) {
    let engine = Engine::default();
    let component = Component::new(&engine, component).unwrap();
    let mut linker = Linker::new(&engine);
    // What this embedder does not have traps.
    linker.define_unknown_imports_as_traps(&component).unwrap();
    linker.allow_shadowing(true);
    link(&mut linker).unwrap();
    let mut store = Store::new(&engine, Embedder::default());
    let instance = Applet::instantiate(&mut store, &component, &linker).unwrap();
    let call = types::Call {
        handler: "default".into(),
        export: "default".into(),
        trigger: "one-off".into(),
        payload: types::Payload::Json(payload.to_string()),
        params: Vec::new(),
        config: String::new(),
        attempt: 1,
        event: None,
        job: None,
        custom: Vec::new(),
    };
    let caller = types::Caller {
        tenant: "acme".into(),
        applet: "fused".into(),
        version: "1.0.0".into(),
        user: None,
        organisation: None,
        permissions: Vec::new(),
        locale: "en".into(),
    };
    let invocation = types::Invocation {
        id: "inv_1".into(),
        deadline_ms: NOW_US / 1_000 + 1_000,
        caller,
        task: types::Task::Call(call),
    };
    let mut step = instance.call_start(&mut store, &invocation).unwrap();
    let mut resumed = 0;
    loop {
        match step {
            types::Step::Done(types::Reply::Value(json)) => {
                let value = serde_json::from_str(json.as_deref().unwrap_or("null")).unwrap();
                return (value, store.into_data().lines, resumed);
            }
            types::Step::Pending(_) => {
                let completed = std::mem::take(&mut store.data_mut().pending);
                let completions: Vec<_> =
                    completed.into_iter().map(|(operation, outcome)| Completion { operation, outcome }).collect();
                step = instance.call_resume(&mut store, &completions).unwrap();
                resumed += 1;
                assert!(resumed < 10, "it does not end");
            }
            other => panic!("{other:?}"),
        }
    }
}

const APPLET: &str = "
const table = new Map(Array.from({ length: 1000 }, (_, n) => [n, n * n]));
export default async (context, { n }) => {
  console.log(`for ${context.tenant}`);
  const [one, other] = await Promise.all([sdk.kv.get('one'), sdk.kv.get('other')]);
  return { square: table.get(n), values: [one, other], now: Date.now() };
};
";

#[test]
fn an_applet_becomes_a_component_that_a_plain_wasmtime_runs() {
    let manifest =
        "id: fused\nversion: 1.0.0\nname: Fused\nruntime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n";
    let folder = applet::folder(&[("manifest.yaml", manifest), ("src/main.ts", APPLET)]);
    let out = folder.path().join("fused.wasm");
    let args =
        ["build", folder.path().to_str().unwrap(), "--emit", "component", "--output", out.to_str().unwrap(), "--json"];
    let built = cli::run(&args);
    assert_eq!(built.code, Some(0), "{built:?}");
    let component = std::fs::read(&out).unwrap();
    assert_eq!(built.json()["bytes"].as_u64(), Some(component.len() as u64));
    assert_eq!(built.json()["emit"], "component");
    let features = wasmparser::WasmFeatures::default();
    wasmparser::Validator::new_with_features(features).validate_all(&component).unwrap();
    let engine = Engine::default();
    let parsed = Component::new(&engine, &component).unwrap();
    let ty = parsed.component_type();
    let imports: Vec<_> = ty.imports(&engine).map(|(name, _)| name.to_owned()).collect();
    assert!(imports.iter().all(|name| name.starts_with("belljar:applet/")), "{imports:?}");

    let (value, lines, resumed) = run(&component, &json!({ "n": 31 }));
    assert_eq!(value, json!({ "square": 961, "values": ["value of one", "value of other"], "now": NOW_US / 1_000 }));
    assert_eq!((lines, resumed), (vec!["for acme".to_owned()], 1), "both operations were under way at the same time");
}

#[test]
fn only_javascript_is_put_together_with_its_engine() {
    let component = belljar_tests::component::of_text(
        "",
        "",
        "",
        r#"(func (export "handle") (param i32) (result i32) (call $number (i64.const 1)))"#,
    );
    let folder = belljar_tests::component::folder("made-of-text", "", &component);
    let refused = cli::run(&[
        "build",
        folder.path().to_str().unwrap(),
        "--emit",
        "component",
        "--output",
        folder.path().join("x.wasm").to_str().unwrap(),
    ]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("only applets of engine `wasm`"), "{refused:?}");
    assert!(!folder.path().join("x.wasm").exists());
}
