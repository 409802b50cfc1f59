//! The web platform where the engine itself does the work: URLs, patterns, text; and how errors that nobody catches end a program or a call.

use belljar_tests::{applet, cli, host};
use serde_json::json;

#[test]
fn urls_patterns_text_and_events_in_the_engine() {
    let script = belljar_tests::repository().join("tests/e2e/web.js");
    let ran = cli::run(&["eval", "--deadline-ms", "120000", "--script", script.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "agreed\n"), "{ran:?}");
}

/// A script's exit code and output.
fn eval(code: &str) -> (Option<i32>, String) {
    let ran = cli::run(&["eval", "--deadline-ms", "120000", code]);
    (ran.code, ran.stdout + &ran.stderr)
}

#[test]
fn an_error_that_nobody_catches_fails_a_program_unless_a_listener_cancels_it() {
    for code in [
        "Promise.reject(new Error('why'))",
        "setTimeout(() => { throw new Error('why') }, 0)",
        "reportError(new Error('why'))",
    ] {
        let (status, output) = eval(code);
        assert!(status != Some(0) && output.contains("why"), "{code}: {status:?} {output}");
        let quiet = format!("onerror = () => true; onunhandledrejection = (e) => e.preventDefault(); {code}");
        assert_eq!(eval(&quiet), (Some(0), String::new()), "{quiet}");
    }
}

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\n";

/// What is made while an applet is prepared is in its image: listeners, patterns, decoders in the middle of a text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_at_top_level_works_in_every_call() {
    let main = r#"
const pattern = new URLPattern({ pathname: '/users/:id' });
const base = new URL('https://bücher.example/users/');
const { port1, port2 } = new MessageChannel();
const decoder = new TextDecoder('shift_jis');
const begun = decoder.decode(new Uint8Array([0x82]), { stream: true });
const seen: string[] = [];
addEventListener('unhandledrejection', (e: any) => { seen.push(`rejected ${e.reason}`); e.preventDefault(); });
addEventListener('error', (e: any) => { seen.push(e.message); e.preventDefault(); });
export default async (_context: unknown, n: number) => {
  const url = new URL(String(n), base);
  void Promise.reject('late');
  setTimeout(() => { throw new Error('thrown'); }, 0);
  const message = await new Promise((resolve) => { port2.onmessage = (e: any) => resolve(e.data); port1.postMessage({ n }); });
  await new Promise((resolve) => setTimeout(resolve, 1));
  const text = begun + decoder.decode(new Uint8Array([0xa0]));
  return [url.href, pattern.exec(url)?.pathname.groups['id'], message, text, seen];
};"#;
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("top-level", MANIFEST, main));
    for n in [1, 2] {
        let outcome = applet::call(host, &release, "default", &n.to_string()).await;
        let href = format!("https://xn--bcher-kva.example/users/{n}");
        let seen = json!(["rejected late", "Uncaught Error: thrown"]);
        assert_eq!(applet::value(&outcome), json!([href, n.to_string(), { "n": n }, "あ", seen]));
    }
}

/// Errors that a call leaves behind are in its log, also when it answers at once.
#[test]
fn errors_that_a_call_leaves_behind_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!("id: left-behind\nversion: 1.0.0\nname: Left behind\n{}", MANIFEST.replace("src/", ""));
    std::fs::write(folder.path().join("manifest.yaml"), manifest).unwrap();
    let main = "export default async () => { reportError(new Error('reported')); void Promise.reject(new Error('rejected')); \
                const c = new AbortController(); c.signal.onabort = () => { throw new Error('listener'); }; c.abort(); return 1; };";
    std::fs::write(folder.path().join("main.ts"), main).unwrap();
    let ran = cli::run(&["run", folder.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "1\n"), "{ran:?}");
    for line in ["Uncaught Error: reported", "Uncaught Error: listener", "Uncaught (in promise) Error: rejected"] {
        assert!(ran.stderr.contains(line), "{line}: {ran:?}");
    }
}

/// Parsing is the engine's: fuel guards that it stays so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_costs_little() {
    let main = "export default (_c, n) => { let x = 0; for (let i = 0; i < n; i++) { const u = new URL(`https://api.example.com:8443/users/${i}?q=a%20b#f`); \
                x += u.pathname.length + u.searchParams.get('q').length; } return x; };";
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("cheap-urls", MANIFEST, main));
    let mut fuel = Vec::new();
    for n in ["0", "100"] {
        fuel.push(applet::call(host, &release, "default", n).await.usage.fuel);
    }
    let each = (fuel[1] - fuel[0]) / 100;
    assert!(each < 120_000, "{each} fuel for a URL and a query parameter");
}
