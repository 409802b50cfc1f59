//! `belljar replay` by the real command, and docs/replay.md: its examples are run, and print what it says.

use std::path::Path;
use std::process::{Command, Stdio};

use belljar_tests::{applet, cli, component, repository};
use tempfile::TempDir;

/// A folder with the example and a recording of each of these orders.
fn recorded(orders: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path of text").to_owned();
    std::fs::create_dir(path("orders")).expect("it can be made");
    applet::copy_folder(&repository().join("examples/orders"), Path::new(&path("orders")));
    std::fs::create_dir(path("recordings")).expect("it can be made");
    let run = |handler: &str, payload: &str, more: &[&str]| {
        let (orders, data) = (path("orders"), path("data"));
        let args =
            [&["run", &orders, "--handler", handler, "--payload", payload, "--data-dir", &data][..], more].concat();
        cli::run(&args)
    };
    assert_eq!(run("reprice", r#"{"sku":"A-1","cents":1250}"#, &[]).code, Some(0));
    for (number, order) in orders.iter().enumerate() {
        let file = path(&format!("recordings/{number}.recording"));
        run("price", order, &["--record", &file]);
    }
    folder
}

fn replay(folder: &TempDir, args: &[&str]) -> cli::Ran {
    let recordings = folder.path().join("recordings");
    cli::run(&[&["replay", recordings.to_str().expect("a path of text")][..], args].concat())
}

const GOOD: &str = r#"{"sku":"A-1","quantity":2}"#;
const BAD: &str = r#"{"sku":"B-7","quantity":1}"#;

#[test]
fn exit_codes_tell_equal_different_and_broken_apart() {
    let folder = recorded(&[GOOD, BAD]);
    let ran = replay(&folder, &[]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "2 recordings: 2 equal, 0 differ, 0 could not be replayed\n"),
        "{ran:#?}"
    );
    let json = replay(&folder, &["--json"]).json();
    assert_eq!(
        (json["ok"].as_bool(), json["recordings"][1]["outcome"].as_str()),
        (Some(true), Some("equal")),
        "{json}"
    );

    let main = folder.path().join("orders/src/main.ts");
    let source = std::fs::read_to_string(&main).expect("it is there");
    std::fs::write(&main, source.replace("price.cents * quantity", "price.cents * quantity * 2"))
        .expect("it can be written");
    let orders = folder.path().join("orders");
    let orders = orders.to_str().expect("a path of text");
    let ran = replay(&folder, &["--against", orders]);
    assert_eq!(ran.code, Some(60), "{ran:#?}");
    assert!(ran.stdout.contains("1 equal, 1 differ") && ran.stdout.contains("\"total\":5000"), "{ran:#?}");
    // As what was recorded it does not pass.
    let ran = replay(&folder, &["--package", orders]);
    assert!(ran.code == Some(1) && ran.stdout.contains("replay against it"), "{ran:#?}");

    let file = folder.path().join("recordings/0.recording");
    let bytes = std::fs::read(&file).expect("it is there");
    std::fs::write(&file, &bytes[..bytes.len() - 7]).expect("it can be written");
    let ran = replay(&folder, &[]);
    assert!(ran.code == Some(1) && ran.stdout.contains("0.recording: the recording is cut off"), "{ran:#?}");
}

#[test]
fn a_program_is_recorded_and_replayed() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("program.recording");
    let file = file.to_str().expect("a path of text");
    let ran = cli::run(&["eval", "console.log(Math.random(), Date.now())", "--record", file]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let ran = cli::run(&["replay", file]);
    assert!(ran.code == Some(0) && ran.stdout.contains("  equal: 2 calls, "), "{ran:#?}");
}

#[test]
fn a_call_of_a_component_is_replayed_from_its_file_alone() {
    let counts = |calls: &str| {
        let functions = format!(
            r#"(data (i32.const 4096) "visits")
               (func $count
                 (call $increment (i32.const 4096) (i32.const 6) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 1200))
                 (if (i32.load8_u (i32.const 1200)) (then unreachable)))
               (func $handle (export "handle") (param i32) (result i32) {calls} (call $number (i64.load (i32.const 1208))))"#
        );
        let import =
            r#"(import "belljar:component/kv@0.1.0" "increment" (func $increment (param i32 i32 i64 i32 i64 i32)))"#;
        component::of_text("", "", import, &functions)
    };
    let folder = component::folder("counts", "permissions: { kv: true }\n", &counts("(call $count)"));
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| elsewhere.path().join(name).to_str().expect("a path of text").to_owned();
    let (applet, file, data) =
        (folder.path().to_str().expect("a path of text").to_owned(), path("one.recording"), path("data"));
    for visits in ["1\n", "2\n"] {
        let ran = cli::run(&["run", &applet, "--payload", "null", "--data-dir", &data, "--record", &file]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), visits), "{ran:#?}");
    }
    let ran = cli::run(&["replay", "--against", &applet, &file]);
    assert!(ran.code == Some(0) && ran.stdout.contains("  equal: 1 calls and the end; "), "{ran:#?}");
    let twice = component::folder("counts", "permissions: { kv: true }\n", &counts("(call $count) (call $count)"));
    let ran = cli::run(&["replay", "--against", twice.path().to_str().expect("a path of text"), &file]);
    let expected = [
        "  DIFFERS; 1 calls agree; ",
        "    new: kv.increment(\"visits\", 1, null)\n",
        "    expected: the answer 2\n    got:      the fault trap (the component trapped: wasm trap: wasm `unreachable` instruction executed)\n",
    ];
    assert!(ran.code == Some(60) && expected.iter().all(|text| ran.stdout.contains(text)), "{ran:#?}");
    let json =
        cli::run(&["replay", "--json", "--against", twice.path().to_str().expect("a path of text"), &file]).json();
    assert_eq!((&json["ok"], &json["counts"]["diverged"]), (&false.into(), &1.into()), "{json}");
    let compared = &json["recordings"][0];
    assert_eq!((&compared["outcome"], &compared["calls"]), (&"diverged".into(), &1.into()), "{json}");
    assert_eq!(compared["differences"][0], serde_json::json!({ "extra": "kv.increment(\"visits\", 1, null)" }));
    assert_eq!(compared["differences"][1]["expected"], "the answer 2");
    drop(folder);
    let ran = cli::run(&["replay", &file]);
    assert!(ran.code == Some(0) && ran.stdout.contains("  equal: 1 calls, "), "{ran:#?}");
    let ran = cli::run(&["replay", "--show", &file]);
    assert!(ran.stdout.contains("kv.increment(\"visits\", 1, null)"), "{ran:#?}");
    let ran = cli::run(&["replay", &file, "--until-fuel", "10"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("stopped at 10 fuel"), "{ran:#?}");
    // Its arguments are on their way.
    assert!(ran.stdout.contains("at applet.wasm:1:") && ran.stdout.contains("(alloc)"), "{ran:#?}");
}

