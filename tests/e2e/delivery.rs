//! Events and jobs end to end, with sinks as an embedder has them: what is handed over, what is refused, and how several messages are answered.

use std::sync::{Arc, Mutex};

use belljar::{
    Answering, CapabilityError, Chain, EventSink, Host, Invocation, JobSink, Message, NewJob, Origin, Outcome, Payload,
    PublishedEvent, Release, Seeded,
};
use belljar_tests::{applet, host};
use serde_json::json;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    events: Mutex<Vec<PublishedEvent>>,
    jobs: Mutex<Vec<NewJob>>,
    told: Mutex<Vec<(Origin, String)>>,
}

impl EventSink for Kept {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        Box::pin(async move {
            if event.key.as_deref() == Some("full") {
                return Err(CapabilityError::Busy);
            }
            let mut events = self.events.lock().unwrap();
            events.push(event);
            Ok(format!("evt_{}", events.len()))
        })
    }
}

impl JobSink for Kept {
    fn enqueue(&self, job: NewJob) -> Answering<'_, String> {
        Box::pin(async move {
            let mut jobs = self.jobs.lock().unwrap();
            jobs.push(job);
            Ok(format!("job_{}", jobs.len()))
        })
    }

    fn cancel(&self, origin: Origin, id: String) -> Answering<'_, bool> {
        Box::pin(async move { Ok(origin.applet.as_str() == "delivery" && id == "job_1") })
    }

    fn progress(&self, origin: Origin, progress: String) -> Answering<'_, ()> {
        Box::pin(async move {
            self.told.lock().unwrap().push((origin, progress));
            Ok(())
        })
    }
}

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

fn fixture() -> (Host, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let builder = host::builder().events(kept.clone()).jobs(kept.clone()).source(Seeded::new(NOW_MS * 1_000, 1));
    (host::build(builder), kept)
}

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }
handlers:
  - { name: default, type: call }
  - { name: orders, type: event, names: [order.created] }
permissions: { events: { publish: [order.created, order.paid] }, jobs: true }
";

fn release(host: &Host, main: &str) -> Release {
    applet::admit(host, applet::tenant(), &applet::package_of("delivery", MANIFEST, main))
}

fn value_of(host: &Host, main: &str, change: impl FnOnce(&mut Invocation)) -> Outcome {
    let mut invocation = Invocation::new("default", Payload::Json("null".into()));
    change(&mut invocation);
    block_on(host.invoke(&release(host, main), invocation))
}

#[test]
fn events_are_handed_over_with_their_origin() {
    let (host, kept) = fixture();
    let main = "
        export default async () => {
            const { publish } = sdk.events;
            const refused = (work: Promise<string>) => work.catch((e) => [e.code ?? e.name, e.limit ?? e.message]);
            return [
                await publish('order.created', { id: 7 }, { key: 'k', orderKey: 'customer-1', delayMs: 1500 }), await publish('order.paid'),
                await refused(publish('order.deleted')), await refused(publish('order.paid', 'x'.repeat(256 << 10))),
                await refused(publish('order.paid', null, { key: 'full' })), await refused(publish('order.paid', null, { delay: 1 } as never)),
                await refused(publish('order.paid', null, { delayMs: 1e12 })), await refused(publish('order.paid', () => 0)),
            ];
        };";
    let chain = Chain { depth: 3, root: Some("evt_root".into()), event: Some("evt_before".into()) };
    let outcome = value_of(&host, main, |invocation| invocation.chain = chain.clone());
    let denied = "event \"order.deleted\" is not in permissions.events.publish of the manifest, or not granted";
    assert_eq!(
        applet::value(&outcome),
        json!([
            "evt_1",
            "evt_2",
            ["denied", denied],
            ["limit", "events.payload_bytes_max"],
            ["busy", "the host is busy: try again"],
            ["TypeError", "publish has no option \"delay\""],
            ["limit", "events.delay_ms_max"],
            ["TypeError", "the payload is a function, which JSON cannot hold"]
        ])
    );
    let events = kept.events.lock().unwrap();
    let first = &events[0];
    assert_eq!((first.name.as_str(), first.payload.as_str()), ("order.created", "{\"id\":7}"));
    assert_eq!(
        (first.key.as_deref(), first.order_key.as_deref(), first.due_ms),
        (Some("k"), Some("customer-1"), Some(NOW_MS + 1_500))
    );
    assert_eq!(
        (first.origin.applet.as_str(), first.origin.handler.as_str(), &first.origin.chain),
        ("delivery", "default", &chain)
    );
    assert_eq!(first.origin.invocation, outcome.id);
    assert_eq!((events[1].payload.as_str(), events[1].due_ms), ("null", None));
    assert_eq!((outcome.usage.events.published, outcome.usage.events.bytes), (3, 8 + 4 + 4));
}

