//! The examples, through the library and through the command.

mod raffle;

use belljar::{Host, Invocation, Outcome, Payload, Release};
use belljar_tests::server::{Reply, Seen, Server};
use belljar_tests::{applet, cli, host, repository};
use serde_json::{Value, json};

fn sample(path: &str) -> Vec<u8> {
    let path = repository().join("examples").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The webhook, forwarding to this server.
fn webhook(server: &Server) -> tempfile::TempDir {
    let forward = format!("http://localhost:{}/rooms/builds", server.port());
    applet::example(
        "github-webhook",
        Some(&json!({ "webhookSecret": "It's a Secret to Everybody", "forwardUrl": forward })),
    )
}

async fn deliver(host: &Host, release: &Release, message: &[u8]) -> Outcome {
    host.invoke(release, Invocation::new("webhook", Payload::Request(applet::request(message)))).await
}

/// A sample with another delivery id: GitHub's signature does not cover headers.
fn with_id(message: &[u8], id: &str) -> Vec<u8> {
    // Not lossy: the body is UTF-8 in the samples.
    let text = std::str::from_utf8(message).expect("UTF-8");
    let known = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    assert!(text.contains(known));
    text.replace(known, id).into_bytes()
}

const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_takes_each_signed_delivery_once() {
    let server = Server::start(|_| Reply::status(204));
    let package = applet::package(webhook(&server).path());
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    let stored = async || applet::value(&applet::call(host, &release, "deliveries", "null").await);
    let push = sample("github-webhook/samples/push.http");

    let forged = deliver(host, &release, &sample("github-webhook/samples/forged.http")).await;
    assert_eq!(applet::response(&forged).0, 401);
    assert_eq!((stored().await, server.seen().len()), (json!([]), 0), "a forged delivery leaves nothing");
    assert_eq!(forged.usage.db.statements, 0);

    let accepted = deliver(host, &release, &push).await;
    assert_eq!(applet::response(&accepted), (202, json!({ "status": "accepted", "delivery": DELIVERY })));
    let [forwarded]: [Seen; 1] = server.seen().try_into().expect("one message");
    assert_eq!((forwarded.method.as_str(), forwarded.path.as_str()), ("POST", "/rooms/builds"));
    let text = "[octo-org/bell] ada pushed 2 commits to main";
    assert_eq!(
        serde_json::from_slice::<Value>(&forwarded.body).unwrap(),
        json!({ "text": text, "delivery": DELIVERY })
    );
    assert!(forwarded.headers.contains(&("content-type".into(), "application/json".into())), "{forwarded:?}");

    let again = deliver(host, &release, &push).await;
    assert_eq!(applet::response(&again), (200, json!({ "status": "duplicate", "delivery": DELIVERY })));
    assert_eq!(server.seen().len(), 1, "a repeated delivery is not forwarded");
    let row = json!({ "id": DELIVERY, "event": "push", "repository": "octo-org/bell", "summary": "ada pushed 2 commits to main", "forwarded": 1 });
    assert_eq!(stored().await, json!([row]));

    let lines = host::log().of(&accepted.id);
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!((line.message.as_str(), line.context.applet.as_str()), ("accepted", "github-webhook"));
    assert_eq!(Value::Object(line.fields.clone()), json!({ "delivery": DELIVERY, "event": "push" }));
    assert_eq!((accepted.usage.http.requests, accepted.usage.log.lines), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_refuses_what_is_not_github() {
    let server = Server::start(|_| Reply::status(204));
    let package = applet::package(webhook(&server).path());
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    // GitHub's own example of a signature, over a body that is not JSON.
    let known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let message = |signature: &str, headers: &str, body: &str| {
        format!("POST /github HTTP/1.1\r\nHost: h.example\r\nX-Hub-Signature-256: {signature}\r\n{headers}\r\n{body}")
    };
    let headers = "X-GitHub-Event: push\r\nX-GitHub-Delivery: 1\r\n";
    let hello = "Hello, World!";
    let check = async |message: String, status: u16| {
        let outcome = deliver(host, &release, message.as_bytes()).await;
        assert_eq!(applet::response(&outcome).0, status, "{message}");
    };
    check(message(&format!("sha256={known}"), headers, hello), 400).await;
    check(message(&format!("sha256={}", known.to_uppercase()), headers, hello), 400).await;
    check(message(&format!("sha256={known}"), "", hello), 400).await;
    for signature in [
        known,
        "sha256=",
        "sha256=00",
        &format!("sha1={known}"),
        &format!("sha256={known}0"),
        &format!("sha256={}8", &known[..63]),
    ] {
        check(message(signature, headers, hello), 401).await;
    }
    check(message(&format!("sha256={known}"), headers, "Hello, World?"), 401).await;
    check(message(&format!("sha256={known}"), headers, ""), 401).await;
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_forwards_later_what_it_could_not() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| {
        Reply::status(if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 { 503 } else { 200 })
    });
    let package = applet::package(webhook(&server).path());
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    let push = with_id(&sample("github-webhook/samples/push.http"), "second");
    let status = async || applet::response(&deliver(host, &release, &push).await).0;
    assert_eq!(status().await, 502);
    assert_eq!(applet::value(&applet::call(host, &release, "deliveries", "null").await)[0]["forwarded"], 0);
    assert_eq!(status().await, 202);
    assert_eq!(status().await, 200);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn the_webhook_by_the_command() {
    let server = Server::start(|_| Reply::status(204));
    let folder = webhook(&server);
    let data = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let test_host = format!("localhost:{}", server.port());
        let common = ["run", folder.path().to_str().unwrap(), "--tenant", "acme", "--json"];
        let places = ["--data-dir", data.path().to_str().unwrap(), "--test-host", &test_host];
        cli::run(&[&common[..], &places[..], args].concat())
    };
    let request = |name: &str| {
        let path = repository().join("examples/github-webhook/samples").join(name);
        run(&["--handler", "webhook", "--request", path.to_str().unwrap()])
    };
    for (name, status, log) in
        [("forged.http", 401, "refused"), ("push.http", 202, "accepted"), ("push.http", 200, "duplicate")]
    {
        let ran = request(name);
        let object = ran.json();
        assert_eq!(
            (ran.code, &object["ok"], &object["response"]["status"]),
            (Some(0), &json!(true), &json!(status)),
            "{ran:#?}"
        );
        assert!(object["log"][0]["message"].as_str().is_some_and(|line| line.starts_with(log)), "{ran:#?}");
        assert!(object["usage"]["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{ran:#?}");
    }
    assert_eq!(server.seen().len(), 1);
    let listed = run(&["--handler", "deliveries", "--payload", "null"]).json();
    assert_eq!(listed["value"][0]["id"], json!(DELIVERY), "{listed}");

    let file = rusqlite::Connection::open(data.path().join("db/acme/github-webhook.sqlite")).unwrap();
    let count: i64 =
        file.query_row("SELECT count(*) FROM deliveries WHERE forwarded_at IS NOT NULL", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    // Without the operator's switch the same call does not reach loopback, and says so.
    let other = tempfile::tempdir().unwrap();
    let path = repository().join("examples/github-webhook/samples/push.http");
    let args = [
        "run",
        folder.path().to_str().unwrap(),
        "--handler",
        "webhook",
        "--json",
        "--data-dir",
        other.path().to_str().unwrap(),
        "--request",
    ];
    let refused = cli::run(&[&args[..], &[path.to_str().unwrap()]].concat()).json();
    assert_eq!(refused["response"]["status"], json!(502), "{refused}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pricing_is_right_to_the_cent() {
    let package = applet::package(&repository().join("examples/pricing"));
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    let order = String::from_utf8(sample("pricing/samples/order.json")).unwrap();
    let outcome = applet::call(host, &release, "default", &order).await;
    // By hand: 120 × 3.49 = 418.80, less 12.5 %, 5 % and 10 %, each rounded: 366.45, 348.13, 313.32. 3 × 24.95 = 74.85, less 5 % and
    // 10 %: 71.11, 64.00. 19.90: 18.90 (0.995 rounds up), 17.01. VAT 19 %, 19 %, 7 %: 59.53, 12.16, 1.19.
    let expected = json!({
        "lines": [
            { "sku": "jar-small", "title": "Small jar", "quantity": 120, "net": "313.32" },
            { "sku": "bell-brass", "title": "Brass bell", "quantity": 3, "net": "64.00" },
            { "sku": "handbook", "title": "Handbook of vacuum", "quantity": 1, "net": "17.01" },
        ],
        "list": "513.55", "discount": "119.22", "net": "394.33", "tax": "72.88", "total": "467.21",
    });
    assert_eq!(applet::value(&outcome), expected);
    // Every call asks for the seed of Math.random; a pure function asks for nothing else.
    assert_eq!((outcome.usage.host_calls, outcome.usage.operations), (1, 0));

    let refused = async |order: &str, code: &str| {
        let outcome = applet::call(host, &release, "default", order).await;
        let fault = applet::fault(&outcome);
        assert_eq!(
            (fault.code, fault.errors[0].code.as_deref()),
            (belljar::FaultCode::Threw, Some(code)),
            "{order}: {fault}"
        );
        let at = fault.position().expect("it says where");
        assert!(at.file.starts_with("src/") && at.file.ends_with(".ts"), "{at}");
    };
    let line = r#""lines": [{ "sku": "handbook", "quantity": 1 }]"#;
    refused(std::str::from_utf8(&sample("pricing/samples/unknown-article.json")).unwrap(), "unknown-article").await;
    refused(&format!(r#"{{ "customer": {{ "country": "constructor" }}, {line} }}"#), "unknown-country").await;
    refused(&format!(r#"{{ "customer": {{ "country": "IT" }}, "coupon": "FREE", {line} }}"#), "unknown-coupon").await;
    refused(
        r#"{ "customer": { "country": "IT" }, "lines": [{ "sku": "handbook", "quantity": 0.5 }] }"#,
        "invalid-order",
    )
    .await;
    refused("null", "invalid-order").await;
}

/// Feeds of four items each, the last one in every feed and newest in the tenth; feed 13 is down.
fn feed(seen: &Seen) -> Reply {
    let feed: u64 = seen.path.trim_start_matches("/feeds/").parse().expect("a number");
    if feed == 13 {
        return Reply::status(503).together(50);
    }
    let mut items: Vec<_> = (0..3)
        .map(|i| json!({ "id": format!("{feed}-{i}"), "title": format!("Item {i}"), "updated": 1000 + feed }))
        .collect();
    items.push(
        json!({ "id": "everywhere", "title": format!("from {feed}"), "updated": if feed == 10 { 5000 } else { 10 } }),
    );
    Reply::json(&json!({ "items": items })).together(50)
}

fn feed_sync(server: &Server) -> tempfile::TempDir {
    applet::example(
        "feed-sync",
        Some(&json!({ "baseUrl": format!("http://localhost:{}", server.port()), "feeds": 50 })),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_sync_fetches_fifty_feeds_at_once_and_keeps_what_is_new() {
    let server = Server::start(feed);
    let package = applet::package(feed_sync(&server).path());
    let (host, _data) = host::with_data();
    let release = applet::admit(&host, applet::tenant(), &package);
    let outcome = applet::call(&host, &release, "sync", "{}").await;
    let summary =
        |stored| json!({ "feeds": 50, "failed": 1, "received": 196, "distinct": 148, "stored": stored, "total": 148 });
    assert_eq!(applet::value(&outcome), summary(148));
    assert_eq!(server.under_way_peak(), 50, "all requests are under way at the same time");
    assert_eq!((outcome.usage.http.requests, outcome.usage.log.lines), (50, 2));

    assert_eq!(applet::value(&applet::call(&host, &release, "sync", "{}").await), summary(0), "nothing is new");
    let newest = applet::value(&applet::call(&host, &release, "newest", r#"{ "limit": 2 }"#).await);
    let expected = json!([
        { "id": "everywhere", "title": "from 10", "updated": 5000 },
        { "id": "50-0", "title": "Item 0", "updated": 1050 },
    ]);
    assert_eq!(newest, expected);
}

#[test]
fn feed_sync_by_the_command() {
    let server = Server::start(feed);
    let folder = feed_sync(&server);
    let data = tempfile::tempdir().unwrap();
    let package = data.path().join("feeds.belljar");
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let built = cli::run(&["build", &path(folder.path()), "--output", &path(&package)]);
    assert_eq!(built.code, Some(0), "{built:#?}");
    let ran = cli::run(&[
        "run",
        &path(&package),
        "--handler",
        "sync",
        "--payload",
        "{}",
        "--json",
        "--data-dir",
        &path(&data.path().join("data")),
        "--test-host",
        &format!("localhost:{}", server.port()),
    ]);
    let object = ran.json();
    assert_eq!((ran.code, &object["value"]["stored"]), (Some(0), &json!(148)), "{ran:#?}");
    assert_eq!(server.under_way_peak(), 50);
}

#[test]
fn faults_by_the_command_have_codes_of_their_own() {
    let folder = applet::folder(&[
        (
            "manifest.yaml",
            "id: faulty\nversion: 1.0.0\nname: Faulty\nruntime: { entrypoint: main.ts, limits: { max_memory_mb: 16, response_bytes_max: 1000 } }\n\
          handlers: [{ name: loop }, { name: bomb }, { name: dive }, { name: never }, { name: cycle }, { name: big }, { name: fail }, { name: fine }]\n",
        ),
        (
            "main.ts",
            "export const loop = () => { for (;;); };
export const bomb = () => { const a = []; for (;;) a.push('x'.repeat(1000) + a.length); };
export const dive = (): any => [dive()];
export const never = () => new Promise(() => {});
export const cycle = () => { const a: any[] = []; a.push(a); return a; };
export const big = () => 'x'.repeat(2000);
export const fail = () => {
  throw new TypeError('on purpose');
};
export const fine = (c: unknown, n: number) => n;
",
        ),
    ]);
    let run = |handler: &str, more: &[&str]| {
        let args = ["run", folder.path().to_str().unwrap(), "--json", "--handler", handler];
        cli::run(&[&args[..], more].concat())
    };
    let check = |handler: &str, more: &[&str], exit: i32, code: &str| {
        let more = if more.contains(&"--payload") { more.to_vec() } else { [more, &["--payload", "{}"]].concat() };
        let ran = run(handler, &more);
        let object = ran.json();
        assert_eq!(
            (ran.code, &object["ok"], &object["fault"]["code"]),
            (Some(exit), &json!(false), &json!(code)),
            "{ran:#?}"
        );
        object
    };
    let fuel = check("loop", &["--fuel-max", "20000000"], 20, "fuel");
    assert_eq!(
        (&fuel["fault"]["limit"]["name"], &fuel["fault"]["limit"]["allowed"]),
        (&json!("fuel_max"), &json!(20_000_000)),
        "{fuel}"
    );
    check("loop", &["--deadline-ms", "200"], 23, "deadline");
    check("bomb", &[], 21, "memory");
    check("dive", &[], 22, "stack");
    check("never", &[], 14, "unsettled");
    check("cycle", &[], 13, "invalid-result");
    check("big", &[], 24, "output");
    check("fine", &["--payload", "{"], 12, "invalid-payload");
    check("absent", &[], 11, "handler-not-found");
    let threw = check("fail", &[], 10, "threw");
    let frame = &threw["fault"]["errors"][0]["frames"][0];
    assert_eq!((&frame["file"], &frame["line"]), (&json!("main.ts"), &json!(8)), "{threw}");

    let fine = run("fine", &["--payload", "5"]);
    assert_eq!((fine.code, &fine.json()["value"]), (Some(0), &json!(5)), "{fine:#?}");
    let damaged = folder.path().join("damaged.belljar");
    std::fs::write(&damaged, b"not a package").unwrap();
    assert_eq!(cli::run(&["run", damaged.to_str().unwrap(), "--payload", "{}"]).code, Some(32));
}

/// A CSV file of this many rows, as it would be measured; the last one of each hundred has a quoted field over two lines.
fn csv(rows: usize) -> (String, usize) {
    let mut text = String::from("station,at,value,note\r\n");
    for row in 0..rows {
        let station = ["cellar", "roof", "yard"][row % 3];
        let note = if row % 100 == 99 {
            "\"said \"\"ö\"\",\nthen left\""
        } else {
            "nothing to report from here; all is as it was"
        };
        text.push_str(&format!("{station},{},{}.5,{note}\r\n", 1_700_000_000 + row, row % 40));
    }
    (text, rows)
}

/// The HTTP answer of an outcome, which the host has collected.
fn reply(outcome: &Outcome) -> &belljar::HttpReply {
    match &outcome.result {
        Ok(belljar::Response::Http(reply)) => reply,
        answer => panic!("a response was expected, not {answer:?}"),
    }
}

fn gunzip(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.gz");
    std::fs::write(&file, bytes).unwrap();
    let output = std::process::Command::new("gzip").arg("-dc").arg(&file).output().expect("gzip starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("lines are text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_stream_holds_only_what_is_on_its_way() {
    let (small, large) = (csv(4_000), csv(110_000));
    let total = large.0.len();
    assert!(total > 6 << 20, "{total}");
    let texts = [small.0.clone(), large.0.clone()];
    let server =
        Server::start(move |seen| Reply::bytes(texts[usize::from(seen.path == "/large.csv")].clone().into_bytes()));
    let mut peaks = Vec::new();
    for (name, rows) in [("small", small.1), ("large", large.1)] {
        let source = format!("http://localhost:{}/{name}.csv", server.port());
        let package = applet::package(applet::example("csv-stream", Some(&json!({ "source": source }))).path());
        let host = host::shared();
        let release = applet::admit(host, applet::tenant(), &package);
        let request = applet::request(&sample("csv-stream/samples/gzip.http"));
        let outcome = host.invoke(&release, Invocation::new("default", Payload::Request(request))).await;
        let reply = reply(&outcome);
        assert_eq!(reply.status, 200);
        assert!(reply.headers.contains(&("content-encoding".into(), "gzip".into())), "{:?}", reply.headers);
        let lines = gunzip(&reply.body);
        let records: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        assert_eq!(records.len(), rows.div_ceil(3), "{name}");
        assert!(records.iter().all(|record| record["station"] == "cellar"));
        assert_eq!(
            records[33],
            json!({ "station": "cellar", "at": "1700000099", "value": "19.5", "note": "said \"ö\",\nthen left" })
        );
        peaks.push(outcome.usage.memory_bytes_peak);
    }
    // Twenty times the file, and no more memory than a few chunks make: it is the garbage collector's threshold that one sees.
    assert!(peaks[1] < 14 << 20 && peaks[1] < peaks[0] + (10 << 20), "{peaks:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_stream_says_what_is_wrong() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/gone.csv" => Reply::status(404),
        _ => Reply::bytes(b"a,b\n1,2\n3\n".to_vec()),
    });
    let host = host::shared();
    for (path, code) in [("gone", None), ("short", Some(belljar::FaultCode::Threw))] {
        let source = format!("http://localhost:{}/{path}.csv", server.port());
        let package = applet::package(applet::example("csv-stream", Some(&json!({ "source": source }))).path());
        let release = applet::admit(host, applet::tenant(), &package);
        let plain = sample("csv-stream/samples/plain.http");
        let outcome =
            host.invoke(&release, Invocation::new("default", Payload::Request(applet::request(&plain)))).await;
        match code {
            None => assert_eq!(applet::response(&outcome).0, 502),
            Some(code) => {
                let fault = applet::fault(&outcome);
                assert_eq!(fault.code, code, "{fault}");
                assert!(fault.message.contains("line 3 has 1 fields, the first one has 2"), "{fault}");
                assert!(fault.position().is_some_and(|at| at.file == "src/csv.ts"), "{fault:#?}");
            }
        }
    }
}

/// The example with its packages; `None`, with a word, when they are not installed.
fn react_page() -> Option<tempfile::TempDir> {
    let installed = belljar_tests::npm::installed("react-page", "examples/react-page")?;
    let folder = belljar_tests::npm::beside(&installed);
    applet::copy_folder(&repository().join("examples/react-page"), folder.path());
    Some(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn react_renders_in_the_sandbox_what_it_renders_in_node() {
    let Some(folder) = react_page() else { return };
    let bytes = applet::package(folder.path());
    let (host, _data) = host::with_data();
    let release = applet::admit(&host, applet::tenant(), &bytes);

    // The page, streamed: its head comes before the talks, which come in a template of their own.
    let request = applet::request(&sample("react-page/samples/page.http"));
    let outcome = host.invoke(&release, Invocation::new("page", Payload::Request(request))).await;
    let page = String::from_utf8(reply(&outcome).body.to_vec()).expect("HTML is text");
    assert_eq!(reply(&outcome).status, 200, "{page}");
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">") && page.contains("</html>"), "{page}");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing: {page}"));
    assert!(at("One moment") < at("Talk no. 1:") && at("$RC") > at("Talk no. 1:"), "{page}");
    assert!(page.contains("Talk no. 1: &quot;What &amp; why&quot;") && !page.contains("Talk no. 2:"), "{page}");
    assert_eq!(outcome.usage.log.lines, 0, "React has nothing to complain about");

    // The same as one text: equal to what Node makes of the same bundle.
    let input = r#"{ "count": 200 }"#;
    let outcome = applet::call(&host, &release, "html", input).await;
    let html = applet::value(&outcome);
    assert!(html.as_str().is_some_and(|html| html.matches("<li").count() == 200), "{html}");
    eprintln!(
        "react-page: 200 talks, {} bytes: {} fuel, {} us",
        html.as_str().map_or(0, str::len),
        outcome.usage.fuel,
        outcome.usage.wall_us
    );
    let script = folder.path().join("node.mjs");
    let bundle = belljar::package::Package::decode(&bytes).expect("it is a package").bundle;
    std::fs::write(folder.path().join("bundle.mjs"), bundle).unwrap();
    let node = "import { html } from './bundle.mjs'; process.stdout.write(JSON.stringify(html({}, JSON.parse(process.argv[2]))));";
    std::fs::write(&script, node).unwrap();
    match std::process::Command::new("node").arg(&script).arg(input).output() {
        Ok(output) if output.status.success() => {
            assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), html)
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => eprintln!("skipped: the comparison with node, which is not installed"),
    }
}

#[test]
fn react_page_has_good_types() {
    let (Some(folder), Some(tsc)) = (react_page(), belljar_tests::npm::tsc()) else { return };
    // The types are the repository's, wherever the copy lies.
    let config = folder.path().join("tsconfig.json");
    let sdk = repository().join("guest-js");
    let text = std::fs::read_to_string(&config).unwrap().replace("../../guest-js", sdk.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let output =
        std::process::Command::new(tsc).args(["-p", "."]).current_dir(folder.path()).output().expect("tsc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_gateway_knows_real_tokens_from_others() {
    let package = applet::package(&repository().join("examples/jwt-gateway"));
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ask = |message: &[u8]| {
        let request = Payload::Request(applet::request(message));
        runtime.block_on(host.invoke(&release, Invocation::new("gateway", request)))
    };
    // Tokens that Node's own cryptography has signed.
    for algorithm in ["rs256", "es256", "eddsa"] {
        let outcome = ask(&sample(&format!("jwt-gateway/samples/{algorithm}.http")));
        assert_eq!(applet::response(&outcome), (200, json!({ "subject": "ada", "path": "/orders/7" })), "{algorithm}");
        // A key is imported, a signature verified.
        assert_eq!(outcome.usage.crypto.operations, 2, "{algorithm}");
    }
    let refused = [
        ("forged", "the signature is wrong"),
        ("none", "the key is not known"),
        ("expired", "the token has expired"),
        ("another-audience", "the token is for somebody else"),
    ];
    for (name, error) in refused {
        let outcome = ask(&sample(&format!("jwt-gateway/samples/{name}.http")));
        assert_eq!(applet::response(&outcome), (401, json!({ "error": error })), "{name}");
    }
    let outcome = ask(b"GET /orders/7 HTTP/1.1\r\nHost: applets.example.com\r\n\r\n");
    assert_eq!(applet::response(&outcome), (401, json!({ "error": "a bearer token is needed" })));
}
