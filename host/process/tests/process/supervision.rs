//! Lifetimes: idle ones stop, ones that are kept alive do not, replicas share the work, sick ones are replaced, lines are kept.

use std::time::Duration;

use belljar_process::{Bound, Level, State, Stream};
use serde_json::{Value, json};

use crate::harness::{APPLET, Applet, eventually, in_each, lives};

fn number(value: Value) -> u32 {
    value.as_u64().expect("a number") as u32
}

#[tokio::test]
async fn an_idle_process_stops_and_starts_again() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| spec.supervision.idle_ms_max = Bound::At(300));
        let first = number(applet.call("pid", Value::Null).await.expect("started"));
        applet.call("wait", json!(600)).await.expect("work is not idleness");
        assert_eq!(applet.pids(), [first]);
        eventually("it stops", || applet.supervisor.status().state == State::Stopped).await;
        eventually("it is gone", || !lives(first)).await;
        let status = applet.supervisor.status();
        assert_eq!((status.failures, status.reason.as_str()), (0, "it had nothing to do"));
        assert_ne!(number(applet.call("pid", Value::Null).await.expect("started again")), first);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_kept_alive_is_there_before_the_first_call() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| spec.supervision.keep_alive = true);
        eventually("it starts", || applet.supervisor.status().state == State::Healthy).await;
        let first = applet.pids();
        applet.call("crash", Value::Null).await.expect_err("crashed");
        eventually("it is started again", || {
            applet.supervisor.status().state == State::Healthy && applet.pids() != first
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn replicas_share_the_work() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| {
            spec.supervision.replicas = 2;
            spec.limits.concurrency_max = 1;
        });
        applet.call("pid", Value::Null).await.expect("started");
        assert_eq!(applet.pids().len(), 1, "one is enough for one call");
        let (one, two) = tokio::join!(applet.call("wait", json!(300)), applet.call("wait", json!(300)));
        one.and(two).expect("answered");
        eventually("the other one is ready", || applet.pids().len() == 2).await;
        let source = applet.supervisor.status();
        assert_eq!(source.state, State::Healthy);
    })
    .await;
}

#[tokio::test]
async fn a_sick_process_is_replaced() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| {
            spec.supervision.health_interval_ms = 50;
            spec.supervision.health_failures_max = 2;
        });
        let first = number(applet.call("pid", Value::Null).await.expect("started"));
        applet.call("sicken", Value::Null).await.expect("answered");
        eventually("it is killed", || !lives(first)).await;
        eventually("it is told", || applet.supervisor.status().reason.contains("no more ink")).await;
        assert_ne!(number(applet.call("pid", Value::Null).await.expect("another one")), first);
    })
    .await;
}

#[tokio::test]
async fn lines_of_no_call_go_to_the_sink() {
    let source = format!(
        "console.log('booting', 1);\nprocess.stdout.write('garbage \\u0000 here\\n');\nprocess.stderr.write('{{\"level\":\"error\",\"msg\":\"odd\",\"n\":2}}\\n');\n{APPLET}"
    );
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |_| {});
        applet.call("pid", Value::Null).await.expect("prints garbage, and works");
        eventually("three lines", || applet.lines.0.lock().expect("unpoisoned").len() >= 3).await;
        let lines = applet.lines.0.lock().expect("unpoisoned").clone();
        let find = |message: &str| {
            lines.iter().find(|line| line.message == message).unwrap_or_else(|| panic!("{message}: {lines:?}"))
        };
        assert_eq!((find("booting 1").level, find("booting 1").stream), (Level::Info, Stream::Out));
        assert_eq!(find("garbage \u{0} here").label, "test");
        assert_eq!((find("odd").level, &find("odd").fields["n"]), (Level::Error, &json!(2)));
    })
    .await;
}

#[tokio::test]
async fn a_supervisor_leaves_nothing_behind() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let first = number(applet.call("pid", Value::Null).await.expect("started"));
        applet.supervisor.shutdown().await;
        assert!(!lives(first));
        assert_eq!(applet.call("pid", Value::Null).await.expect_err("stopped").code(), "stopped");

        let applet = Applet::new(&runtime);
        let second = number(applet.call("pid", Value::Null).await.expect("started"));
        let Applet { supervisor, folder, .. } = applet;
        drop(supervisor);
        eventually("it is gone", || !lives(second)).await;
        let sockets =
            || std::fs::read_dir(folder.path()).expect("readable").flatten().any(|entry| entry.path().is_dir());
        eventually("its directory is gone", || !sockets()).await;
    })
    .await;
}

#[tokio::test]
async fn stubborn_processes_are_killed_after_their_grace() {
    let source = format!("process.on('SIGTERM', () => {{}});\n{APPLET}");
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |spec| spec.supervision.kill_grace_ms = 200);
        let pid = number(applet.call("pid", Value::Null).await.expect("started"));
        let begin = std::time::Instant::now();
        applet.supervisor.shutdown().await;
        assert!(!lives(pid) && begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_caller_waits_for_a_start_no_longer_than_its_deadline() {
    let source = format!("await new Promise((resolve) => setTimeout(resolve, 600));\n{APPLET}");
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |_| {});
        let begin = std::time::Instant::now();
        let error = applet.call_within(150, "pid", Value::Null).await.expect_err("too early");
        assert_eq!((error.code(), error.is_retryable(), error.status()), ("unavailable", true, 503));
        assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
        // The start belongs to the supervisor: it goes on without the caller that asked for it.
        eventually("it is ready", || applet.supervisor.status().state == State::Healthy).await;
        assert_eq!(applet.call("pid", Value::Null).await.expect("answered"), applet.pids()[0]);
    })
    .await;
}

#[tokio::test]
async fn an_applet_that_patches_what_is_everybodys_breaks_no_answer() {
    let source = format!(
        "{APPLET}
        export function patch() {{
          JSON.stringify = () => '{{\"kind\":\"value\"}}'; JSON.parse = () => ({{ hijacked: true }}); process.stdout.write = () => true;
          Promise.prototype.then = function () {{ return this; }}; Object.keys = () => []; console.log = undefined;
          return 'patched';
        }}"
    );
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |spec| {
            spec.limits.abandoned_in_a_row_max = 3;
            spec.supervision.drain_ms_max = 100;
        });
        applet.call("pid", Value::Null).await.expect("started");
        // Whatever becomes of its process, an answer is right or there is none; and there is one again soon.
        let pid = applet.pids();
        drop(applet.call_within(500, "patch", Value::Null).await);
        let mut tries = 0;
        loop {
            match applet.call_within(500, "echo", json!({ "n": 7 })).await {
                Ok(answer) => {
                    assert_eq!(answer["payload"], json!({ "n": 7 }));
                    break;
                }
                Err(error) => eprintln!("no answer from {pid:?}: {error}"),
            }
            tries += 1;
            assert!(tries < 8, "another process takes its place");
        }
    })
    .await;
}
