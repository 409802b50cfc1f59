//! Memory, processor time, processes, answers, callers: what is too much ends what is too much, and nothing else.

use std::time::{Duration, Instant};

use belljar_process::{Bound, EndReason, ProcessError, RequestBody};
use serde_json::{Value, json};

use crate::harness::{APPLET, Applet, in_each};

/// When the resident memory of a process is first seen above a limit. If it is killed between two looks, the earlier one: it crossed after that.
async fn crossing(pid: u32, bytes: u64) -> Instant {
    let mut last_below = Instant::now();
    loop {
        let now = Instant::now();
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        // A process that has ended has none.
        if pages == 0 {
            return last_below;
        }
        if pages * rustix::param::page_size() as u64 > bytes {
            return now;
        }
        last_below = now;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_leak_is_killed_within_a_second() {
    in_each(async |runtime| {
        const LIMIT: u64 = 256 << 20;
        let applet = Applet::with(&runtime, APPLET, |spec| spec.limits.memory_bytes_max = Bound::At(LIMIT));
        let pid = applet.call("pid", Value::Null).await.expect("started").as_u64().expect("a number") as u32;
        let leak = async {
            let error = applet.call("leak", Value::Null).await.expect_err("killed");
            (error, Instant::now())
        };
        let (crossed, (error, told)) = tokio::join!(crossing(pid, LIMIT), leak);
        match error {
            ProcessError::Limit { name: "memory_bytes_max", allowed: LIMIT, used } => assert!(used > LIMIT),
            other => panic!("{other}"),
        }
        eprintln!("killed, reaped and told {:?} after the limit was crossed", told - crossed);
        assert!(!crate::harness::lives(pid) && told - crossed < Duration::from_secs(1));
        applet.call("pid", Value::Null).await.expect("a new one");
    })
    .await;
}

#[tokio::test]
async fn others_are_not_blamed_for_a_leak() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| spec.limits.memory_bytes_max = Bound::At(256 << 20));
        applet.call("pid", Value::Null).await.expect("started");
        let (other, leak) = tokio::join!(applet.call("wait", json!(10_000)), applet.call("leak", Value::Null));
        for error in [other.expect_err("interrupted"), leak.expect_err("killed")] {
            let ProcessError::Interrupted(report) = error else { panic!("{error}") };
            assert!(matches!(report.reason, EndReason::Limit { name: "memory_bytes_max", .. }), "{report}");
        }
    })
    .await;
}

#[tokio::test]
async fn processor_time_and_processes_are_watched() {
    let source = format!(
        "{APPLET}
        import {{ spawn }} from 'node:child_process';
        export async function forks() {{ for (let i = 0; i < 20; i++) spawn('/bin/sleep', ['600']); await new Promise((resolve) => setTimeout(resolve, 10_000)); }}
        export async function burn() {{ for (;;) {{ const end = Date.now() + 20; while (Date.now() < end); await new Promise((resolve) => setImmediate(resolve)); }} }}"
    );
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |spec| {
            spec.limits.cpu_ms_max = Bound::At(1_500);
            spec.limits.processes_max = Bound::At(8);
        });
        for (handler, limit) in [("forks", "processes_max"), ("burn", "cpu_ms_max")] {
            match applet.call(handler, Value::Null).await {
                Err(ProcessError::Limit { name, .. }) if name == limit => {}
                other => panic!("{handler}: {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn huge_answers_end_their_own_call_only() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| spec.limits.response_bytes_max = 1 << 20);
        let pid = applet.call("pid", Value::Null).await.expect("started");
        match applet.call("huge", json!(4 << 20)).await {
            Err(ProcessError::Limit { name: "response_bytes_max", allowed, used }) => {
                assert!(allowed == 1 << 20 && used > 4 << 20)
            }
            other => panic!("{other:?}"),
        }
        let (_, body) = applet.request("flood", RequestBody::Empty).await.expect("begun");
        match body.collect().await {
            Err(ProcessError::Limit { name: "response_bytes_max", .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(applet.call("pid", Value::Null).await.expect("it goes on"), pid);
    })
    .await;
}

#[tokio::test]
async fn calls_wait_for_a_place_and_too_many_are_refused() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| {
            spec.limits.concurrency_max = 2;
            spec.limits.waiting_max = 3;
        });
        applet.call("pid", Value::Null).await.expect("started");
        let begin = Instant::now();
        let calls = (0..8).map(|_| applet.call("wait", json!(200)));
        let answers = futures_util::future::join_all(calls).await;
        let busy = answers.iter().filter(|answer| matches!(answer, Err(ProcessError::Busy { waiting_max: 3 }))).count();
        assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), busy), (5, 3), "{answers:?}");
        assert!(begin.elapsed() >= Duration::from_millis(590), "two at a time: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn calls_that_go_on_after_their_deadline_are_counted() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, APPLET, |spec| spec.limits.abandoned_max = 3);
        let first = applet.call("pid", Value::Null).await.expect("started");
        for _ in 0..3 {
            let error = applet.call_within(60, "wait", json!(60_000)).await.expect_err("over");
            assert!(matches!(error, ProcessError::Deadline), "{error}");
        }
        crate::harness::eventually("it is replaced", || applet.pids().is_empty()).await;
        let second = applet.call("pid", Value::Null).await.expect("another one");
        assert_ne!(first, second);
        assert_eq!(applet.supervisor.status().failures, 0, "it is no failure");
    })
    .await;
}