#[test]
fn jobs_are_handed_over_and_tell_their_progress() {
    let (host, kept) = fixture();
    let main = "
        export default async ({ jobId, attempt, eventId }: Context) => {
            const { jobs } = sdk;
            const refused = (work: Promise<unknown>) => work.catch((e) => [e.code ?? e.name, e.limit ?? e.message]);
            return [
                jobId, attempt, eventId ?? 'none', await jobs.enqueue('orders', [1], { delayMs: 10, priority: 5, key: 'k' }),
                await jobs.schedule('default', new Date(1767225660000)), await jobs.cancel('job_1'), await jobs.cancel('job_9'),
                await jobs.progress(0.5), await refused(jobs.enqueue('missing')), await refused(jobs.enqueue('orders', 1, { priority: 101 })),
                await refused(jobs.schedule('orders', 1e15)), await refused(jobs.schedule('orders', new Date(NaN))),
            ];
        };";
    let main = format!("import type {{ Context }} from '@belljar/sdk';\n{main}");
    let outcome = value_of(&host, &main, |invocation| {
        invocation.trigger = "job".into();
        (invocation.job, invocation.attempt) = (Some("job_0".into()), 2);
    });
    let missing = "the applet has no handler \"missing\"; it has: default, orders";
    assert_eq!(
        applet::value(&outcome),
        json!([
            "job_0",
            2,
            "none",
            "job_1",
            "job_2",
            true,
            false,
            null,
            ["invalid", missing],
            ["RangeError", "priority must be a whole number from -100 to 100"],
            ["limit", "jobs.delay_ms_max"],
            ["RangeError", "the time must be a number of milliseconds, at least 0"]
        ])
    );
    let jobs = kept.jobs.lock().unwrap();
    assert_eq!(
        (jobs[0].handler.as_str(), jobs[0].payload.as_str(), jobs[0].due_ms),
        ("orders", "[1]", Some(NOW_MS + 10))
    );
    assert_eq!(
        (jobs[0].priority, jobs[0].key.as_deref(), jobs[0].origin.job.as_deref()),
        (5, Some("k"), Some("job_0"))
    );
    assert_eq!((jobs[1].handler.as_str(), jobs[1].due_ms), ("default", Some(NOW_MS + 60_000)));
    let told = kept.told.lock().unwrap();
    assert_eq!((told[0].0.job.as_deref(), told[0].1.as_str()), (Some("job_0"), "0.5"));
    assert_eq!((outcome.usage.jobs.enqueued, outcome.usage.jobs.bytes), (2, 3 + 4));
}

#[test]
fn a_host_without_sinks_says_so() {
    let main = "
        const code = (work: Promise<unknown>) => work.catch((e) => `${e.capability}: ${e.message}`);
        export default async () => [await code(sdk.events.publish('order.paid')), await code(sdk.jobs.enqueue('orders')), await code(sdk.jobs.progress(1))];";
    let host = host::shared();
    let value = applet::value(&block_on(applet::call(host, &release(host, main), "default", "null")));
    assert_eq!(
        value,
        json!([
            "events: not available on this host: it has no events",
            "jobs: not available on this host: it has no jobs",
            "jobs: this call is no job: there is no progress to tell"
        ])
    );
    let plain = applet::admit(host, applet::tenant(), &applet::package_of("delivery", applet::PLAIN, main));
    let value = applet::value(&block_on(applet::call(host, &plain, "default", "null")));
    assert!(
        value[0].as_str().unwrap().contains("not granted") && value[1].as_str().unwrap().contains("not granted"),
        "{value}"
    );
}

fn messages(bodies: &[&str]) -> Payload {
    let message = |(n, body): (usize, &&str)| Message {
        id: format!("m{n}"),
        published_ms: NOW_MS,
        attempt: n as u32 + 1,
        payload: (*body).to_owned(),
    };
    Payload::Messages(bodies.iter().enumerate().map(message).collect())
}

fn deliver(main: &str, bodies: &[&str]) -> Outcome {
    let host = host::shared();
    block_on(host.invoke(&release(host, main), Invocation::new("orders", messages(bodies))))
}

