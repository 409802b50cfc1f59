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
    let mut command = Command::new(cli::binary());
    command.current_dir(folder).args(["dev", ".", "--listen", "127.0.0.1:0", "--json"]);
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
    println!("save to served: {} ms", swapped["ms"]);
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
