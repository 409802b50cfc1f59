//! Processes that crash, hang, never start, or speak nonsense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use belljar_process::{EndReason, ProcessError, Program, Runtime, Spec, StartError, State, Supervisor};
use serde_json::{Value, json};

use crate::harness::{APPLET, Applet, eventually, in_each, lives, runtimes};

#[tokio::test]
async fn many_first_callers_start_one_process() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        assert_eq!(applet.supervisor.status().state, State::Stopped, "nothing starts before the first call");
        let calls = (0..50).map(|_| applet.call("pid", Value::Null));
        let pids: Vec<_> =
            futures_util::future::join_all(calls).await.into_iter().map(|pid| pid.expect("answered")).collect();
        assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
        assert_eq!(applet.pids(), [pids[0].as_u64().expect("a number") as u32]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_is_told_and_the_next_call_starts_another() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let first = applet.call("pid", Value::Null).await.expect("answered");
        let waiting = applet.call("wait", json!(5_000));
        let crash = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            applet.call("exit", Value::Null).await
        };
        let (waiting, crash) = tokio::join!(waiting, crash);
        for error in [waiting.expect_err("interrupted"), crash.expect_err("interrupted")] {
            assert!(error.is_retryable(), "{error}");
            let ProcessError::Interrupted(report) = error else { panic!("{error}") };
            assert_eq!((&report.reason, report.exit.as_str()), (&EndReason::Exited, "exit status: 3"));
        }
        let status = applet.supervisor.status();
        assert_eq!((status.state, status.failures), (State::Unhealthy, 1), "{status:?}");
        assert!(status.reason.contains("exit status: 3"), "{status:?}");
        let second = applet.call("pid", Value::Null).await.expect("after the backoff");
        assert_ne!(first, second);
    })
    .await;
}

#[tokio::test]
async fn a_loop_is_killed_at_the_deadline_with_its_group() {
    let source = format!(
        "{APPLET}
        import {{ spawn }} from 'node:child_process';
        export function spawned() {{ return [process.pid, spawn('/bin/sleep', ['600'], {{ stdio: 'ignore' }}).pid, spawn('/bin/sleep', ['600'], {{ detached: true, stdio: 'ignore' }}).pid]; }}"
    );
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |_| {});
        let pids: Vec<u32> =
            serde_json::from_value(applet.call("spawned", Value::Null).await.expect("answered")).expect("numbers");
        assert!(pids.iter().all(|&pid| lives(pid)));
        let other = applet.call("wait", json!(10_000));
        let begin = Instant::now();
        let spin = applet.call_within(300, "spin", Value::Null);
        let (other, spin) = tokio::join!(other, spin);
        assert!(matches!(spin, Err(ProcessError::Deadline)), "{spin:?}");
        let other = other.expect_err("interrupted");
        assert!(other.is_retryable(), "{other}");
        let ProcessError::Interrupted(report) = other else { panic!("{other}") };
        assert_eq!(report.reason, EndReason::Hung);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        // What had left the group is nobody's child here, and not waited for.
        eventually("the whole group is gone, and what had left it", || !pids.iter().any(|&pid| lives(pid))).await;
        assert_ne!(applet.call("pid", Value::Null).await.expect("a new one"), pids[0]);
    })
    .await;
}

#[tokio::test]
async fn a_loop_is_found_when_its_caller_has_gone() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let pid = applet.call("pid", Value::Null).await.expect("answered");
        drop(tokio::time::timeout(Duration::from_millis(100), applet.call("spin", Value::Null)).await);
        eventually("it is killed", || !lives(pid.as_u64().expect("a number") as u32)).await;
    })
    .await;
}

async fn start_error(runtime: &Runtime, source: &str, ready_ms_max: u64) -> (Applet, ProcessError) {
    let applet = Applet::with(runtime, source, |spec| {
        spec.supervision.ready_ms_max = ready_ms_max;
        spec.supervision.failures_max = 2;
        spec.supervision.backoff_ms_min = 10;
    });
    let error = applet.call("x", Value::Null).await.expect_err("it never starts");
    (applet, error)
}

#[tokio::test]
async fn what_never_starts_opens_the_circuit_and_says_why() {
    in_each(async |runtime| {
        for (source, told) in [
            ("throw new Error('no table legs');", "no table legs"),
            ("process.exit(7);", "exit status: 7"),
            ("export const x = ;", "the bundle cannot be loaded"),
            (
                "console.error('still thinking'); await new Promise((resolve) => setTimeout(resolve, 60_000));",
                "was not ready within 700 ms",
            ),
        ] {
            let (applet, error) = start_error(&runtime, source, 700).await;
            assert!(matches!(error, ProcessError::Open { .. }), "{source}: {error}");
            assert_eq!((error.status(), error.is_retryable()), (503, false));
            assert!(error.to_string().contains(told), "{source}: {error}");
            assert_eq!(applet.supervisor.status().state, State::Open);
            let begin = Instant::now();
            applet.call("x", Value::Null).await.expect_err("open");
            assert!(begin.elapsed() < Duration::from_millis(100), "an open circuit answers at once");
        }
    })
    .await;
}

