//! The embedding API as its users see it: scripts, several hosts, callers that block, ends of one's own; and the examples and the document about it,
//! which must print what they say.

use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use belljar::{
    BlockingError, Call, Capability, FaultCode, Grants, InstallError, Invocation, Limits, Payload, SCRIPT_BYTES_MAX,
    Script, ScriptOptions, TenantId, ValueError, Virtual,
};
use belljar_tests::{applet, host, repository};
use serde_json::{Value, json};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn a_script_has_a_value_of_the_type_that_is_wanted() {
    let host = host::shared();
    let order = json!({ "total": 120, "lines": [{ "n": 2 }, { "n": 3 }] });
    let check = async |source: &str, expected: Value| {
        let value: Value = host.evaluate(source, &order).await.unwrap_or_else(|error| panic!("{source}: {error:?}"));
        assert_eq!(value, expected, "{source}");
    };
    check("context.total > 100", json!(true)).await;
    check("{ total: context.total * 2 }", json!({ "total": 240 })).await;
    check("context.lines.map((line) => line.n)", json!([2, 3])).await;
    check("const sum = context.lines.reduce((sum, { n }) => sum + n, 0); return { sum };", json!({ "sum": 5 })).await;
    check("await Promise.resolve(context.total) // the end", json!(120)).await;
    check("if (context.total > 1000) return 1;", Value::Null).await;
    check("undefined", Value::Null).await;
    check("typeof sdk.db + typeof fetch + typeof globalThis.leak", json!("objectfunctionundefined")).await;
    check("(globalThis.leak = 1, globalThis.leak)", json!(1)).await;
    check("typeof globalThis.leak", json!("undefined")).await;
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Sum {
        sum: u32,
    }
    assert_eq!(host.evaluate::<Sum>("({ sum: context.length })", &["a", "b"]).await.unwrap(), Sum { sum: 2 });
    let error = host.evaluate::<Sum>("'many'", &()).await.unwrap_err();
    assert!(matches!(&error, ValueError::Value { json, .. } if json == "\"many\""), "{error:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_script_is_said_with_its_place() {
    let host = host::shared();
    let fault = async |source: &str| match host.evaluate::<Value>(source, &json!({})).await {
        Err(ValueError::Fault(fault)) => fault,
        other => panic!("{source}: {other:?}"),
    };
    let check = async |source: &str, code: FaultCode, place: &str| {
        let fault = fault(source).await;
        let frame = fault.errors[0].frames[0].to_string();
        assert_eq!((fault.code, frame.as_str()), (code, place), "{source}: {fault:?}");
    };
    check("context.order.total", FaultCode::Threw, "script.js:1:15").await;
    check("1 +\n  context.f(2)", FaultCode::Threw, "script.js:2:11").await;
    check("const a = 1;\nreturn a.b.c;", FaultCode::Threw, "script.js:2:12").await;
    assert_eq!(fault("context.total >").await.code, FaultCode::Syntax);
    let late = fault("const a = 1;\nconst b = ;\nreturn a;").await;
    assert_eq!((late.code, late.errors[0].frames[0].line), (FaultCode::Syntax, 2), "{late:?}");
    let early = fault("context.a context.b").await;
    assert_eq!((early.code, early.errors[0].frames[0].line), (FaultCode::Syntax, 1), "{early:?}");
    let long = "1".repeat(SCRIPT_BYTES_MAX + 1);
    let hit = fault(&long).await.limit.unwrap();
    assert_eq!((hit.name, hit.used), ("script_bytes_max", long.len() as u64));
    let unwritable = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(host.evaluate::<Value>("1", &unwritable).await, Err(ValueError::Context(_))));
}

