//! What a page does that is late, fails, answers otherwise or carries what it should not: real React, in the sandbox.

use belljar::{FaultCode, Host, HttpReply, Invocation, Outcome, Payload, Release, Response};
use belljar_tests::{applet, host, npm};
use serde_json::{Value, json};

const MANIFEST: &str =
    "id: rules\nversion: 1.0.0\nname: Rules\nruntime: { entrypoint: main.ts, locales: [en, ar] }\nhandlers:
  - { name: late, type: render, component: late.tsx, path: /late, auth: none, hydrate: false }
  - { name: partial, type: render, component: partial.tsx, path: /partial, auth: none, hydrate: false }
  - { name: broken, type: render, component: broken.tsx, path: /broken, auth: none }
  - { name: hostile, type: render, component: hostile.tsx, path: '/hostile/:name', auth: none }
  - { name: moved, type: render, component: moved.tsx, path: /moved, auth: none }
  - { name: letter, type: render, component: letter.tsx }
";

const FILES: &[(&str, &str)] = &[
    ("manifest.yaml", MANIFEST),
    ("main.ts", "export {};\n"),
    (
        "late.tsx",
        "import { Suspense, use } from 'react';
const later = (ms: number) => new Promise<string>((resolve) => { setTimeout(() => resolve('it came'), ms); });
export const load = () => ({ slow: later(30) });
const Slow = ({ slow }: { slow: Promise<string> }) => <b>{use(slow)}</b>;
export default ({ slow }: { slow: Promise<string> }) => <main><p>at once</p><Suspense fallback={<i>wait</i>}><Slow slow={slow} /></Suspense></main>;
",
    ),
    (
        "partial.tsx",
        "import { Suspense, use } from 'react';
export const load = () => ({ slow: new Promise((_, reject) => { setTimeout(() => reject(new Error('the part broke')), 30); }) });
const Slow = ({ slow }: { slow: Promise<string> }) => <b>{use(slow)}</b>;
export default ({ slow }: { slow: Promise<string> }) => <main><Suspense fallback={<i>wait</i>}><Slow slow={slow} /></Suspense></main>;
",
    ),
    ("broken.tsx", "export default function Broken(): never {\n  throw new TypeError('the shell broke');\n}\n"),
    (
        "hostile.tsx",
        "import type { Context } from '@belljar/sdk';
export const load = ({ params }: Context) => (params['name'] === 'date' ? { at: { day: new Date(0) } } : { text: '</script><script>alert(1)</script><!--', list: params });
export default ({ text }: { text: string }) => <main title={text}>{text}</main>;
",
    ),
    (
        "moved.tsx",
        "export const load = () => Response.redirect('https://elsewhere.example/', 303);\nexport default () => null;\n",
    ),
    ("letter.tsx", "export default ({ to, page }: { to: string; page: { locale: string } }) => <p>Dear {to} ({page.locale})</p>;\n"),
];

