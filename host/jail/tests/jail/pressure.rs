//! What an applet uses up: processes, memory, disk, time, and the patience of whoever waits for it. Each ends within a limit, and the next
//! call is served.

use std::time::Duration;

use belljar_process::{Bound, EndReason, ProcessError};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Applet, in_each, lives, may_spawn};

const PRESSURE: &str = r"
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export async function bomb() {
  let started = 0, failed = 0;
  for (let i = 0; i < 5_000; i++) {
    try { spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }).on('error', () => failed++); started++; } catch { failed++; }
    if (i % 16 === 0) await sleep(1);
  }
  return { started, failed };
}
export async function hog() { const kept = []; for (;;) { kept.push(Buffer.alloc(32 << 20, 1)); await sleep(1); } }
export function fill() {
  const chunk = new Uint8Array(1 << 20).fill(1);
  let written = 0;
  try {
    for (let file = 0; file < 4; file++) { const fd = fs.openSync(`/tmp/fill${file}`, 'w'); for (let i = 0; i < 512; i++) written += fs.writeSync(fd, chunk); }
    return `PWNED ${written}`;
  } catch (error) { return [error.code, written]; }
}
export function litter(context, folder) {
  try { fs.writeFileSync(path.join(folder, 'file'), 'x'); return 'PWNED a file'; } catch (error) { return error.code ?? error.name; }
}
export function directories(context, folder) {
  try { fs.mkdirSync(path.join(folder, 'folder')); return 'PWNED a folder'; } catch (error) { return error.code ?? error.name; }
}
export function stubborn() { for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => {}); process.stdin.removeAllListeners('end'); setInterval(() => {}, 1); return 'stubborn'; }
export function loop() { for (;;); }
export async function slow() { await sleep(600_000); }
export function huge() { return 'F'.repeat(100 << 20); }
let n = 0;
// The handler for overflows of the stack that Rust programs have takes one such signal for itself.
export async function third() { if (++n % 3 === 0) for (let i = 0; i < 100; i++) { process.kill(process.pid, 'SIGSEGV'); await sleep(20); } return n; }
export function abort() { process.abort(); }
";

#[tokio::test]
async fn a_fork_bomb_is_bounded() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, PRESSURE, |spec, _| may_spawn(&runtime, spec));
        let begin = Instant::now();
        let ended = applet.call("bomb", Value::Null).await;
        eprintln!("  {ended:?} after {:?}", begin.elapsed());
        // Either the watchdog has seen it, or the kernel let no more be made and the call was answered.
        if let Err(error) = ended {
            let limit = matches!(error, ProcessError::Limit { name: "processes_max" | "memory_bytes_max", .. });
            assert!(limit || error.is_retryable(), "{error}");
        }
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn threads_are_bounded_by_the_kernel() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, PRESSURE, |spec, jail| {
            may_spawn(&runtime, spec);
            spec.limits.processes_max = Bound::Unlimited;
            spec.limits.memory_bytes_max = Bound::Unlimited;
            jail.policy.threads_max = 96;
        });
        let ended = applet.call("bomb", Value::Null).await;
        eprintln!("  {ended:?}");
        // Deno says that it cannot have threads, and exits; the others go on with those that they have.
        let threads = applet.supervisor.status().processes.into_iter().map(threads_below).sum::<usize>();
        eprintln!("  {threads} threads");
        assert!(threads <= 96 + 4, "{threads}");
        applet.supervisor.reset();
        applet.recovers().await;
    })
    .await;
}

/// Threads of a process's children, and theirs.
fn threads_below(pid: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map(|tasks| tasks.flatten().collect::<Vec<_>>());
    let tasks = tasks.unwrap_or_default();
    let children = tasks.iter().flat_map(|task| {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse::<u32>().ok()).collect::<Vec<_>>()
    });
    tasks.len() + children.map(threads_below).sum::<usize>()
}

#[tokio::test]
async fn memory_is_bounded() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, PRESSURE);
        let error = applet.call("hog", Value::Null).await.expect_err("killed");
        assert!(matches!(error, ProcessError::Limit { name: "memory_bytes_max", .. }), "{error}");
        assert_eq!(error.status(), 502);
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn the_disk_is_not_filled() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, PRESSURE);
        let filled = applet.call("fill", Value::Null).await.expect("answered");
        assert_eq!(filled[0], "ENOSPC", "{filled}");
        assert!(filled[1].as_u64().expect("a number") <= 64 << 20, "{filled}");
        // The one folder that is on the host's disk takes sockets only.
        let private = std::fs::read_dir(applet.sockets.path()).expect("readable").flatten().next().expect("one").path();
        applet.harmless("litter", json!(private)).await;
        applet.harmless("directories", json!(private)).await;
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn who_ignores_signals_is_killed() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, PRESSURE);
        applet.call("stubborn", Value::Null).await.expect("answered");
        let pid = applet.pid();
        let begin = Instant::now();
        applet.supervisor.shutdown().await;
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert!(!lives(pid));
    })
    .await;
}

#[tokio::test]
async fn who_does_not_is_asked_first() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, PRESSURE, |spec, _| spec.supervision.kill_grace_ms = 10_000);
        applet.call("healthy", Value::Null).await.expect("answered");
        let begin = Instant::now();
        applet.supervisor.shutdown().await;
        assert!(begin.elapsed() < Duration::from_secs(3), "SIGTERM reaches it: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn loops_and_slow_calls_end_at_their_deadline() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, PRESSURE);
        for handler in ["slow", "loop"] {
            let error = applet.call_within(500, handler, Value::Null).await.expect_err(handler);
            assert_eq!(error.status(), 504, "{handler}: {error}");
            applet.recovers().await;
            // The question whether it is still alive is answered by then.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_huge_answer_is_one_calls_failure() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, PRESSURE, |spec, _| spec.limits.memory_bytes_max = Bound::At(2 << 30));
        let error = applet.call("huge", Value::Null).await.expect_err("too large");
        assert_eq!(error.status(), 502, "{error}");
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn crashes_are_told_as_they_were() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, PRESSURE);
        for n in 1..=2 {
            assert_eq!(applet.call("third", Value::Null).await.expect("answered"), n);
        }
        let error = applet.call("third", Value::Null).await.expect_err("crashed");
        let ProcessError::Interrupted(report) = error else { panic!("{error}") };
        assert_eq!(report.reason, EndReason::Exited);
        eprintln!("  {}", report.exit);
        assert!(report.exit.starts_with("signal: "), "{}", report.exit);
        applet.recovers().await;
        for _ in 0..3 {
            applet.call("abort", Value::Null).await.expect_err("crashed");
            applet.recovers().await;
        }
    })
    .await;
}
