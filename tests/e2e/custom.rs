//! Capabilities of the embedder's own, on every engine: what is called, what is counted and bounded, and what stays apart. Runtimes that are not
//! here are skipped, and said so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar::package::Engine;
use belljar::{
    Call, CallError, Capability, CapabilityUse, CustomLimits, CustomUsage, FaultCode, Grants, Host, HostBuilder,
    Invocation, Limits, LogContext, Observer, Payload, ProcessConfig, Release, TenantId, engine_version,
};
use belljar_tests::{applet, host, runtimes};
use serde_json::json;

const APPLET: &str = include_str!("custom/applet.js");
const HANDLERS: [&str; 5] = ["greet", "failures", "bounds", "names", "waits"];

fn manifest(custom: &str) -> String {
    let handlers: String = HANDLERS.iter().map(|name| format!("  - {{ name: {name} }}\n")).collect();
    format!(
        "id: polite\nversion: 1.0.0\nname: Test\nruntime: {{ entrypoint: src/main.js }}\npermissions: {{ custom: [{custom}] }}\nhandlers:\n{handlers}"
    )
}

fn package(custom: &str, engine: Engine) -> Vec<u8> {
    applet::on_engine(
        &applet::package(applet::folder(&[("manifest.yaml", &manifest(custom)), ("src/main.js", APPLET)]).path()),
        engine,
    )
}

/// Counts what is dropped before it is done.
struct Waiting(Arc<AtomicU64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(serde::Deserialize)]
struct Hello {
    name: String,
    times: u32,
}

#[derive(serde::Serialize)]
struct Greeting {
    text: String,
}

fn greet() -> Capability {
    Capability::new("greet")
        .function("hello", |_: Call, hello: Hello| async move {
            if hello.name == "nobody" {
                return Err(CallError::new("no-such-user", format!("there is no {}", hello.name)));
            }
            Ok(Greeting { text: format!("Hello {}! ", hello.name).repeat(hello.times as usize) })
        })
        .function("nothing", |_: Call, (): ()| async { Ok(()) })
        .function("who", |call: Call, (): ()| async move {
            let soon = call.deadline.at() > std::time::Instant::now();
            Ok(json!([call.tenant.as_str(), call.applet.as_str(), call.handler, call.user, call.permissions, soon]))
        })
        .blocking("thread", |_: Call, number: u64| {
            std::thread::sleep(Duration::from_millis(1));
            Ok(number * 2)
        })
        .function("fails", |_: Call, (): ()| async { Ok("seven".parse::<u32>()?) })
        .function("panics", |_: Call, (): ()| async {
            if true { panic!("the embedder's own mistake") } else { Ok(()) }
        })
        .blocking("panicsOnThread", |_: Call, (): ()| if true { panic!("another mistake") } else { Ok(()) })
}

fn bounded(dropped: &Arc<AtomicU64>) -> Capability {
    let dropped = dropped.clone();
    Capability::new("bounded")
        .limits(CustomLimits { calls_max: 3, argument_bytes_max: 50, reply_bytes_max: 50, call_ms_max: 40 })
        .function("echo", |_: Call, text: String| async { Ok(text) })
        .function("grow", |_: Call, bytes: usize| async move { Ok("x".repeat(bytes)) })
        .function("never", move |_: Call, (): ()| {
            let waiting = Waiting(dropped.clone());
            async move {
                let _waiting = waiting;
                std::future::pending::<()>().await;
                Ok(())
            }
        })
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn used(&self, _: &LogContext, used: CapabilityUse) {
        self.0.lock().unwrap().push(format!(
            "{} {} {} {}",
            used.capability,
            used.operation,
            used.target,
            used.ended.as_str()
        ));
    }
}

/// A host that offers `greet` and `bounded`, and a release that may call both.
struct On {
    host: Host,
    release: Release,
    seen: Arc<Seen>,
    _folder: tempfile::TempDir,
}

impl On {
    /// `None` when this machine lacks the engine.
    async fn new(engine: Engine, limits: Limits, bounded: Capability) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = ProcessConfig { packages: runtimes::packages(), ..ProcessConfig::new(folder.path().join("p")) };
        if let Err(fault) = engine_version(Some(&config), engine, None).await {
            eprintln!("skipped: {}", fault.message);
            return None;
        }
        let seen = Arc::new(Seen::default());
        let builder = host::builder()
            .processes(config)
            .observer(seen.clone())
            .limits(limits)
            .capability(greet())
            .capability(bounded);
        let host = host::build(builder);
        let release = applet::admit(&host, TenantId::new("acme").unwrap(), &package("greet, bounded", engine));
        host.prepare(&release).await.unwrap_or_else(|fault| panic!("{engine:?}: {fault}"));
        Some(Self { host, release, seen, _folder: folder })
    }

    async fn call(&self, handler: &str) -> belljar::Outcome {
        let mut invocation = Invocation::new(handler, Payload::Json("null".into()));
        invocation.user = Some("u1".into());
        invocation.permissions = vec!["read".into()];
        self.host.invoke(&self.release, invocation).await
    }
}

