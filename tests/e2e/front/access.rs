//! Who may call: keys, tenants, permissions, rates.

use belljar_server::front::FrontConfig;
use belljar_server::record::Ended;
use belljar_server::schedule::Settings;
use belljar_tests::front::Served;
use belljar_tests::host;
use serde_json::json;

use super::package;

const MAIN: &str = "export default (c) => c.json({
  user: c.user ?? null, organisation: c.organisation ?? null, permissions: c.permissions, locale: c.locale,
  authorization: c.request.headers.get('authorization'), key: c.request.headers.get('x-api-key'),
});";

fn doors() -> Vec<u8> {
    package(
        "doors",
        &[
            "required GET /required",
            "optional GET /optional, auth: optional",
            "none GET /none, auth: none",
            "admin GET /admin, permissions: [admin, write]",
            "perhaps GET /perhaps, auth: optional, permissions: [admin]",
        ],
        "",
        MAIN,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_open_what_they_are_for() {
    let served = Served::start().await;
    served.install("acme", &doors());
    served.memory.give_key("bj_ada", "acme", "ada", &["admin", "write"]);
    served.memory.give_key("bj_bob", "acme", "bob", &["write"]);
    served.memory.give_key("bj_eve", "other", "eve", &["admin", "write"]);
    for (door, key, expected) in [
        ("required", None, 401),
        ("required", Some("bj_ada"), 200),
        ("required", Some("bj_wrong"), 401),
        ("required", Some("bj_eve"), 403),
        ("optional", None, 200),
        ("optional", Some("bj_ada"), 200),
        ("optional", Some("bj_wrong"), 401),
        ("optional", Some("bj_eve"), 403),
        ("none", None, 200),
        ("none", Some("bj_wrong"), 200),
        ("none", Some("bj_eve"), 200),
        ("admin", Some("bj_ada"), 200),
        ("admin", Some("bj_bob"), 403),
        ("admin", None, 401),
        ("perhaps", None, 401),
        ("perhaps", Some("bj_bob"), 403),
        ("perhaps", Some("bj_ada"), 200),
    ] {
        let header = |form: &str| key.map_or(String::new(), |key| form.replace("KEY", key));
        for form in ["\nauthorization: Bearer KEY", "\nx-api-key: KEY"] {
            let reply = served.send(&format!("GET /acme/doors/{door} HTTP/1.1{}", header(form)), b"").await;
            assert_eq!(reply.status, expected, "{door} {key:?} {form}: {}", reply.text());
            assert_eq!(reply.header("www-authenticate").starts_with("Bearer"), expected == 401, "{reply:?}");
            if expected == 200 {
                let seen = reply.json();
                assert!(
                    seen["authorization"].is_null() && seen["key"].is_null(),
                    "our key is not the applet's: {seen}"
                );
                let user = if key == Some("bj_ada") && door != "none" { json!("ada") } else { json!(null) };
                assert_eq!(seen["user"], user, "{door} {key:?}");
            }
        }
    }
    let ada = served
        .send("GET /acme/doors/admin HTTP/1.1\nx-api-key: bj_ada\naccept-language: de-AT, en;q=0.5", b"")
        .await
        .json();
    assert_eq!(
        (&ada["organisation"], &ada["permissions"], &ada["locale"]),
        (&json!("org"), &json!(["admin", "write"]), &json!("de-AT"))
    );
    let two =
        served.send("GET /acme/doors/required HTTP/1.1\nx-api-key: bj_ada\nauthorization: Bearer bj_bob", b"").await;
    assert_eq!(two.status, 401, "two keys are none");
    assert_eq!(served.records.all().last().and_then(|record| record.user.clone()), Some("ada".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_tokens_are_the_applets() {
    let served = Served::start().await;
    served.install("acme", &doors());
    let head = "GET /acme/doors/optional HTTP/1.1\nauthorization: Bearer eyJ.a.b\nx-api-key: other";
    let seen = served.send(head, b"").await.json();
    assert_eq!((&seen["authorization"], &seen["key"]), (&json!("Bearer eyJ.a.b"), &json!("other")));
    assert_eq!(served.send("GET /acme/doors/required HTTP/1.1\nauthorization: Bearer eyJ.a.b", b"").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_keys_is_slow() {
    let config = FrontConfig { failed_keys_per_minute_max: 5, ..FrontConfig::default() };
    let served = Served::with(config, Settings::default(), host::shared().clone(), None).await;
    served.install("acme", &doors());
    served.memory.give_key("bj_ada", "acme", "ada", &[]);
    let try_key = async |key: &str| {
        served.send(&format!("GET /acme/doors/required HTTP/1.1\nx-api-key: {key}"), b"").await.status
    };
    for guess in 0..5 {
        assert_eq!(try_key(&format!("bj_{guess}")).await, 401);
    }
    assert_eq!((try_key("bj_6").await, try_key("bj_ada").await), (429, 429), "right or wrong, nothing more is told");
    assert_eq!(served.get("/acme/doors/none").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_kept_for_each_client() {
    let served = Served::start().await;
    let main = "export default () => 1; export const free = () => 2;";
    let package = package(
        "rates",
        &[
            "known GET /known, rate_limit_per_minute: 3",
            "anybody GET /anybody, auth: none, rate_limit_per_minute: 2",
            "free GET /free, auth: none",
        ],
        "",
        main,
    );
    served.install("acme", &package);
    served.install("other", &package);
    served.memory.give_key("bj_ada", "acme", "ada", &[]);
    served.memory.give_key("bj_bob", "acme", "bob", &[]);
    let known = async |key: &str| served.send(&format!("GET /acme/rates/known HTTP/1.1\nx-api-key: {key}"), b"").await;
    for _ in 0..3 {
        assert_eq!(known("bj_ada").await.status, 200);
    }
    let reply = known("bj_ada").await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (429, "rate", "20"));
    assert_eq!(known("bj_bob").await.status, 200, "each user has a rate of its own");
    assert_eq!(served.get("/acme/rates/anybody").await.status, 200);
    assert_eq!(served.get("/acme/rates/anybody").await.status, 200);
    // Who says it is somebody else is not believed.
    let other = served.send("GET /acme/rates/anybody HTTP/1.1\nx-forwarded-for: 8.8.8.8\nx-api-key: bj_bob", b"").await;
    assert_eq!((other.status, other.header("retry-after")), (429, "30"));
    assert_eq!(served.get("/other/rates/anybody").await.status, 200, "each tenant's applet too");
    let refused = served.records.all().into_iter().filter(|record| record.ended == Ended::Refused { why: "rate" });
    let refused: Vec<_> = refused.map(|record| (record.handler, record.user)).collect();
    assert_eq!(refused, [("known".to_owned(), Some("ada".to_owned())), ("anybody".to_owned(), None)]);
}