#[tokio::test]
async fn the_circuit_is_tried_and_can_be_reset() {
    let Some(runtime) = runtimes().await.into_iter().next() else { return };
    let folder = tempfile::tempdir().expect("a directory");
    let mark = folder.path().join("mended");
    let source = format!(
        "import {{ existsSync }} from 'node:fs'; if (!existsSync({mark:?})) throw new Error('broken'); export const x = () => 1;"
    );
    let applet = Applet::with(&runtime, &source, |spec| {
        spec.supervision.failures_max = 2;
        spec.supervision.backoff_ms_min = 10;
        spec.supervision.open_ms = 400;
    });
    let open = |error: ProcessError| matches!(error, ProcessError::Open { .. });
    assert!(open(applet.call("x", Value::Null).await.expect_err("open")));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(open(applet.call("x", Value::Null).await.expect_err("the probe fails")));
    std::fs::write(&mark, "").expect("written");
    assert!(open(applet.call("x", Value::Null).await.expect_err("still open")));
    applet.supervisor.reset();
    assert_eq!(applet.call("x", Value::Null).await.expect("reset"), 1);
    assert_eq!(applet.supervisor.status().failures, 0);
}

#[tokio::test]
async fn paths_and_programs_that_cannot_be() {
    let Some(runtime) = runtimes().await.into_iter().next() else { return };
    let applet = Applet::new(&runtime);
    let deep = applet.folder.path().join("d".repeat(90));
    std::fs::create_dir(&deep).expect("made");
    let tell = async |spec: Spec| {
        let supervisor = Supervisor::new(applet.spec.clone());
        supervisor.reload(spec).await.expect_err("refused")
    };
    let error = tell(Spec { sockets: deep, ..applet.spec.clone() }).await;
    assert!(matches!(error, StartError::PathTooLong { length_max: 108, .. }), "{error}");
    let program = Program::Server { program: "/no/such/program".into(), arguments: Vec::new() };
    let error = tell(Spec { program, ..applet.spec.clone() }).await;
    assert_eq!(error.to_string(), "/no/such/program could not be started");
    let error = tell(Spec { sockets: "/no/such/folder".into(), ..applet.spec.clone() }).await;
    assert!(matches!(error, StartError::Directory { .. }), "{error}");
}

#[tokio::test]
async fn kill_nine_under_load() {
    const KILLS: usize = 30;
    in_each(|runtime| async move {
        let applet = Arc::new(Applet::with(&runtime, APPLET, |spec| {
            // Somebody kills it all the time: it is no failure of the applet's that would have to be slowed down.
            spec.supervision.sustained_ms = 20;
            spec.supervision.backoff_ms_min = 10;
        }));
        applet.call("pid", Value::Null).await.expect("started");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (applet, stop) = (Arc::clone(&applet), Arc::clone(&stop));
                tokio::spawn(async move {
                    let (mut answered, mut interrupted) = (0, 0);
                    let mut n = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        n += 1;
                        match applet.call("echo", json!(n)).await {
                            Ok(answer) => {
                                assert_eq!(answer["payload"], n, "an answer belongs to its call");
                                answered += 1;
                            }
                            Err(error) => {
                                assert!(error.is_retryable(), "{error}");
                                interrupted += 1;
                            }
                        }
                    }
                    (answered, interrupted)
                })
            })
            .collect();
        let mut recoveries = Vec::new();
        for _ in 0..KILLS {
            eventually("a process", || !applet.pids().is_empty()).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
            let Some(&pid) = applet.pids().first() else { continue };
            let begin = Instant::now();
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(pid as i32).expect("a number"),
                rustix::process::Signal::KILL,
            )
            .expect("killed");
            // Recovered: another process has answered a call.
            loop {
                match applet.call("pid", Value::Null).await {
                    Ok(next) if next != pid => break,
                    Ok(_) => {}
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            }
            recoveries.push(begin.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (mut answered, mut interrupted) = (0, 0);
        for caller in callers {
            let (a, i) = caller.await.expect("no caller failed");
            answered += a;
            interrupted += i;
        }
        recoveries.sort();
        eprintln!(
            "{KILLS} kills: {answered} answered, {interrupted} interrupted, recovery median {:?}, worst {:?}",
            recoveries[KILLS / 2],
            recoveries[KILLS - 1]
        );
        assert_eq!(recoveries.len(), KILLS);
        assert!(answered > KILLS && recoveries[KILLS - 1] < Duration::from_secs(3));
    })
    .await;
}