#[tokio::test]
async fn a_script_has_the_limits_and_the_capabilities_it_is_given() {
    let twice = Capability::new("numbers").function("twice", |_: Call, number: u32| async move { Ok(number * 2) });
    let host = host::build(host::builder().capability(twice));
    let limits = Limits { fuel_max: 5_000_000, ..Limits::default() };
    let options = ScriptOptions { limits: Some(limits), ..ScriptOptions::named("endless.js") };
    let endless = host.script_with("while (true) {}", options).await.unwrap();
    let Err(ValueError::Fault(fault)) = endless.evaluate::<Value>(&()).await else { panic!("it ends") };
    assert_eq!(
        (fault.code, fault.limit.unwrap().allowed, fault.frames[0].file.as_str()),
        (FaultCode::Fuel, 5_000_000, "endless.js")
    );

    let grants = Grants { custom: vec!["numbers".into()], kv: true, ..Grants::default() };
    let options = ScriptOptions { grants, ..ScriptOptions::default() };
    let script =
        host.script_with("await sdk.kv.increment('n'); return sdk.numbers.twice(context)", options).await.unwrap();
    assert_eq!(script.evaluate::<u32>(&21).await.unwrap(), 42);
    let outcome = host.invoke(script.release(), Script::invocation("4")).await;
    assert_eq!(
        (applet::value(&outcome), outcome.usage.custom["numbers"].calls, outcome.usage.kv.writes),
        (json!(8), 1, 1)
    );
    let fault = host
        .script_with(
            "1",
            ScriptOptions {
                grants: Grants { custom: vec!["other".into()], ..Grants::default() },
                ..ScriptOptions::default()
            },
        )
        .await
        .unwrap_err();
    assert!(fault.message.contains("does not offer; it offers these: numbers"), "{fault}");
    let Err(ValueError::Fault(fault)) = host.evaluate::<Value>("sdk.kv.get('n')", &()).await else {
        panic!("it is not granted")
    };
    assert_eq!(fault.errors[0].code.as_deref(), Some("not-granted"));
}

#[tokio::test]
async fn a_script_repeats_with_a_source_of_its_own() {
    let host = host::shared();
    let script = host.script("[new Date().toISOString(), Math.random(), crypto.randomUUID()]").await.unwrap();
    let run = async |seed: u64| {
        let mut invocation = Script::invocation("null");
        invocation.source = Some(Arc::new(Virtual::new(1_767_225_600_000_000, seed)));
        let outcome = host.invoke(script.release(), invocation).await;
        (applet::value(&outcome), outcome.usage.fuel)
    };
    let (value, fuel) = run(1).await;
    assert_eq!(value[0], "2026-01-01T00:00:00.000Z");
    assert_eq!(run(1).await, (value.clone(), fuel));
    assert_ne!(run(2).await.0, value);
}

#[test]
fn hosts_do_not_know_of_each_other() {
    let answer =
        |answer: u32| Capability::new("deep").function("thought", move |_: Call, (): ()| async move { Ok(answer) });
    let small = Limits { fuel_max: 2_000_000, ..Limits::default() };
    let hosts = [
        host::build(host::builder().capability(answer(42)).instances_max(4)),
        host::build(host::builder().capability(answer(7)).limits(small).instances_max(2).images_max(1)),
    ];
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { custom: [deep], kv: true }\n";
    let main = "export default async (_: unknown, n: number) => { for (let i = 0; i < n; i++); return [await sdk.deep.thought(), await sdk.kv.increment('n')]; };";
    let package = applet::package_of("thinker", manifest, main);
    block_on(async {
        let tenant = TenantId::new("acme").unwrap();
        let [first, second] = &hosts;
        let (on_first, on_second) =
            (first.install(tenant.clone(), &package).await.unwrap(), second.install(tenant, &package).await.unwrap());
        for round in 1..=3 {
            let (a, b) = tokio::join!(
                applet::call(first, &on_first, "default", "10"),
                applet::call(second, &on_second, "default", "10")
            );
            assert_eq!(
                (applet::value(&a), applet::value(&b)),
                (json!([42, round]), json!([7, round])),
                "each has its own keys"
            );
        }
        let long = applet::call(second, &on_second, "default", "1000000").await;
        assert_eq!(applet::fault(&long).code, FaultCode::Fuel);
        assert_eq!(applet::value(&applet::call(first, &on_first, "default", "1000000").await), json!([42, 4]));
    });
    let [first, second] = hosts;
    drop(second);
    assert_eq!(block_on(first.evaluate::<u32>("40 + 2", &())).unwrap(), 42, "one goes, the other stays");
}