#[test]
fn some_messages_of_several_are_wanted_again() {
    let main = "
        export default {
            async queue(batch) {
                if (batch.queue !== 'orders' || batch.messages.length !== 5) throw new Error('wrong');
                for (const message of batch.messages) {
                    await Promise.resolve();
                    const { id, attempts, timestamp, body } = message;
                    if (`m${attempts - 1}` !== id || timestamp.getTime() !== 1767225600000) throw new Error('wrong');
                    if (body === 'later') message.retry({ delaySeconds: 1.5 });
                    if (body === 'again') message.retry();
                    if (body === 'done') { message.ack(); message.retry(); }
                }
            },
        };";
    let outcome = deliver(main, &["1", "\"later\"", "\"done\"", "\"again\"", "{\"n\":1}"]);
    let again = outcome.result.as_ref().expect("it answers").retries();
    let again: Vec<_> = again.iter().map(|retry| (retry.id.as_str(), retry.delay_ms)).collect();
    assert_eq!(again, [("m1", Some(1_500)), ("m3", None)]);
    assert_eq!(applet::value(&outcome), json!({ "retry": [{ "id": "m1", "delayMs": 1500 }, { "id": "m3" }] }));
    // What was said of one holds against what is said of all.
    let main = "export default { queue(batch) { batch.messages[0].ack(); batch.retryAll({ delaySeconds: 2 }); batch.ackAll(); } };";
    assert_eq!(applet::value(&deliver(main, &["1", "2"])), json!({ "retry": [{ "id": "m1", "delayMs": 2000 }] }));
    // What the handler returns is nobody's answer.
    assert_eq!(
        applet::value(&deliver("export default { queue: () => ({ retry: [{ id: 'm0' }] }) };", &["1"])),
        json!({ "retry": [] })
    );
}

#[test]
fn other_handlers_take_one_message() {
    let main = "export const orders = async ({ eventId, attempt }: { eventId: string; attempt: number }, order: unknown) => { if (order !== 7) throw new Error(`${order}`); };
        export default orders;";
    assert_eq!(applet::value(&deliver(main, &["7"])), json!({ "retry": [] }));
    let fault = deliver(main, &["8"]);
    assert!(applet::fault(&fault).message.ends_with("Error: 8"), "{fault:?}");
    let several = deliver(main, &["7", "7"]);
    assert!(applet::fault(&several).message.contains("takes one message at a time, not 2"), "{several:?}");
    let broken = deliver("export default { queue() {} };", &["{"]);
    assert_eq!(applet::fault(&broken).code.as_str(), "invalid-payload");
}

#[test]
fn params_and_config_are_there() {
    let main = "
        const { env } = process;
        const early = [Object.keys(env).join(), sdk.config.get('CURRENCY') ?? 'none'];
        export default async (context: import('@belljar/sdk').Context) => {
            const { params, config } = context;
            let frozen = 0;
            for (const change of [() => { (params as any).id = 1; }, () => { (config as any).CURRENCY = 1; }, () => { (config as any).nested.list.push(1); }]) {
                try { change(); } catch { frozen++; }
            }
            return [early, params.id ?? 'none', Object.keys(params).length, config.CURRENCY ?? 'none', frozen, sdk.config.get('toString') ?? 'none',
                env.CURRENCY ?? 'none', process.env.RATE ?? 'none', env.nested ?? 'none', env.nothing ?? 'none', env.NODE_ENV, context.config === config];
        };";
    let (host, _) = fixture();
    let call = |change: &dyn Fn(&mut Invocation)| applet::value(&value_of(&host, main, change));
    let early = json!(["NODE_ENV", "none"]);
    assert_eq!(
        call(&|_| {}),
        json!([early, "none", 0, "none", 3, "none", "none", "none", "none", "none", "production", true])
    );
    let configured = call(&|invocation| {
        invocation.params = vec![("id".into(), "a b".into()), ("__proto__".into(), "x".into())];
        invocation.config = Arc::from(r#"{"CURRENCY":"EUR","RATE":0.5,"nested":{"list":[1]},"nothing":null}"#);
    });
    assert_eq!(
        configured,
        json!([early, "a b", 2, "EUR", 3, "none", "EUR", "0.5", "{\"list\":[1]}", "none", "production", true])
    );
    assert_eq!(
        configured,
        call(&|invocation| {
            invocation.params = vec![("id".into(), "a b".into()), ("__proto__".into(), "x".into())];
            invocation.config = Arc::from(r#"{"CURRENCY":"EUR","RATE":0.5,"nested":{"list":[1]},"nothing":null}"#);
        })
    );
}
