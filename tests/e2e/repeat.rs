//! The property of deterministic runs: a generated program gives the same output, log and fuel in two processes, one of which has no processor to
//! itself. Hosts with a fault (`tests/src/bin/belljar-repeat.rs`) show that the property finds what it is there to find.
//!
//! `BELLJAR_REPEAT_CASES` is how many programs there are; 64 without it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::{Value, json};

/// Statements; each reads and changes `s` (text), `n` (a number), `a` (an array of numbers), `m` (a map) and `b` (bytes).
const STATEMENTS: [&str; 32] = [
    "n = (n * 31 + s.length) % 1000003;",
    "a.push(n); a.sort((x, y) => (x % 7) - (y % 7));",
    "a.sort();",
    "s += String.fromCharCode(97 + n % 26);",
    "m.set(s.slice(-3), (m.get(s.slice(-3)) ?? 0) + n);",
    "m = new Map([...m].reverse());",
    "n += new Set(s).size; s = [...new Set(s)].join('');",
    "s = s.replace(/(?<v>[aeiou])|(\\d+)/gu, (all, v) => (v ? v.toUpperCase() : String(all.length)));",
    "n += [...s.matchAll(/\\p{L}+/gu)].length;",
    "b.set(new TextEncoder().encode(s).slice(0, b.length)); n += new DataView(b.buffer).getInt32(n % 12);",
    "{ const f = new Float64Array([n / 3, Math.sin(n), -0, NaN, 1 / (n % 2)]); n += new Uint8Array(f.buffer).reduce((x, y) => x + y, 0); }",
    "n = Number(BigInt(n) ** 3n % 99991n);",
    "n += Math.floor(Math.random() * 1e6);",
    "s += crypto.randomUUID().slice(0, 4);",
    "n += crypto.getRandomValues(new Uint16Array(9))[4];",
    "n += Date.now() % 1000; s += new Date(Date.now()).toISOString().slice(17, 23);",
    "n += Math.floor(performance.now() * 1000) % 1009;",
    "s += new Date(n * 86_400_000).toUTCString().slice(0, 3);",
    "a = [...(function* (x) { while (x > 1) { yield x; x = x % 2 ? 3 * x + 1 : x / 2; } })(n % 50 + 1)].slice(0, 30);",
    "for await (const x of (async function* () { for (let i = 0; i < 3; i++) { await null; yield i * n; } })()) n = (n + x) % 65521;",
    "await new Promise((r) => setTimeout(r, n % 40)); s += '.';",
    "setTimeout(() => console.log('late', n % 10), n % 5000);",
    "s += await Promise.race([30, 10, 20].map((ms) => new Promise((r) => setTimeout(r, ms + n % 7, ms))));",
    "try { null.x; } catch (error) { s += error.message.length; n += error.stack.length; }",
    "try { (function f(x) { return x > 200 ? JSON.parse('{') : f(x + 1); })(n % 100); } catch (error) { s += error.name; }",
    "console.log(s.slice(-20), n); sdk.log.info('line', { n, when: Date.now() });",
    "await sdk.kv.set('k' + n % 5, { n }); s += JSON.stringify(await sdk.kv.get('k' + n % 3));",
    "n += (await Promise.all([0, 1, 2, 3].map((i) => sdk.kv.increment('c', i + 1)))).reduce((x, y) => x * 3 + y, 0) % 9973;",
    "s += await Promise.race(['x', 'y', 'z'].map((k) => sdk.kv.set(k, n).then(() => k)));",
    "{ const seen = []; await Promise.all([sdk.kv.get('x').then(() => seen.push('kv')), sdk.db.query('SELECT 1').then(() => seen.push('db')), \
     crypto.subtle.digest('SHA-256', b).then(() => seen.push('hash'))]); s += seen; }",
    "await sdk.db.execute('CREATE TABLE IF NOT EXISTS t (i INTEGER PRIMARY KEY, n)'); await Promise.all([1, 2, 3].map((i) => \
     sdk.db.execute('INSERT INTO t (n) VALUES (?)', [n + i]).then((done) => { s += done.lastInsertRowid; })));",
    "await Promise.all([sdk.db.transaction(async (t) => { await t.query('SELECT 1'); await null; s += 't'; }), \
     sdk.db.execute('CREATE TABLE IF NOT EXISTS u (n)').then(() => { s += 'u'; })]);",
];

/// A program, as a tree that shrinks to its smallest part.
#[derive(Debug, Clone)]
enum Part {
    Statement(usize),
    Loop(u8, Vec<Part>),
    Closure(Vec<Part>),
    Try(Vec<Part>),
    Together(Vec<Vec<Part>>),
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (0..STATEMENTS.len()).prop_map(Part::Statement).prop_recursive(3, 24, 5, |part| {
        let parts = || proptest::collection::vec(part.clone(), 1..5);
        prop_oneof![
            (1..4_u8, parts()).prop_map(|(times, parts)| Part::Loop(times, parts)),
            parts().prop_map(Part::Closure),
            parts().prop_map(Part::Try),
            proptest::collection::vec(parts(), 2..4).prop_map(Part::Together),
        ]
    });
    proptest::collection::vec(part, 1..12)
}