#[test]
fn an_installation_says_what_is_wrong() {
    let host = host::shared();
    let tenant = applet::tenant();
    let broken = applet::package_of_bundle("broken", "throw new Error('not today');");
    let error = block_on(host.install(tenant.clone(), &broken)).unwrap_err();
    assert!(matches!(&error, InstallError::Fault(fault) if fault.message.contains("not today")), "{error:?}");
    assert!(matches!(block_on(host.install(tenant.clone(), b"no package")), Err(InstallError::Catalog(_))));
    let manifest = "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true, db: true }\n";
    let package = applet::package_of("less", manifest, "export default () => 1;");
    let release =
        block_on(host.install_with(tenant, &package, &Grants { kv: true, jobs: true, ..Grants::default() })).unwrap();
    assert_eq!((release.grants().kv, release.grants().db, release.grants().jobs), (true, false, false));
}

#[test]
fn callers_may_block() {
    let blocking = host::shared().blocking().unwrap();
    assert_eq!(blocking.evaluate::<u32>("context + 1", &1).unwrap(), 2);
    let package = applet::package_of(
        "waits",
        applet::PLAIN,
        "export default (_: unknown, ms: number) => new Promise((done) => setTimeout(done, ms, 'done'));",
    );
    let release = blocking.install(applet::tenant(), &package).unwrap();
    let call = |json: &str| Invocation::new("default", Payload::Json(json.into()));
    assert_eq!(blocking.invoke(&release, Invocation::json("default", &1).unwrap()).value::<String>().unwrap(), "done");
    let mut ended = call("600000");
    ended.until = Some(Box::pin(std::future::ready(())));
    assert_eq!(applet::fault(&blocking.invoke(&release, ended)).code, FaultCode::Cancelled);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| blocking.invoke(&release, call("1")))).collect();
        for outcome in threads {
            assert_eq!(applet::value(&outcome.join().unwrap()), json!("done"), "several threads may use it");
        }
    });

    let inside = block_on(async {
        let refused = host::shared().blocking();
        assert!(matches!(refused, Err(BlockingError::InsideRuntime)), "{refused:?}");
        let outcome = blocking.invoke(&release, call("1"));
        let error = blocking.evaluate::<u32>("1", &());
        assert!(matches!(error, Err(ValueError::Fault(fault)) if fault.code == FaultCode::Internal));
        // Dropped here, where waiting is not allowed.
        drop(blocking);
        outcome
    });
    assert!(applet::fault(&inside).message.contains("use Host there"));
}

#[tokio::test]
async fn an_invocation_has_the_end_it_is_given() {
    let host = host::shared();
    let package = applet::package_of(
        "waits",
        applet::PLAIN,
        "export default () => new Promise((done) => setTimeout(done, 600_000));",
    );
    let release = host.install(applet::tenant(), &package).await.unwrap();
    let mut invocation = Invocation::new("default", Payload::Json("null".into()));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    invocation.until = Some(Box::pin(async {
        let _ = ended.await;
    }));
    let (outcome, _) = tokio::join!(host.invoke(&release, invocation), async { end.send(()) });
    assert_eq!(applet::fault(&outcome).code, FaultCode::Cancelled);
    assert!(outcome.usage.fuel > 0);
}

// ------------------------------------------------------------------------------------------------------------ the examples

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The program of an example, which is built with the other programs of the workspace.
fn program(name: &str) -> Command {
    // This test's own program is in `deps`, beside which they are.
    let programs = std::env::current_exe().unwrap().parent().and_then(|deps| deps.parent().map(PathBuf::from)).unwrap();
    let path = programs.join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace --bins", path.display());
    Command::new(path)
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Commands of a README's first console block, with what is printed after each.
fn console(readme: &str) -> Vec<(String, String)> {
    let text = read(readme);
    let block =
        text.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of commands");
    let mut commands = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_owned(), String::new())),
            None => commands.last_mut().expect("a command comes first").1 += &format!("{line}\n"),
        }
    }
    commands
}

