//! Invocations that wait: many operations at a time, timers, no thread for any of it, and nothing left when one is dropped.

use std::time::Duration;

use belljar::Release;
use belljar_tests::server::{Reply, Server};
use belljar_tests::{applet, eventually, host};
use serde_json::json;

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\npermissions: { db: true, http: [127.0.0.1] }\n";

fn release(host: &belljar::Host, id: &str, main: &str) -> Release {
    applet::admit(host, applet::tenant(), &applet::package_of(id, MANIFEST, main))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_fetches_overlap() {
    // No answer before fifty have come: one after the other, they would not come.
    let server = Server::start(|seen| Reply::json(&json!(seen.path)).together(50));
    let main = "export default async (c, url) => Promise.all(Array.from({ length: 50 }, async (_, i) => (await fetch(`${url}/${i}`)).json()));";
    let host = host::shared();
    let release = release(host, "fifty", main);
    let outcome = applet::call(host, &release, "default", &json!(server.url()).to_string()).await;
    let expected: Vec<_> = (0..50).map(|i| format!("/{i}")).collect();
    assert_eq!(applet::value(&outcome), json!(expected), "each answer belongs to its question");
    assert_eq!(server.under_way_peak(), 50);
    assert_eq!((outcome.usage.http.requests, outcome.usage.operations), (50, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_come_in_their_order() {
    let main = r#"
export default async () => {
  const order: string[] = [];
  const at = (ms: number, name: string) => new Promise<void>((done) => setTimeout(() => { order.push(name); done(); }, ms));
  const all = [at(30, 'c'), at(10, 'a'), at(20, 'b'), at(0, 'zero'), at(10, 'a again')];
  const cleared = setTimeout(() => order.push('cleared'), 5);
  clearTimeout(cleared);
  queueMicrotask(() => order.push('microtask'));
  Promise.resolve().then(() => order.push('then'));
  order.push('now');
  let ticks = 0;
  await new Promise<void>((done) => { const id = setInterval((step) => { ticks += step; if (ticks === 6) { clearInterval(id); done(); } }, 1, 2); });
  order.push(`ticks ${ticks}`);
  await Promise.all(all);
  return order.filter((name) => !name.startsWith('ticks'));
};"#;
    let host = host::shared();
    let outcome = applet::call(host, &release(host, "timers", main), "default", "null").await;
    assert_eq!(applet::value(&outcome), json!(["now", "microtask", "then", "zero", "a", "a again", "b", "c"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_passes_while_an_invocation_waits() {
    let main = "export default async () => { const [d, p] = [Date.now(), performance.now()]; await new Promise((r) => setTimeout(r, 60)); \
                return [Date.now() - d, Math.round(performance.now() - p)]; };";
    let host = host::shared();
    let outcome = applet::call(host, &release(host, "time", main), "default", "null").await;
    let passed = applet::value(&outcome);
    assert!(passed.as_array().unwrap().iter().all(|ms| ms.as_u64().is_some_and(|ms| ms >= 59)), "{passed}");
    assert!(outcome.usage.wall_us >= 59_000);
}

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("this is Linux").count()
}

const WAITERS: usize = 200;

/// Counts threads, so it needs a process without other tests: the next test starts it in one.
#[test]
#[ignore = "started by two_hundred_waiting_invocations_take_no_thread"]
fn alone_two_hundred_waiting() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(|_| Reply::json(&json!("done")).held());
        let host = host::shared();
        let release = release(host, "waits", "export default async (c, url) => (await fetch(url)).json();");
        let start = |url: String| {
            let release = release.clone();
            tokio::spawn(async move { applet::call(host, &release, "default", &json!(url).to_string()).await })
        };
        // The first one starts whatever a first request starts.
        let first = start(server.url());
        eventually("the first one waits", || server.under_way() == 1).await;
        let before = threads();
        let others: Vec<_> = (1..WAITERS).map(|_| start(server.url())).collect();
        eventually("all of them wait at the same time", || server.under_way() == WAITERS).await;
        assert_eq!(threads(), before, "waiting takes no thread");
        server.release();
        for call in others.into_iter().chain([first]) {
            assert_eq!(applet::value(&call.await.unwrap()), json!("done"));
        }
        assert_eq!(server.under_way_peak(), WAITERS);
    });
    eprintln!("ALONE-PASSED");
}

#[test]
fn two_hundred_waiting_invocations_take_no_thread() {
    let test = std::env::current_exe().unwrap();
    let args = ["--exact", "waiting::alone_two_hundred_waiting", "--ignored", "--nocapture", "--test-threads=1"];
    let output = std::process::Command::new(test).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.contains("ALONE-PASSED"),
        "{}{stderr}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_an_invocation_closes_its_connections_and_rolls_back() {
    let server = Server::start(|_| Reply::status(200).held());
    let main = r#"
export default async ({ sdk }, url) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS notes (text TEXT)');
  if (url === null) {
    await sdk.db.execute("INSERT INTO notes VALUES ('after')");
    return sdk.db.query('SELECT text FROM notes');
  }
  await sdk.db.transaction(async (tx) => {
    await tx.execute("INSERT INTO notes VALUES ('never')");
    await Promise.all([fetch(url + '/a'), fetch(url + '/b')]);
  });
};"#;
    let (host, _data) = host::with_data();
    let release = release(&host, "dropped", main);
    let call = tokio::spawn({
        let (host, release, url) = (host.clone(), release.clone(), json!(server.url()).to_string());
        async move { applet::call(&host, &release, "default", &url).await }
    });
    eventually("both requests wait, within the transaction", || server.under_way() == 2).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    eventually("its connections are closed", || server.open() == 0).await;
    // The write lock is free, and what the transaction wrote is not there.
    let outcome = applet::call(&host, &release, "default", "null").await;
    assert_eq!(applet::value(&outcome), json!([{ "text": "after" }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_rolls_back_too() {
    let server = Server::start(|_| Reply::status(200).held());
    let manifest = "runtime: { entrypoint: src/main.ts, limits: { max_execution_ms: 800 } }\npermissions: { db: true, http: [127.0.0.1] }\n";
    let main = "export default async ({ sdk }, url) => {
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS notes (text TEXT)');
  if (url) await sdk.db.transaction(async (tx) => { await tx.execute(\"INSERT INTO notes VALUES ('never')\"); await fetch(url); });
  return sdk.db.query('SELECT text FROM notes');
};";
    let (host, _data) = host::with_data();
    let release = applet::admit(&host, applet::tenant(), &applet::package_of("late", manifest, main));
    let outcome = applet::call(&host, &release, "default", &json!(server.url()).to_string()).await;
    assert_eq!(applet::fault(&outcome).code, belljar::FaultCode::Deadline);
    assert_eq!(server.seen().len(), 1, "it got as far as the request");
    eventually("its connection is closed", || server.open() == 0).await;
    assert_eq!(applet::value(&applet::call(&host, &release, "default", "null").await), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_leaves_behind_ends_with_its_answer() {
    let server =
        Server::start(
            |seen| if seen.path == "/slow" { Reply::status(200).held() } else { Reply::json(&json!("fast")) },
        );
    let main = "export default async (c, url) => { const slow = fetch(url + '/slow').catch(() => {}); \
                const fast = await (await fetch(url + '/fast')).json(); return Promise.race([slow, fast]); };";
    let host = host::shared();
    let release = release(host, "races", main);
    let url = json!(server.url()).to_string();
    let call = applet::call(host, &release, "default", &url);
    let outcome = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it does not wait for the slow one");
    assert_eq!(applet::value(&outcome), json!("fast"));
    eventually("the slow one is given up", || server.under_way() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_aborts_a_fetch() {
    let server = Server::start(|_| Reply::status(200).held());
    let main = "export default async (c, url) => { try { await fetch(url, { signal: AbortSignal.timeout(50) }); } catch (error) { return error.name; } };";
    let host = host::shared();
    let release = release(host, "aborts", main);
    let outcome = applet::call(host, &release, "default", &json!(server.url()).to_string()).await;
    assert_eq!(applet::value(&outcome), json!("TimeoutError"));
    eventually("its connection is closed", || server.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_applet_does_not_starve_others() {
    // One worker would be enough: the busy ones yield. Fuel is their end and not the clock, so that a slow machine answers as many.
    let host = host::shared();
    let busy = release(host, "busy", "export default () => { for (;;); };");
    let quick = release(host, "quick", "export default (c, n) => n;");
    host.prepare(&busy).await.unwrap();
    let hogs: Vec<_> = (0..4)
        .map(|_| {
            let busy = busy.clone();
            tokio::spawn(async move { applet::call(host, &busy, "default", "null").await })
        })
        .collect();
    for n in 1..=20 {
        // On a worker, as the busy ones are: what a test awaits itself has a thread of its own.
        let quick = quick.clone();
        let answer = tokio::spawn(async move { applet::call(host, &quick, "default", &n.to_string()).await });
        assert_eq!(applet::value(&answer.await.unwrap()), json!(n));
        assert!(!hogs.iter().any(tokio::task::JoinHandle::is_finished), "answer {n} came when a busy one was over");
    }
    for hog in hogs {
        hog.abort();
        assert!(hog.await.unwrap_err().is_cancelled(), "it had not ended by itself");
    }
}
