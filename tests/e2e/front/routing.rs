//! From a URL to a handler, in all three shapes, and from its answer to a response.

use belljar_server::front::FrontConfig;
use belljar_server::record::Ended;
use belljar_server::schedule::Settings;
use belljar_tests::front::Served;
use belljar_tests::{applet, host};
use serde_json::json;

use super::package;

const SHAPES: &str = "
export const value = (context, payload) => ({ payload: payload ?? null, trigger: context.trigger });
export const nothing = () => {};
export function helper(context) { return context.json({ method: context.request.method, url: context.request.url }, 201); }
export const bad = (context) => context.badRequest('no');
export default { async fetch(request) { return new Response(request.method + ' ' + new URL(request.url).pathname, { headers: { 'x-own': 'é', 'x-belljar-fuel': '1' } }); } };
";

fn shapes() -> Vec<u8> {
    package(
        "shapes",
        &[
            "value POST /value, auth: none",
            "nothing GET /nothing, auth: none",
            "helper GET /helper/:id, auth: none",
            "bad GET /bad, auth: none",
            "default * /web/*, auth: none",
        ],
        "",
        SHAPES,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_three_shapes_answer() {
    let served = Served::start().await;
    served.install("acme", &shapes());
    let reply = served.send("POST /acme/shapes/value HTTP/1.1\ncontent-type: application/json", br#"{"a":1}"#).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "payload": { "a": 1 }, "trigger": "http" })),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("content-type"), "application/json");
    let id = reply.header("x-belljar-invocation").to_owned();
    assert!(id.starts_with("inv_"), "{reply:?}");
    assert_eq!(reply.header("x-belljar-fuel"), "", "usage is told on request only");

    let reply = served.get("/acme/shapes/nothing").await;
    assert_eq!((reply.status, reply.text()), (204, String::new()));
    assert_eq!(reply.header("content-length"), "");

    let reply = served.send("GET /acme/shapes/helper/7?q=1 HTTP/1.1\nhost: Shop.Example:8080", b"").await;
    assert_eq!(
        (reply.status, reply.json()["url"].as_str()),
        (201, Some("http://shop.example:8080/acme/shapes/helper/7?q=1"))
    );
    assert_eq!(served.get("/acme/shapes/bad").await.status, 400);

    let reply = served.send("PATCH /acme/shapes/web/a/b HTTP/1.1", b"x").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "PATCH /acme/shapes/web/a/b"));
    assert_eq!(reply.header("x-belljar-fuel"), "", "what the host says the applet cannot say");

    let records = served.records.all();
    assert_eq!(records.len(), 5);
    let first = &records[0];
    assert_eq!((first.id.as_str(), first.handler.as_str(), first.trigger.as_str()), (id.as_str(), "value", "http"));
    assert_eq!(
        (first.tenant.as_str(), first.applet.as_str(), first.version.as_str(), first.release_number),
        ("acme", "shapes", "1.0.0", 1)
    );
    assert_eq!(
        (&first.ended, &records[1].ended),
        (&Ended::Answered { status: None }, &Ended::Answered { status: None })
    );
    assert_eq!(records[2].ended, Ended::Answered { status: Some(201) });
    assert!(first.usage.fuel > 0 && first.total_us >= first.queued_us && first.queued_us > 0, "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_lead_nowhere() {
    let served = Served::start().await;
    served.install("acme", &shapes());
    for path in [
        "/",
        "/acme",
        "/acme/other/value",
        "/other/shapes/value",
        "/acme/shapes",
        "/acme/shapes/valu",
        "/acme/shapes/value/more",
    ] {
        let reply = served.get(path).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not-found"), "{path}");
    }
    let reply = served.get("/acme/shapes/value").await;
    assert_eq!(
        (reply.status, reply.header("allow"), reply.code().as_str()),
        (405, "POST, OPTIONS", "method-not-allowed")
    );
    let reply = served.send("OPTIONS /acme/shapes/nothing HTTP/1.1", b"").await;
    assert_eq!((reply.status, reply.header("allow")), (204, "GET, HEAD, OPTIONS"));
    for path in ["/acme/shapes/helper/%zz", "/acme/shapes/../shapes/nothing", "/acme/shapes/%2e%2e/x"] {
        assert_eq!(served.get(path).await.status, 400, "{path}");
    }
    assert_eq!(served.get("/acme/shapes/nothing/").await.status, 204, "a slash at the end is ignored");
    assert!(served.records.all().iter().all(|record| record.handler == "nothing"), "only calls are recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_its_body() {
    let served = Served::start().await;
    let main = "export const page = (c) => new Response(c.request.method + '-page');
        export const pieces = () => new Response((async function* () { yield new Uint8Array(3); while (true) await new Promise((r) => setTimeout(r, 5)); })() as never);";
    served.install(
        "acme",
        &package("heads", &["page GET /page, auth: none", "pieces GET /pieces, auth: none"], "", main),
    );
    let mut client = served.connect().await;
    let reply = client.request("HEAD /acme/heads/page HTTP/1.1", b"").await;
    assert_eq!((reply.status, reply.header("content-length")), (200, "8"));
    // The connection goes on: nothing of a body was sent.
    let reply = client.request("GET /acme/heads/page HTTP/1.1", b"").await;
    assert_eq!(reply.text(), "GET-page");
    let reply = client.request("HEAD /acme/heads/pieces HTTP/1.1", b"").await;
    assert_eq!(reply.status, 200);
    belljar_tests::eventually("the stream that nobody reads has ended", || served.dispatcher.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_names_lead_to_applets() {
    let served = Served::start().await;
    served.install("acme", &shapes());
    served.memory.map_host("shapes.example", "acme", Some("shapes"));
    served.memory.map_host("acme.example", "acme", None);
    let reply = served.send("GET /helper/1 HTTP/1.1\nhost: Shapes.Example", b"").await;
    assert_eq!((reply.status, reply.json()["url"].as_str()), (201, Some("http://shapes.example/helper/1")));
    assert_eq!(served.send("GET /shapes/helper/1 HTTP/1.1\nhost: acme.example", b"").await.status, 201);
    assert_eq!(served.send("GET /acme/shapes/helper/1 HTTP/1.1\nhost: shapes.example", b"").await.status, 404);
    let reply = served.send("GET /x HTTP/1.1\nhost: broken.example", b"").await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "unavailable", "5"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_trusted_proxies_say_who_and_where() {
    let main =
        "export const seen = (c) => c.json({ url: c.request.url, headers: Object.fromEntries(c.request.headers) });";
    let package = package("seen", &["seen GET /, auth: none"], "", main);
    let head = "GET /acme/seen/ HTTP/1.1\nx-forwarded-proto: https\nx-forwarded-host: public.example\nx-forwarded-for: 203.0.113.7
x-belljar-user: root\nx-real-ip: 1.1.1.1\nforwarded: for=1.1.1.1\nx-own: 1\nconnection: close, x-hop\nx-hop: 1";
    let plain = Served::start().await;
    plain.install("acme", &package);
    let seen = plain.send(head, b"").await.json();
    assert_eq!(seen["url"], "http://front.test/acme/seen/");
    assert_eq!(seen["headers"], json!({ "host": "front.test", "x-own": "1" }));
    let config = FrontConfig { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..FrontConfig::default() };
    let behind = Served::with(config, Settings::default(), host::shared().clone(), None).await;
    behind.install("acme", &package);
    let seen = behind.send(head, b"").await.json();
    assert_eq!(seen["url"], "https://public.example/acme/seen/");
    assert_eq!(
        (&seen["headers"]["x-forwarded-for"], &seen["headers"]["host"]),
        (&json!("203.0.113.7"), &json!("public.example"))
    );
    assert!(seen["headers"]["x-belljar-user"].is_null() && seen["headers"]["forwarded"].is_null(), "{seen}");
}

const FAULTS: &str = "
export const threw = () => { throw new Error('the secret is 42'); };
export const slow = () => new Promise((r) => setTimeout(r, 60_000));
export const loop = () => { while (true); };
export const cycle = () => { const a = {}; a.a = a; return a; };
export const json = (c, payload) => payload;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_told_without_what_is_inside() {
    let names = ["threw", "slow", "loop", "cycle", "json"];
    let routes: Vec<String> = names.iter().map(|name| format!("{name} * /{name}, auth: none")).collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let package = package("faults", &routes, "resources: { maxExecutionMs: 300 }\n", FAULTS);
    let served = Served::start().await;
    served.install("acme", &package);
    for (name, status, code) in [
        ("threw", 500, "threw"),
        ("slow", 504, "deadline"),
        ("loop", 504, "deadline"),
        ("cycle", 500, "invalid-result"),
    ] {
        let reply = served.get(&format!("/acme/faults/{name}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{name}");
        assert!(!reply.text().contains("secret") && !reply.text().contains("main.ts"), "{}", reply.text());
        assert_eq!(reply.json()["error"]["invocation"], reply.header("x-belljar-invocation"));
    }
    let reply = served.send("POST /acme/faults/json HTTP/1.1\ncontent-type: application/json", b"{").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "invalid-payload"));

    let config = FrontConfig { has_error_details: true, has_usage_headers: true, ..FrontConfig::default() };
    let served = Served::with(config, Settings::default(), host::shared().clone(), None).await;
    served.install("acme", &package);
    let reply = served.get("/acme/faults/threw").await;
    let details = &reply.json()["error"]["details"];
    assert_eq!(details["errors"][0]["message"], "the secret is 42");
    assert_eq!(details["errors"][0]["frames"][0]["file"], "src/main.ts");
    assert!(reply.header("x-belljar-fuel").parse::<u64>().is_ok_and(|fuel| fuel > 0), "{reply:?}");
    assert!(reply.header("x-belljar-wall-us").parse::<u64>().is_ok(), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_are_served() {
    let served = Served::start().await;
    let package = |name: &str| applet::package(applet::example(name, None).path());
    served.install("acme", &package("jwt-gateway"));
    assert_eq!(served.get("/acme/jwt-gateway/orders/1").await.status, 401, "the applet asks for a token of its own");
    served.install("acme", &package("github-webhook"));
    assert_eq!(
        served.send("POST /acme/github-webhook/github HTTP/1.1", b"{}").await.status,
        401,
        "it asks for a signature"
    );
    assert_eq!(served.get("/acme/github-webhook/github").await.status, 405);
    served.install("acme", &package("pricing"));
    assert_eq!(served.get("/acme/pricing/").await.status, 404, "what is called by name has no route");
}