/// Fenced blocks of a document, each with its language and the line of text before it.
fn blocks(document: &str) -> Vec<(String, String, String)> {
    let mut blocks = Vec::new();
    let (mut before, mut open) = (String::new(), None::<(String, String)>);
    for line in document.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (None, None) if !line.is_empty() => before = line.to_owned(),
            (None, None) => {}
            (Some(_), Some(_)) => {
                let (language, text) = open.take().unwrap();
                blocks.push((language, before.clone(), text));
            }
            (Some((_, text)), None) => *text += &format!("{line}\n"),
        }
    }
    blocks
}

#[test]
fn the_document_shows_what_is_there() {
    let document = read("docs/embedding.md");
    let mut shown = Vec::new();
    for (language, before, text) in blocks(&document) {
        let Some(path) = before.strip_suffix("`):").and_then(|before| before.rsplit_once("(`")).map(|(_, path)| path)
        else {
            continue;
        };
        let file = read(path);
        let has_it = if path.contains("ten-lines") { file == text } else { file.contains(&text) };
        assert!(has_it, "docs/embedding.md shows {language} that {path} does not have:\n{text}");
        shown.push(path.to_owned());
    }
    assert_eq!(
        shown,
        [
            "examples/embed-ten-lines/src/main.rs",
            "examples/embed-plugins/src/main.rs",
            "examples/embed-plugins/project.d.ts"
        ]
    );
    let printed = blocks(&document)
        .into_iter()
        .find(|(language, before, _)| language == "text" && before.contains("prints"))
        .expect("what is printed")
        .2;
    assert_eq!(stdout(&mut program("embed-ten-lines")), printed);
    assert_eq!(console("examples/embed-ten-lines/README.md"), [("cargo run -p embed-ten-lines".to_owned(), printed)]);
    assert_eq!(read("examples/embed-ten-lines/src/main.rs").lines().count(), 10);
}

#[test]
fn the_simulator_prints_what_its_readme_says() {
    let [(command, printed)]: [_; 1] = console("examples/embed-simulator/README.md").try_into().unwrap();
    assert_eq!(command, "cargo run -p embed-simulator -- 7");
    assert_eq!(stdout(program("embed-simulator").arg("7")), printed);
    let other = stdout(program("embed-simulator").arg("8"));
    assert!(other != printed && other.ends_with("again the same: true\n"), "{other}");
}

#[test]
fn the_plug_ins_print_what_their_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let example = repository().join("examples/embed-plugins");
    let package = folder.path().join("wordcount.belljar");
    fs::write(&package, applet::package(&example.join("plugins/wordcount"))).unwrap();
    let commands = console("examples/embed-plugins/README.md");
    assert_eq!(commands.len(), 4);
    for (command, printed) in &commands[1..] {
        let arguments: Vec<_> = command
            .strip_prefix("cargo run -p embed-plugins -- wordcount.belljar project ")
            .unwrap()
            .split(' ')
            .collect();
        let output =
            program("embed-plugins").arg(&package).arg(example.join("project")).args(&arguments).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8(told).unwrap(), *printed, "{command}");
    }
}

/// A program that is killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a request, and answers status and body.
fn ask(address: &str, method: &str, path: &str, content_type: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn the_rules_engine_answers_as_its_readme_says() {
    let mut running = Running(program("embed-rules").arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    let commands = console("examples/embed-rules/README.md");
    assert_eq!(commands.len(), 6);
    for (command, printed) in &commands[1..] {
        let body = command.split_once("-d '").and_then(|(_, rest)| rest.strip_suffix('\'')).unwrap();
        let path = &command.split_once("127.0.0.1:8080").unwrap().1;
        let path = path.split(' ').next().unwrap();
        let (method, kind) =
            if path.starts_with("/rules/") { ("PUT", "text/plain") } else { ("POST", "application/json") };
        let (status, answer) = ask(&address, method, path, kind, body);
        assert_eq!(answer, printed.trim_end(), "{command}");
        let expected = match (path, printed.is_empty()) {
            ("/evaluate", _) => 200,
            (_, true) => 204,
            (_, false) => 422,
        };
        assert_eq!(status, expected, "{command}");
    }
}
