//! Against a collector in the same process that reads the protobuf by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use belljar::{AppletId, FaultCode, InvocationId, TenantId, Usage};

use super::*;

/// One field of a protobuf message: its number, and its bytes (or the eight bytes of a number).
type Field = (u64, Vec<u8>);

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).expect("a length"),
            5 => 4,
            wire => panic!("wire type {wire}"),
        };
        let (value, rest) = bytes.split_at(length);
        found.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    found
}

fn all(fields: &[Field], number: u64) -> Vec<&[u8]> {
    fields.iter().filter(|(has, _)| *has == number).map(|(_, bytes)| &bytes[..]).collect()
}

fn one(fields: &[Field], number: u64) -> Vec<u8> {
    all(fields, number).first().copied().unwrap_or_default().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A span as opentelemetry/proto/trace/v1/trace.proto has it.
#[derive(Debug)]
struct Got {
    trace: String,
    span: String,
    parent: String,
    name: String,
    kind: u64,
    took_us: u64,
    attributes: Vec<(String, String)>,
    status: u64,
}

fn spans(body: &[u8]) -> Vec<Got> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    let mut found = Vec::new();
    for resource_spans in all(&fields(body), 1) {
        let resource_spans = fields(resource_spans);
        let resource = one(&resource_spans, 1);
        assert!(String::from_utf8_lossy(&resource).contains("service.name"), "a resource");
        for scope_spans in all(&resource_spans, 2) {
            for span in all(&fields(scope_spans), 2) {
                let span = fields(span);
                let attribute = |bytes: &&[u8]| {
                    let pair = fields(bytes);
                    let value = fields(&one(&pair, 2));
                    let text = match value.first() {
                        Some((1, text)) => String::from_utf8_lossy(text).into_owned(),
                        Some((3, bytes)) => number(bytes).to_string(),
                        _ => String::new(),
                    };
                    (String::from_utf8_lossy(&one(&pair, 1)).into_owned(), text)
                };
                found.push(Got {
                    trace: hex(&one(&span, 1)),
                    span: hex(&one(&span, 2)),
                    parent: hex(&one(&span, 4)),
                    name: String::from_utf8_lossy(&one(&span, 5)).into_owned(),
                    kind: number(&one(&span, 6)),
                    took_us: (number(&one(&span, 8)) - number(&one(&span, 7))) / 1_000,
                    attributes: all(&span, 9).iter().map(attribute).collect(),
                    status: number(&one(&fields(&one(&span, 15)), 3)),
                });
            }
        }
    }
    found
}

/// Takes one request after the other, answers each with `status`, and hands over head and body.
fn collector(status: u16) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = Vec::new();
            let mut buffer = [0; 4_096];
            let (head, body) = loop {
                let count = stream.read(&mut buffer).expect("bytes");
                bytes.extend_from_slice(&buffer[..count]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
                if bytes.len() >= end + 4 + length.parse::<usize>().expect("a number") {
                    break (head, bytes[end + 4..].to_vec());
                }
            };
            // Told before it is answered: whoever waits for the answer looks at once.
            let is_over = sender.send((head, body)).is_err();
            let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if is_over {
                return;
            }
        }
    });
    (endpoint, receiver)
}

fn start(endpoint: String, sample_ratio: f64) -> Traces {
    let headers = vec![("x-key".to_owned(), "secret".to_owned())];
    Traces::start(&TracesConfig { endpoint, headers, sample_ratio, extra_roots_pem: Vec::new() }).expect("it starts")
}

fn record(id: &InvocationId, ended: Ended, trace_parent: Option<&str>) -> InvocationRecord {
    InvocationRecord {
        id: id.as_str().to_owned(),
        tenant: TenantId::new("acme").expect("valid"),
        applet: AppletId::new("hook").expect("valid"),
        release_number: 7,
        version: "1.0.0".into(),
        handler: "main".into(),
        trigger: "http".into(),
        user: None,
        begun_us: 1_700_000_000_000_000,
        queued_us: 50,
        total_us: 2_000,
        ended,
        usage: Usage { fuel: 12_345, ..Usage::default() },
        trace_parent: trace_parent.map(ToOwned::to_owned),
    }
}

fn uses(traces: &Traces, id: &InvocationId, ended: UseEnd) {
    let context = LogContext {
        tenant: TenantId::new("acme").expect("valid"),
        applet: AppletId::new("hook").expect("valid"),
        version: "1.0.0".into(),
        handler: "main".into(),
        invocation: id.clone(),
    };
    let (capability, operation, target) = ("http", "send", "api.example.com".to_owned());
    traces.used(
        &context,
        CapabilityUse { capability, operation, target, ended, begun_us: 1_700_000_000_000_100, wall_us: 300 },
    );
}

