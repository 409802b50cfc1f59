//! What browsers are told about pages of other origins.

use belljar_tests::front::Served;

use super::package;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflights_are_answered_without_a_call() {
    let served = Served::start().await;
    let main = "export default (c) => new Response('own', { headers: { 'access-control-allow-origin': '*' } });";
    let package = package(
        "pages",
        &[
            "all GET /all, auth: none",
            "own PUT /own, auth: required, cors: { origins: [https://app.example], headers: [x-api-key], credentials: true, max_age_s: 5 }",
            "other POST /own, auth: none",
        ],
        "cors: { origins: ['*'] }\n",
        main,
    );
    served.install("acme", &package);
    let preflight = async |path: &str, origin: &str, method: &str| {
        let head = format!(
            "OPTIONS /acme/pages{path} HTTP/1.1\norigin: {origin}\naccess-control-request-method: {method}\naccess-control-request-headers: x-api-key"
        );
        served.send(&head, b"").await
    };
    let reply = preflight("/own", "https://app.example", "PUT").await;
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-api-key"),
        ("access-control-max-age", "5"),
    ] {
        assert_eq!(reply.header(name), value, "{name}: {reply:?}");
    }
    let reply = preflight("/own", "https://evil.example", "PUT").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, ""));
    let reply = preflight("/all", "https://evil.example", "GET").await;
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("access-control-allow-headers")), ("*", ""));
    assert_eq!(preflight("/nowhere", "https://app.example", "GET").await.status, 404);
    assert!(served.records.all().is_empty(), "nothing was called");

    // The answer, and errors too, can be read by the page.
    let reply = served.send("PUT /acme/pages/own HTTP/1.1\norigin: https://app.example", b"x").await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin"), reply.header("vary")),
        (401, "https://app.example", "origin")
    );
    let reply = served.send("GET /acme/pages/all HTTP/1.1\norigin: https://a.example", b"").await;
    assert_eq!((reply.text().as_str(), reply.header("access-control-allow-origin")), ("own", "*"));
    let origins = reply.headers.iter().filter(|(name, _)| name == "access-control-allow-origin").count();
    assert_eq!(origins, 1, "the manifest's rules count, not what the applet says: {reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rules_the_applet_speaks_for_itself() {
    let served = Served::start().await;
    let main = "export default (c) => new Response(c.request.method, { headers: { 'access-control-allow-origin': 'https://x.example' } });";
    served.install("acme", &package("itself", &["any * /any, auth: none", "get GET /get, auth: none"], "", main));
    let head = |path: &str| {
        format!("OPTIONS /acme/itself/{path} HTTP/1.1\norigin: https://x.example\naccess-control-request-method: GET")
    };
    let reply = served.send(&head("any"), b"").await;
    assert_eq!((reply.text().as_str(), reply.header("access-control-allow-origin")), ("OPTIONS", "https://x.example"));
    let reply = served.send(&head("get"), b"").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, ""));
}
