//! `belljar dev`: what is saved is served; what is broken is told, and the old goes on.

use std::net::SocketAddr;
use std::process::Command;

use belljar_tests::cli;
use belljar_tests::serving::{Told, request};
use serde_json::Value;

use super::{MAIN, hello};

struct Dev {
    told: Told,
    at: SocketAddr,
}

fn start(folder: &std::path::Path) -> Dev {
    start_with(folder, &[])
}

fn start_with(folder: &std::path::Path, args: &[&str]) -> Dev {
    let mut command = Command::new(cli::binary());
    command.current_dir(folder).args(["dev", ".", "--listen", "127.0.0.1:0", "--json"]).args(args);
    let mut told = Told::start(command, true);
    let serving = told.wait_for("`serving`", |line| line["event"] == "serving");
    let port = serving["url"].as_str().unwrap().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    Dev { told, at: SocketAddr::from(([127, 0, 0, 1], port)) }
}

impl Dev {
    fn get(&self, path: &str) -> (u16, Value) {
        let answer = request(self.at, "GET", path, &[("host", "localhost")], b"");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

#[test]
fn what_is_saved_is_served_and_what_is_broken_is_told() {
    let folder = hello("1.0.0", "Hello");
    let source = folder.path().join("src/main.ts");
    // 20 KB, as applets are.
    let padding = format!("\nexport const texts = {:?};\n", "lorem ipsum ".repeat(1_650));
    let save = |greeting: &str| std::fs::write(&source, MAIN.replace("GREETING", greeting) + &padding).unwrap();
    save("Hello");
    let mut dev = start(folder.path());
    dev.told.wait_for("the first version", |line| line["event"] == "swapped");
    assert_eq!(dev.get("/greet/Ada").1["greeting"], "Hello, Ada!");
    dev.told.wait_for("its log line", |line| line["message"] == "greeted");
    dev.told.wait_for("its request", |line| line["event"] == "request" && line["handler"] == "greet");

    save("Good morning");
    let swapped = dev.told.wait_for("the second version", |line| line["event"] == "swapped");
    assert!(swapped["ms"].is_u64(), "{swapped}");
    assert_eq!(dev.get("/greet/Ada").1["greeting"], "Good morning, Ada!");

    std::fs::write(&source, "export function greet( {").unwrap();
    // A build may have come between the two steps of a save, when the file was empty: that is a failure of its own.
    dev.told.wait_for("the failure", |line| line["event"] == "failed" && line["problems"][0]["file"] == "src/main.ts");
    assert_eq!(dev.get("/greet/Ada").1["greeting"], "Good morning, Ada!", "the old goes on");
    std::fs::write(&source, format!("{MAIN}\nthrow new Error('top level');")).unwrap();
    let is_it = |line: &Value| {
        line["event"] == "failed" && line["message"].as_str().is_some_and(|message| message.contains("top level"))
    };
    dev.told.wait_for("the second failure", is_it);
    assert_eq!(dev.get("/greet/Ada").0, 200);

    save("Good night");
    dev.told.wait_for("the last version", |line| line["event"] == "swapped");
    assert_eq!(dev.get("/greet/Ada").1["greeting"], "Good night, Ada!");
    dev.told.signal(rustix::process::Signal::INT);
    assert_eq!(dev.told.ended().code(), Some(0));
}

#[test]
fn a_failure_is_recorded_and_replayed_at_once() {
    let folder = hello("1.0.0", "Hello");
    let source = folder.path().join("src/main.ts");
    let failing = "export function greet(context) {\n  if (context.params.name === 'Eve') throw new RangeError('not Eve');\n  return { greeting: 'Hello' };\n}\nexport const count = () => 1;\n";
    std::fs::write(&source, failing).unwrap();
    let mut dev = start_with(folder.path(), &["--record", "on-failure"]);
    dev.told.wait_for("the version", |line| line["event"] == "swapped");
    assert_eq!((dev.get("/greet/Ada").0, dev.get("/greet/Eve").0), (200, 500));
    let recorded = dev.told.wait_for("the recording", |line| line["event"] == "recorded");
    let file = recorded["file"].as_str().unwrap().to_owned();
    assert!(
        file.ends_with(&format!("data/recordings/{}.recording", recorded["invocation"].as_str().unwrap())),
        "{recorded}"
    );

    // Another package is served by then: the recording has its own.
    std::fs::write(&source, failing.replace("throw", "return")).unwrap();
    dev.told.wait_for("the correction", |line| line["event"] == "swapped");
    assert_eq!(dev.get("/greet/Eve").0, 200);
    let mut replay = Command::new(cli::binary());
    let replayed = replay.current_dir(folder.path()).args(["replay", &file]).output().unwrap();
    let text = String::from_utf8(replayed.stdout).unwrap();
    assert!(
        replayed.status.success() && text.contains("threw: RangeError: not Eve") && text.contains("src/main.ts:2:"),
        "{text}"
    );

    dev.told.signal(rustix::process::Signal::INT);
    assert_eq!(dev.told.ended().code(), Some(0));
    let count = std::fs::read_dir(folder.path().join(".belljar/data/recordings")).unwrap().count();
    assert_eq!(count, 1, "what succeeded is not recorded");
}

#[test]
fn what_no_host_here_offers_is_told_by_name() {
    let folder = hello("1.0.0", "Hello");
    let manifest = folder.path().join("manifest.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("permissions:\n", "permissions:\n  custom: [gate]\n")).unwrap();
    let mut dev = start(folder.path());
    let failed = dev.told.wait_for("the failure", |line| line["event"] == "failed");
    let message = failed["message"].as_str().unwrap();
    assert!(
        message.contains("the capability \"gate\" (permissions.custom), which this host does not offer"),
        "{message}"
    );
    assert!(message.contains("take the name out of the manifest"), "{message}");
    dev.told.signal(rustix::process::Signal::INT);
    assert_eq!(dev.told.ended().code(), Some(0));
}

#[test]
fn data_stays_between_runs() {
    let folder = hello("1.0.0", "Hello");
    for expected in [1, 2] {
        let mut dev = start(folder.path());
        dev.told.wait_for("the version", |line| line["event"] == "swapped");
        assert_eq!(dev.get("/greet/Ada").0, 200);
        dev.told.signal(rustix::process::Signal::INT);
        assert_eq!(dev.told.ended().code(), Some(0));
        let databases = folder.path().join(".belljar/data/db/dev/hello.sqlite");
        let connection = rusqlite::Connection::open(&databases).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM greeted", [], |row| row.get(0)).unwrap();
        assert_eq!(count, expected);
    }
}