#[tokio::test]
async fn the_sandbox_calls_them() {
    suite(Engine::Wasm).await;
}

#[tokio::test]
async fn node_calls_them() {
    suite(Engine::Node).await;
}

#[tokio::test]
async fn bun_calls_them() {
    suite(Engine::Bun).await;
}

#[tokio::test]
async fn deno_calls_them() {
    suite(Engine::Deno).await;
}

async fn suite(engine: Engine) {
    let dropped = Arc::new(AtomicU64::new(0));
    let limits = Limits { deadline_ms: 20_000, ..Limits::default() };
    let Some(on) = On::new(engine, limits, bounded(&dropped)).await else { return };
    let outcome = on.call("greet").await;
    let who = json!(["acme", "polite", "greet", "u1", ["read"], true]);
    assert_eq!(applet::value(&outcome), json!([{ "text": "Hello Ada! Hello Ada! " }, null, who, 42]), "{engine:?}");
    let out = r#"{"text":"Hello Ada! Hello Ada! "}"#.len() + "null".len() + who.to_string().len() + "42".len();
    let usage = CustomUsage {
        calls: 4,
        bytes_in: (r#"{"name":"Ada","times":2}"#.len() + "nullnull21".len()) as u64,
        bytes_out: out as u64,
    };
    assert_eq!(outcome.usage.custom, [("greet".to_owned(), usage)].into(), "{engine:?}");
    assert_eq!(outcome.usage.operations, 4);
    let mut seen = std::mem::take(&mut *on.seen.0.lock().unwrap());
    seen.sort();
    assert_eq!(seen, ["hello", "nothing", "thread", "who"].map(|name| format!("custom call greet.{name} done")));

    let failed = |code: &str, message: &str| json!(["SdkError", "greet", code, message, null]);
    let hidden = failed("failed", "the host's own function failed");
    let argument = "the argument of greet.hello is not what it takes: invalid type: integer `7`, expected a string at line 1 column 9";
    assert_eq!(
        applet::value(&on.call("failures").await),
        json!([
            failed("invalid", argument),
            failed("no-such-user", "there is no nobody"),
            hidden,
            hidden,
            hidden,
            ["TypeError", null, null, "sdk.greet.hello takes one argument, not 2: give it an object", null],
            [
                "TypeError",
                null,
                null,
                "sdk.greet has no function \"helo\"; it has: hello, nothing, who, thread, fails, panics, panicsOnThread",
                null
            ],
            [
                "TypeError",
                null,
                null,
                "sdk has no capability \"gret\". What the host has of its own is asked for by permissions.custom of the manifest; granted are: bounded, greet",
                null
            ],
        ]),
        "{engine:?}"
    );

    let outcome = on.call("bounds").await;
    let bounds = applet::value(&outcome);
    let names: Vec<_> = bounds.as_array().unwrap().iter().map(|one| one[4].as_str()).collect();
    let hit = |name| Some(name);
    assert_eq!(
        names[..3],
        [hit("custom.argument_bytes_max"), hit("custom.reply_bytes_max"), hit("custom.call_ms_max")],
        "{engine:?}: {bounds}"
    );
    assert_eq!((&bounds[3], names[4]), (&json!("x"), hit("custom.calls_max")), "{engine:?}: {bounds}");
    assert_eq!(bounds[4][3], "limit custom.calls_max exceeded: 3 allowed, 4 used");
    assert_eq!(outcome.usage.custom["bounded"].calls, 3);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "what takes too long is dropped");

    let functions = ["hello", "nothing", "who", "thread", "fails", "panics", "panicsOnThread"];
    assert_eq!(
        applet::value(&on.call("names").await),
        json!([true, true, false, true, false, functions]),
        "{engine:?}"
    );
    on.host.shutdown_processes().await;
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_invocation() {
    for engine in [Engine::Wasm, Engine::Node] {
        let (begun, dropped) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicU64::new(0)));
        let (telling, dropping) = (begun.clone(), dropped.clone());
        let endless = Capability::new("bounded").function("never", move |_: Call, (): ()| {
            let (telling, waiting) = (telling.clone(), Waiting(dropping.clone()));
            async move {
                let _waiting = waiting;
                telling.notify_one();
                std::future::pending::<()>().await;
                Ok(())
            }
        });
        let Some(on) = On::new(engine, Limits::default(), endless).await else { continue };
        let mut invocation = Invocation::new("waits", Payload::Json("null".into()));
        let ending = begun.clone();
        invocation.until = Some(Box::pin(async move { ending.notified().await }));
        let outcome = on.host.invoke(&on.release, invocation).await;
        assert_eq!(applet::fault(&outcome).code, FaultCode::Cancelled, "{engine:?}");
        assert_eq!(outcome.usage.custom["bounded"].calls, 1);
        // Its task is told to end when the instance is dropped, and ends when it is polled next; the limit of the call itself is 10 s.
        let patience = tokio::time::timeout(Duration::from_secs(5), async {
            while dropped.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        patience.await.unwrap_or_else(|_| panic!("{engine:?}: the function's future is not dropped"));
        on.host.shutdown_processes().await;
    }
}

#[tokio::test]
async fn what_a_host_does_not_offer_is_refused_by_name() {
    let host = host::build(host::builder().capability(greet()));
    let check = |custom: &str| applet::admit(&host, applet::tenant(), &package(custom, Engine::Wasm));
    let fault = host.prepare(&check("greet, mail")).await.unwrap_err();
    let message = "the applet needs the capability \"mail\" (permissions.custom), which this host does not offer; it offers these: greet";
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Preparation, message));
    let outcome = applet::call(&host, &check("greet, mail"), "names", "null").await;
    assert_eq!(applet::fault(&outcome).message, message);
    let outcome = applet::call(
        host::shared(),
        &applet::admit(host::shared(), applet::tenant(), &package("greet", Engine::Wasm)),
        "names",
        "null",
    )
    .await;
    assert!(applet::fault(&outcome).message.ends_with("it offers none of its own"));
}