/// Without what differs from engine to engine: figures of fuel, and positions in time.
fn comparable(text: &str) -> String {
    let mut comparable = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let figure = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || c == ',')
        };
        let words: Vec<&str> = words
            .iter()
            .enumerate()
            .map(|(at, word)| {
                let of_fuel =
                    words.get(at + 1).is_some_and(|next| next.starts_with("fuel")) || at > 0 && words[at - 1] == "was";
                if of_fuel && figure(word) { "N" } else { word }
            })
            .collect();
        comparable.push_str(words.join(" ").trim_end());
        comparable.push('\n');
    }
    comparable
}

#[test]
fn the_examples_of_the_document_print_what_it_says() {
    let document = std::fs::read_to_string(repository().join("docs/replay.md")).expect("it is there");
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(folder.path().join("orders")).expect("it can be made");
    applet::copy_folder(&repository().join("examples/orders"), &folder.path().join("orders"));
    let bin = cli::binary().parent().expect("it is in a folder");
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut commands = 0;
    for block in document.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut lines = block.lines().peekable();
        while let Some(command) = lines.next() {
            let command = command.strip_prefix("$ ").unwrap_or_else(|| panic!("{command:?} is no command"));
            let mut expected = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push_str(line);
                expected.push('\n');
            }
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{{ {command}\n}} 2>&1")).current_dir(folder.path()).stdin(Stdio::null());
            let output = shell
                .env("PATH", path.as_ref().expect("a path"))
                .env("NO_COLOR", "1")
                .output()
                .expect("the shell starts");
            let printed = String::from_utf8(output.stdout).expect("text");
            assert_eq!(comparable(&printed), comparable(&expected), "{command}\nprinted:\n{printed}");
            commands += 1;
        }
    }
    assert!(commands >= 8, "{commands} commands");
}