/// How many statements there are.
fn size(parts: &[Part]) -> usize {
    let of = |part: &Part| match part {
        Part::Statement(_) => 1,
        Part::Loop(_, parts) | Part::Closure(parts) | Part::Try(parts) => size(parts),
        Part::Together(all) => all.iter().map(|parts| size(parts)).sum(),
    };
    parts.iter().map(of).sum()
}

fn write(parts: &[Part], text: &mut String) {
    for part in parts {
        let (before, after) = match part {
            Part::Statement(index) => (STATEMENTS[*index].to_owned(), ""),
            Part::Loop(times, _) => (format!("for (let i = 0; i < {times}; i++) {{"), "}"),
            Part::Closure(_) => ("await (async (k) => { n += k;".into(), "})(s.length);"),
            Part::Try(_) => (
                "try {".into(),
                "if (n % 2) throw new RangeError(s); } catch (error) { s += error.name[0]; } finally { n += 1; }",
            ),
            Part::Together(_) => ("await Promise.all([".into(), "]);"),
        };
        text.push_str(&before);
        match part {
            Part::Statement(_) => {}
            Part::Loop(_, parts) | Part::Closure(parts) | Part::Try(parts) => write(parts, text),
            Part::Together(all) => all.iter().for_each(|parts| {
                text.push_str("(async () => {");
                write(parts, text);
                text.push_str("})(),");
            }),
        }
        text.push_str(after);
        text.push('\n');
    }
}

fn program(parts: &[Part]) -> String {
    let mut text = String::from("let s = 'seed', n = 7, a = [3, 1, 2], m = new Map(), b = new Uint8Array(16);\n");
    write(parts, &mut text);
    let _ = writeln!(
        text,
        "console.log(JSON.stringify({{ s: s.slice(-500), n, a: a.slice(-50), m: [...m].slice(-50), b: [...b] }}));"
    );
    text
}

/// A process that runs programs.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belljar-repeat"));
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn ask(&mut self, number: u64, source: &str) {
        writeln!(self.input.as_mut().unwrap(), "{}", json!({ "number": number, "source": source })).unwrap();
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("a process answered {line:?}: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        self.child.wait().unwrap();
    }
}

/// Runs the property over programs; answers the smallest that breaks it, and how.
fn compare(cases: u32, args: &[&str]) -> Result<(), (Vec<Part>, String)> {
    let quiet = Process::start(args);
    let busy = Process::start(&[args, &["--load", "3"]].concat());
    let state = Mutex::new((quiet, busy, 0_u64));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let result = TestRunner::new(config).run(&parts(), |parts| {
        let (quiet, busy, number) = &mut *state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *number += 1;
        let source = program(&parts);
        quiet.ask(*number, &source);
        busy.ask(*number, &source);
        let (one, other) = (quiet.answer(), busy.answer());
        // A program that cannot be read would be the same everywhere.
        prop_assert_ne!(&one["result"]["code"], "syntax", "{}", source);
        prop_assert_eq!(one, other);
        Ok(())
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, parts)) => Err((parts, reason.to_string())),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn cases() -> u32 {
    std::env::var("BELLJAR_REPEAT_CASES").map_or(64, |cases| cases.parse().expect("BELLJAR_REPEAT_CASES is a number"))
}

#[test]
fn generated_programs_repeat_in_a_process_that_is_under_load() {
    if let Err((parts, reason)) = compare(cases(), &[]) {
        panic!("{reason}\n{}", program(&parts));
    }
}

#[test]
fn each_statement_does_something_and_repeats() {
    let (mut one, mut other) = (Process::start(&[]), Process::start(&["--load", "1"]));
    let mut run = |number: u64, source: &str| {
        one.ask(number, source);
        other.ask(number, source);
        let (one, other) = (one.answer(), other.answer());
        assert_eq!(one, other, "{source}");
        assert_eq!(one["result"], "done", "{source}");
        one
    };
    let nothing = run(0, &program(&[]));
    for (index, number) in (0..STATEMENTS.len()).zip(1..) {
        let done = run(number, &program(&[Part::Statement(index)]));
        assert_ne!(done["usage"]["fuel"], nothing["usage"]["fuel"], "{}", STATEMENTS[index]);
        assert_ne!(done["log"], Value::Array(Vec::new()), "{}", STATEMENTS[index]);
    }
}

/// Statements that a program has at most when it was made small: one would do, and how near shrinking comes to it is chance.
const SMALL: usize = 12;

/// A host with a fault must be found out, by a program that shows it and has at most so many statements.
fn is_found(mutant: &str, size_max: usize, shows: &[&str]) {
    let (parts, reason) = compare(cases().max(64), &["--mutant", mutant]).expect_err("the fault is found");
    let source = program(&parts);
    assert!(size(&parts) <= size_max, "{} statements are left of it: {source}", size(&parts));
    assert!(shows.is_empty() || shows.iter().any(|text| source.contains(text)), "{reason}\n{source}");
}

#[test]
fn a_host_that_shows_the_machines_time_is_found() {
    // Each line of the log has its time.
    is_found("clock", SMALL, &[]);
}

#[test]
fn a_host_that_shows_the_machines_randomness_is_found() {
    is_found("random", SMALL, &["crypto."]);
}

#[test]
fn a_host_that_delivers_what_completes_first_is_found() {
    // A race that is lost now and then is hard to make small.
    is_found("order", usize::MAX, &["sdk.kv", "setTimeout", "sdk.db"]);
}