#[tokio::test]
async fn what_a_tenant_does_not_grant_is_not_there() {
    let host = host::build(host::builder().capability(greet()).capability(bounded(&Arc::default())));
    let granted = Grants { custom: vec!["greet".into(), "other".into()], ..Grants::default() };
    let release =
        Release::admit(applet::tenant(), &package("greet, bounded", Engine::Wasm), &granted, host.limits()).unwrap();
    assert_eq!(release.grants().custom, ["greet"]);
    let names = applet::value(&applet::call(&host, &release, "names", "null").await);
    assert_eq!((&names[0], &names[1]), (&json!(true), &json!(false)));
    let outcome = applet::call(&host, &release, "waits", "null").await;
    let error = &applet::fault(&outcome).errors[0];
    assert!(
        error.message.starts_with("sdk has no capability \"bounded\"") && error.message.ends_with("granted are: greet"),
        "{}",
        error.message
    );
    assert_eq!(error.frames[0].to_string(), "src/main.js:38:32");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let nothing = |name: &str| Capability::new(name).function("f", |_: Call, (): ()| async { Ok(()) });
    let check = |builder: HostBuilder, expected: &str| {
        assert_eq!(builder.build().map(drop).unwrap_err().to_string(), expected);
    };
    check(
        host::builder().capability(nothing("db")),
        "capability \"db\" cannot be offered: its name is not valid: the name belongs to the sdk itself",
    );
    check(
        host::builder().capability(nothing("a")).capability(nothing("a")),
        "capability \"a\" cannot be offered: there are two of this name",
    );
    check(host::builder().capability(Capability::new("a")), "capability \"a\" cannot be offered: it has no function");
    let twice = nothing("a").function("f", |_: Call, (): ()| async { Ok(()) });
    check(host::builder().capability(twice), "capability \"a\" cannot be offered: it has two functions \"f\"");
    for wrong in ["A", "a-b", "toString", "__proto__", "", "ä"] {
        let error = host::builder().capability(nothing(wrong)).build().map(drop).unwrap_err().to_string();
        assert!(error.contains("its name is not valid"), "{error}");
    }
}

#[test]
fn a_manifest_names_them() {
    let built = |custom: &str| {
        let folder = applet::folder(&[("manifest.yaml", &manifest(custom)), ("src/main.js", APPLET)]);
        std::thread::scope(|scope| {
            scope
                .spawn(|| belljar_build::build(folder.path()).map(|built| built.package.descriptor.permissions.custom))
                .join()
                .unwrap()
        })
    };
    assert_eq!(built("greet, mail").unwrap(), ["greet", "mail"]);
    for wrong in ["db", "a-b", "then", "greet, greet"] {
        let problems = built(wrong).unwrap_err();
        assert!(
            problems.problems().iter().any(|problem| problem.message.contains("permissions.custom")),
            "{wrong}: {problems:?}"
        );
    }
}

#[test]
fn a_program_may_call_them() {
    let host = host::build(host::builder().capability(greet()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = |custom: &[&str]| {
        let program = belljar::Program {
            kind: belljar::ProgramKind::Module,
            name: "main.js".into(),
            source: "const { text } = await sdk.greet.hello({ name: 'Ada', times: 1 }); if (text !== 'Hello Ada! ') throw new Error(text);".into(),
            locales: Vec::new(),
        };
        let grants = Grants { custom: custom.iter().map(|name| (*name).to_owned()).collect(), ..Grants::default() };
        let evaluation =
            belljar::Evaluation { program, grants, limits: Limits::default(), modules: None, tenant: applet::tenant() };
        runtime.block_on(host.run(evaluation))
    };
    let outcome = ran(&["greet"]);
    assert!(outcome.result.is_ok() && outcome.usage.custom["greet"].calls == 1, "{outcome:?}");
    assert_eq!(applet::fault(&ran(&[])).errors[0].name, "ReferenceError");
    assert_eq!(applet::fault(&ran(&["mail"])).code, FaultCode::Preparation);
}