#[test]
fn an_invocation_and_its_uses_are_spans_of_the_callers_trace() {
    let (endpoint, requests) = collector(200);
    let traces = start(endpoint, 0.0);
    let id = InvocationId::new([9; 16]);
    uses(&traces, &id, UseEnd::Done);
    uses(&traces, &id, UseEnd::Denied);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    traces.record(record(&id, Ended::Answered { status: Some(201) }, Some(parent)));
    traces.close();
    let (head, body) = requests.recv().expect("a request");
    assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("x-key: secret"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let got = spans(&body);
    let [root, first, second] = &got[..] else { panic!("{got:#?}") };
    assert!(got.iter().all(|span| span.trace == "4bf92f3577b34da6a3ce929d0e0e4736"), "{got:#?}");
    assert_eq!(
        (root.parent.as_str(), root.name.as_str(), root.kind, root.took_us),
        ("00f067aa0ba902b7", "hook/main", 2, 2_000)
    );
    let has = |name: &str, value: &str| root.attributes.iter().any(|(has, is)| has == name && is == value);
    assert!(
        has("belljar.tenant", "acme") && has("belljar.fuel", "12345") && has("http.response.status_code", "201"),
        "{root:#?}"
    );
    assert_eq!((&first.parent, &second.parent), (&root.span, &root.span));
    assert_eq!(
        (first.name.as_str(), first.kind, first.took_us, first.status, second.status),
        ("http.send", 3, 300, 0, 2)
    );
    assert!(first.span != second.span && first.span != root.span);
    assert_eq!(traces.state(), TracesState { sent: 3, dropped: 0, failed_exports: 0 });
}

#[test]
fn the_caller_or_the_ratio_decides_what_is_traced() {
    let (endpoint, requests) = collector(200);
    let traces = start(endpoint, 0.25);
    let id = |number: u32| InvocationId::new(u128::from(number).to_be_bytes());
    for number in 0..400 {
        traces.record(record(&id(number), Ended::Answered { status: None }, None));
    }
    traces.record(record(
        &id(1_000),
        Ended::Answered { status: None },
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    ));
    let fault = Ended::Faulted { code: FaultCode::Threw, message: "boom".into() };
    traces.record(record(&id(1_001), fault, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    traces.close();
    let got: Vec<Got> = requests.try_iter().flat_map(|(_, body)| spans(&body)).collect();
    assert!((60..=140).contains(&got.len()), "{} of 400", got.len());
    assert_eq!(got.iter().filter(|span| span.parent.is_empty()).count(), got.len() - 1);
    let sampled = got.iter().find(|span| !span.parent.is_empty()).expect("the caller wanted it");
    assert_eq!(sampled.status, 2);
}

#[test]
fn a_collector_that_fails_or_is_not_there_costs_spans_and_nothing_else() {
    let (refusing, _requests) = collector(400);
    for endpoint in [refusing, "http://127.0.0.1:1".to_owned()] {
        let traces = start(endpoint, 1.0);
        let begun = std::time::Instant::now();
        traces.record(record(&InvocationId::new([1; 16]), Ended::Answered { status: None }, None));
        assert!(begun.elapsed() < Duration::from_millis(500));
        traces.close();
        assert_eq!(traces.state(), TracesState { sent: 0, dropped: 1, failed_exports: 1 });
        traces.record(record(&InvocationId::new([2; 16]), Ended::Answered { status: None }, None));
        assert_eq!(traces.state().dropped, 2, "after the end");
    }
}

#[test]
fn what_cannot_be_sent_to_is_refused_at_once() {
    for (endpoint, header) in [("ftp://a", "a"), ("nonsense", "a"), ("http://a", "not a header")] {
        let headers = vec![(header.to_owned(), "b".to_owned())];
        let config =
            TracesConfig { endpoint: endpoint.into(), headers, sample_ratio: 1.0, extra_roots_pem: Vec::new() };
        assert!(Traces::start(&config).is_err(), "{endpoint} {header}");
    }
}

#[test]
fn uses_of_invocations_that_never_end_are_bounded() {
    let traces = start("http://127.0.0.1:1".to_owned(), 1.0);
    for number in 0..2_u32 {
        for _ in 0..USES_MAX + 10 {
            uses(&traces, &InvocationId::new(u128::from(number).to_be_bytes()), UseEnd::Done);
        }
    }
    let seen = || {
        let waiting = traces.inner.waiting.lock().expect("not poisoned");
        (waiting.count, waiting.uses.len())
    };
    assert_eq!(seen(), (2 * USES_MAX, 2));
    for number in 2..70_000_u32 {
        uses(&traces, &InvocationId::new(u128::from(number).to_be_bytes()), UseEnd::Done);
    }
    assert_eq!(seen(), (USES_WAITING_MAX, USES_WAITING_MAX - 2 * USES_MAX + 2));
}
