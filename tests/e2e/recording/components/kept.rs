//! Which calls of components are kept, and that no secret is in what is kept.

use std::sync::{Arc, Mutex};

use belljar::{CarriedRequest, CarriedResponse, Carrying, FaultCode, HttpTransport, RecordPolicy, Replay};

use super::{World, block_on, check_equal, fault_code, json_call, record, release, replay};
use crate::recording::policies;

/// Counts, and traps when the payload is 1.
const FAILS_ON_1: &str = "(call $line) (call $count)
  (if (i32.eq (i32.load8_u (i32.load (i32.add (local.get $call) (i32.const 108)))) (i32.const 49)) (then unreachable))
  (call $number (i64.const 7))";

#[test]
fn the_policy_decides_which_calls_of_components_are_kept() {
    let cases = [
        (RecordPolicy::Never, 0),
        (RecordPolicy::OnFailure, 2),
        (RecordPolicy::Always, 5),
        (RecordPolicy::Sampled { per_million: 0 }, 2),
    ];
    for (policy, expected) in cases {
        let (world, kept, recorder) = policies::world(policy, 1 << 20);
        let release = release(&world, super::ALL, FAILS_ON_1);
        let mut failed = Vec::new();
        for payload in ["0", "1", "2", "1", "3"] {
            let outcome = block_on(world.host.invoke(&release, json_call(payload)));
            assert_eq!(
                fault_code(&outcome),
                (payload == "1").then_some(FaultCode::Trap),
                "{payload}: {:?}",
                outcome.result
            );
            failed.extend(outcome.result.is_err().then(|| outcome.id.as_str().to_owned()));
        }
        recorder.flush();
        let kept = kept.0.lock().unwrap();
        assert_eq!(kept.len(), expected, "{policy}");
        let kept_of_failed: Vec<_> = kept
            .iter()
            .map(|recording| recording.header().invocation.clone())
            .filter(|id| failed.contains(id))
            .collect();
        assert_eq!(kept_of_failed, if expected == 0 { Vec::new() } else { failed }, "{policy}");
        for recording in kept.iter() {
            assert!(matches!(replay(&release, recording), Replay::Equal(_)), "{policy}");
        }
    }
}

/// Takes down what `x-key` was, and answers with the body that was sent.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl HttpTransport for Seen {
    fn carry(&self, request: CarriedRequest) -> Carrying<'_> {
        let CarriedRequest { headers, body, .. } = request;
        self.0.lock().unwrap().extend(headers.into_iter().find(|(name, _)| name == "x-key").map(|(_, value)| value));
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        Box::pin(async move { Ok(CarriedResponse { status: 200, headers, body }) })
    }
}

/// Sends the secret in a header and as the body, and writes it wherever something can be written: from the answer to the log, to its output, and as
/// its result.
const SENDS: &str = "
  (call $secret (i32.const 4224) (i32.const 3) (i32.const 3800))
  (if (i32.or (i32.load8_u (i32.const 3800)) (i32.eqz (i32.load8_u (i32.const 3808)))) (then unreachable))
  (i32.store (i32.const 3840) (i32.const 4232)) (i32.store (i32.const 3844) (i32.const 5))
  (i32.store (i32.const 3848) (i32.load (i32.const 3812))) (i32.store (i32.const 3852) (i32.load (i32.const 3816)))
  (call $send (i32.const 4240) (i32.const 4)
    (i32.add (i32.load (i32.add (local.get $call) (i32.const 108))) (i32.const 1))
    (i32.sub (i32.load (i32.add (local.get $call) (i32.const 112))) (i32.const 2))
    (i32.const 3840) (i32.const 1) (i32.load (i32.const 3812)) (i32.load (i32.const 3816)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3400))
  (if (i32.load8_u (i32.const 3400)) (then unreachable))
  (call $log (i32.const 1) (i32.load (i32.const 3440)) (i32.load (i32.const 3444)) (i32.const 0) (i32.const 0))
  (call $write (call $out) (i32.load (i32.const 3812)) (i32.load (i32.const 3816)) (i32.const 3000))
  (call $line)
  (call $text (i32.load (i32.const 3440)) (i32.load (i32.const 3444)))";

#[test]
fn secrets_of_a_component_are_not_in_its_recording() {
    // JSON, so that it can be the result. (A placeholder, which stands for one that is bound to hosts, cannot.)
    const SECRET: &str = "\"hunter2-and-more\"";
    for hosts in ["", ", hosts: ['api.example']"] {
        let seen = Arc::new(Seen::default());
        let world = World::build(&[("KEY", SECRET)], |builder| builder.http_transport(seen.clone()));
        let manifest = format!("permissions: {{ http: ['api.example'], secrets: [{{ name: KEY{hosts} }}] }}\n");
        let release = release(&world, &manifest, SENDS);
        let (outcome, recording) = record(&world, &release, json_call(r#""https://api.example/x""#));
        assert_eq!(*seen.0.lock().unwrap(), [SECRET], "it was sent: {:?}", outcome.result);
        assert!(recording.header().has_stand_ins);
        let value = serde_json::to_value(&recording).unwrap();
        let bytes = |part: &str| -> Vec<u8> { serde_json::from_value(value[part].clone()).unwrap() };
        for part in [bytes("events"), bytes("invocation"), value["end"].to_string().into_bytes()] {
            let text = String::from_utf8_lossy(&part);
            assert!(!text.contains("hunter2") && !text.contains("and-more"), "{hosts}: {text}");
        }
        let fixture = recording.fixture().unwrap().to_string();
        assert!(fixture.contains("x-key") && !fixture.contains("hunter2"), "{fixture}");
        let calls: Vec<_> = recording.calls().collect();
        assert!(calls.iter().any(|call| call.starts_with("http.send") && call.contains("x-key")), "{calls:#?}");
        if hosts.is_empty() {
            assert!(
                calls.iter().any(|call| call.starts_with("stdout.write") && call.contains("redacted")),
                "{calls:#?}"
            );
            assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        }
        check_equal(hosts, &release, &outcome, &recording);
    }
}
