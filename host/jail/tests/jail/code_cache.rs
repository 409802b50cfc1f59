//! Deno's compiled code of its own modules: compiled once, copied into the `/tmp` of each process, and no applet's to change for another.

use std::path::Path;
use std::time::Duration;

use belljar_jail::{Policy, Require};
use belljar_process::{CodeCache, Runtime, RuntimeKind};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Applet, command, directory, policy, runtimes, strict};

const LOOK: &str = r"
import fs from 'node:fs';
async function open() {
    const { DatabaseSync } = await import('node:sqlite');
    const name = fs.readdirSync('/tmp/deno').find((name) => /^v8_code_cache_v[0-9]+$/.test(name));
    return name && new DatabaseSync(`/tmp/deno/${name}`);
}
const count = (database, like) => database.prepare('SELECT count(*) AS n FROM codecache WHERE specifier LIKE ?').get(like).n;
export async function look() {
    const database = await open();
    return database ? { own: count(database, 'ext:%') > 50, planted: count(database, 'planted:%') } : null;
}
export async function plant() {
    const database = await open();
    database.exec('PRAGMA busy_timeout = 5000');
    database.exec(`UPDATE codecache SET specifier = 'planted:' || specifier`);
    return look();
}
";

async fn look(runtime: &Runtime, cache: &CodeCache, handlers: &[&str]) -> Vec<Value> {
    let applet = Applet::with(runtime, LOOK, |_, jail| jail.code_cache = Some(cache.clone()));
    let mut answers = Vec::new();
    for handler in handlers {
        answers.push(applet.call(handler, Value::Null).await.expect("answered"));
    }
    applet.supervisor.shutdown().await;
    answers
}

/// The file that is kept in a folder, once it is there.
pub(crate) async fn only_file(folder: &Path) -> std::path::PathBuf {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(entry) = std::fs::read_dir(folder).ok().and_then(|mut entries| entries.next()) {
            return entry.expect("a file").path();
        }
        assert!(Instant::now() < until, "nothing was kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn code_of_the_runtime_is_kept_and_none_of_an_applets() {
    if strict().is_none() {
        return;
    }
    let Some(deno) = runtimes().await.into_iter().find(|runtime| runtime.kind == RuntimeKind::Deno) else { return };
    let folder = directory();
    let cache = CodeCache::new(folder.path().join("code"));
    // Nothing is there yet; it is made when this one has started, and outlives it.
    let applet = Applet::with(&deno, LOOK, |_, jail| jail.code_cache = Some(cache.clone()));
    assert_eq!(applet.call("look", Value::Null).await.expect("answered"), Value::Null);
    let file = only_file(&folder.path().join(format!("code/deno-{}", deno.version))).await;
    applet.supervisor.shutdown().await;
    let sealed = std::fs::read(&file).expect("readable");
    assert!(!sealed.windows(8).any(|text| text == b"file:///"), "it names a file");
    let there = json!({ "own": true, "planted": 0 });
    let answers = look(&deno, &cache, &["look", "plant"]).await;
    assert_eq!(answers[0], there);
    assert!(answers[1]["planted"].as_u64().is_some_and(|count| count > 50), "{answers:?}");
    assert_eq!(look(&deno, &cache, &["look"]).await, [there], "what an applet does to its copy stays in its jail");
    assert_eq!(std::fs::read(&file).expect("readable"), sealed);
    // Another host on the same folder, which has not heard yet that there is a private /tmp, uses none of it.
    let other = CodeCache::new(folder.path().join("code"));
    assert_eq!(look(&deno, &other, &["look"]).await, [Value::Null]);
    assert_eq!(look(&deno, &other, &["look"]).await, [json!({ "own": true, "planted": 0 })]);
}

#[test]
fn tmp_begins_with_copies() {
    if strict().is_none() {
        return;
    }
    let folder = directory();
    let from = folder.path().join("file");
    std::fs::write(&from, "kept").expect("written");
    let with = |within: &str| {
        let tmp_files = vec![(from.clone(), within.into())];
        Policy { tmp_files, ..policy(Require::Strict, &["/bin/sh"]) }
    };
    let script = "read -r text < /tmp/a/b/file || echo $text; echo changed > /tmp/a/b/file; echo more > /tmp/a/b/more && echo done";
    let output = command(&with("a/b/file"), &["/bin/sh", "-c", script]).output().expect("the launcher");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "kept\ndone\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&from).expect("readable"), b"kept");
    for outside in ["../file", "/etc/file"] {
        let output = command(&with(outside), &["/bin/sh", "-c", "echo started"]).output().expect("the launcher");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout.is_empty() && errors.contains("a place that is not in /tmp"), "{errors}");
    }
}