/// The applet; `None`, with a word, when React is not installed.
fn release(host: &Host) -> Option<Release> {
    let folder = npm::beside(&npm::installed("finance-dashboard", "examples/finance-dashboard")?);
    for (path, text) in FILES {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    Some(applet::admit(host, applet::tenant(), &applet::package(folder.path())))
}

async fn get(host: &Host, release: &Release, name: &str, path: &str, params: &[(&str, &str)], locale: &str) -> Outcome {
    let request = applet::request(format!("GET {path} HTTP/1.1\r\nhost: pages.example\r\n\r\n").as_bytes());
    let mut invocation = Invocation::new(name, Payload::Request(request));
    invocation.params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    invocation.locale = locale.to_owned();
    host.invoke(release, invocation).await
}

fn reply(outcome: &Outcome) -> &HttpReply {
    match &outcome.result {
        Ok(Response::Http(reply)) => reply,
        Ok(answer) => panic!("a response was expected, not {answer:?}"),
        Err(fault) => panic!("a response was expected: {fault} {:#?}", fault.errors),
    }
}

fn html(outcome: &Outcome) -> String {
    assert_eq!(reply(outcome).status, 200);
    String::from_utf8(reply(outcome).body.to_vec()).expect("HTML is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_late_comes_later_and_what_breaks_is_told() {
    let host = host::shared();
    let Some(release) = release(host) else { return };
    let late = html(&get(host, &release, "late", "/late", &[], "en").await);
    let at = |text: &str| late.find(text).unwrap_or_else(|| panic!("{text} is missing: {late}"));
    assert!(at("at once") < at("<i>wait</i>") && at("<i>wait</i>") < at("<b>it came</b>"), "{late}");

    let outcome = get(host, &release, "partial", "/partial", &[], "en").await;
    let partial = html(&outcome);
    assert!(partial.contains("<i>wait</i>") && partial.ends_with("</body></html>"), "{partial}");
    assert!(!partial.contains("the part broke"), "an error's text is not for everybody: {partial}");
    let lines = host::log().of(&outcome.id);
    let told = lines.iter().any(|line| {
        line.message.contains(r#"a part of the page "partial" cannot be rendered"#)
            && line.message.contains("the part broke")
    });
    assert!(told && lines.len() == 1, "{lines:#?}");

    let outcome = get(host, &release, "broken", "/broken", &[], "en").await;
    let fault = applet::fault(&outcome);
    assert_eq!(fault.code, FaultCode::Threw);
    assert!(fault.message.contains("the shell broke"), "{fault}");
    assert!(fault.position().is_some_and(|at| at.file == "broken.tsx" && at.line == 2), "{fault:#?}");
    assert!(host::log().of(&outcome.id).is_empty(), "it is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_is_given_stays_what_it_is() {
    let host = host::shared();
    let Some(release) = release(host) else { return };
    let name = "<img src=x onerror=alert(1)>";
    let outcome = get(
        host,
        &release,
        "hostile",
        "/t/rules/hostile/%3Cimg%20src=x%20onerror=alert(1)%3E",
        &[("name", name)],
        "ar-EG",
    )
    .await;
    let page = html(&outcome);
    assert!(page.starts_with(r#"<!DOCTYPE html><html lang="ar" dir="rtl">"#), "{page}");
    assert!(!page.contains("alert(1)</script>") && !page.contains("<img") && !page.contains("<!--"), "{page}");
    let (_, rest) = page.split_once(r#"type="application/json">"#).expect("there is data");
    let data: Value = serde_json::from_str(rest.split("</script>").next().unwrap()).expect("it is JSON");
    assert_eq!(data["props"], json!({ "text": "</script><script>alert(1)</script><!--", "list": { "name": name } }));
    assert_eq!((&data["page"]["base"], &data["page"]["user"]), (&json!("/t/rules"), &Value::Null));
    assert!(page.contains(r#"src="/t/rules/assets/pages/hostile-"#), "{page}");

    let outcome = get(host, &release, "hostile", "/hostile/date", &[("name", "date")], "en").await;
    let fault = applet::fault(&outcome);
    assert!(fault.message.contains("props.at.day is a Date, which JSON does not have"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_answer_otherwise_and_be_called_by_name() {
    let host = host::shared();
    let Some(release) = release(host) else { return };
    let outcome = get(host, &release, "moved", "/moved", &[], "en").await;
    let moved = reply(&outcome);
    assert_eq!(moved.status, 303);
    assert!(moved.headers.contains(&("location".into(), "https://elsewhere.example/".into())), "{:?}", moved.headers);

    let letter = html(&applet::call(host, &release, "letter", r#"{ "to": "Ada" }"#).await);
    assert!(letter.contains("<p>Dear <!-- -->Ada<!-- --> (<!-- -->en<!-- -->)</p>"), "{letter}");
    assert!(letter.contains(r#"src="/assets/pages/letter-"#), "there is no request to tell a base: {letter}");
    let outcome = applet::call(host, &release, "letter", "[1]").await;
    assert!(applet::fault(&outcome).message.contains("the payload is an array"), "{:?}", outcome.result);
    let outcome = applet::call(host, &release, "letter", r#"{ "page": 1 }"#).await;
    assert!(applet::fault(&outcome).message.contains(r#"cannot have a prop "page""#), "{:?}", outcome.result);
}
