//! New code under load, broken code, and code that is replaced while a call is in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use belljar_process::{Spec, StartError};
use serde_json::{Value, json};

use crate::harness::{Applet, eventually, in_each, lives};

fn version(n: usize) -> String {
    format!(
        "export function version() {{ return {n}; }} export async function slow() {{ await new Promise((resolve) => setTimeout(resolve, 400)); return {n}; }} export function pid() {{ return process.pid; }}"
    )
}

fn write(applet: &Applet, name: &str, source: &str) -> Spec {
    let bundle = applet.folder.path().join(name);
    std::fs::write(&bundle, source).expect("written");
    let mut spec = applet.spec.clone();
    if let belljar_process::Program::Bundle { bundle: place, .. } = &mut spec.program {
        *place = bundle;
    }
    spec
}

#[tokio::test]
async fn no_call_fails_while_code_is_replaced() {
    in_each(|runtime| async move {
        let applet = Arc::new(Applet::with(&runtime, &version(0), |_| {}));
        applet.call("version", Value::Null).await.expect("started");
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (applet, stop) = (Arc::clone(&applet), Arc::clone(&stop));
                tokio::spawn(async move {
                    let (mut last, mut calls) = (0, 0);
                    while !stop.load(Ordering::Relaxed) {
                        let answer = applet.call("version", Value::Null).await.expect("no call fails");
                        let version = answer.as_u64().expect("a number");
                        assert!(version >= last, "never back to old code: {version} after {last}");
                        last = version;
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        for n in 1..=5 {
            let spec = write(&applet, &format!("v{n}.mjs"), &version(n));
            applet.supervisor.reload(spec).await.expect("reloaded");
            assert_eq!(applet.call("version", Value::Null).await.expect("answered"), n);
        }
        stop.store(true, Ordering::Relaxed);
        let mut calls = 0;
        for caller in callers {
            calls += caller.await.expect("no caller failed");
        }
        eprintln!("5 reloads under {calls} calls");
        assert!(calls > 20);
    })
    .await;
}

#[tokio::test]
async fn calls_end_where_they_began_and_then_the_old_process_does() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &version(0), |_| {});
        let old = applet.call("pid", Value::Null).await.expect("started").as_u64().expect("a number") as u32;
        let spec = write(&applet, "v1.mjs", &version(1));
        let slow = applet.call("slow", Value::Null);
        let reload = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            applet.supervisor.reload(spec).await.expect("reloaded");
        };
        let (slow, ()) = tokio::join!(slow, reload);
        assert_eq!(slow.expect("drained"), 0);
        assert_eq!(applet.call("version", Value::Null).await.expect("answered"), 1);
        eventually("the old one ends", || !lives(old)).await;
        assert_eq!(applet.supervisor.status().failures, 0);
    })
    .await;
}

#[tokio::test]
async fn broken_code_changes_nothing() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &version(0), |spec| spec.supervision.ready_ms_max = 3_000);
        let pid = applet.call("pid", Value::Null).await.expect("started");
        for source in [
            "throw new Error('half written');",
            "export function __health__() { return { status: 'unhealthy', error: 'no database' }; }",
        ] {
            let error = applet.supervisor.reload(write(&applet, "broken.mjs", source)).await.expect_err("refused");
            match &error {
                StartError::Ended(report) => assert!(report.to_string().contains("half written"), "{report}"),
                StartError::NotReady { last, .. } => assert!(last.contains("no database"), "{last}"),
                other => panic!("{other}"),
            }
            assert_eq!(applet.call("pid", Value::Null).await.expect("the old one"), pid);
        }
        assert_eq!(applet.call("version", json!(null)).await.expect("the old code"), 0);
        let left = std::fs::read_dir(applet.folder.path())
            .expect("readable")
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .count();
        assert_eq!(left, 1, "what did not start leaves no directory");
    })
    .await;
}
