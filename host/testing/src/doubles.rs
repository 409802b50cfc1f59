//! Doubles of the world around the applets that are tested: what they publish and enqueue is collected, their secrets are the test's, their log is
//! kept. Every test has a tenant of its own, by which its doubles are found.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use belljar::{
    Answering, AppletId, CapabilityError, EventSink, JobSink, KvAnswer, KvBounds, KvEntry, KvOperation, KvOwner,
    KvStore, KvUsed, LimitHit, Limits, LogRecord, LogSink, NewJob, Origin, PublishedEvent, SecretSource, SecretText,
    SecretsUnavailable, SqliteKv, TenantId, Virtual,
};
use belljar_build::TEST_CHANNEL;
use serde_json::{Value, json};

use crate::guest::Question;

/// Events of the applet's own that one test may publish: as many as one call elsewhere.
fn published_max() -> u64 {
    Limits::default().events.published_max.into()
}

/// The doubles of all tests under way.
#[derive(Default)]
pub(crate) struct Doubles {
    tests: Mutex<HashMap<TenantId, Arc<Double>>>,
}

/// Those of one test.
pub(crate) struct Double {
    /// Its time.
    pub(crate) time: Arc<Virtual>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    events: Vec<PublishedEvent>,
    jobs: Vec<Job>,
    progress: Vec<String>,
    secrets: HashMap<String, String>,
    /// A store of its own: one for all would let what has expired in one test's time go from another's.
    kv: Option<Arc<SqliteKv>>,
    log: Vec<LogRecord>,
}

struct Job {
    job: NewJob,
    is_cancelled: bool,
}

impl Doubles {
    /// A test begins.
    pub(crate) fn begin(&self, tenant: TenantId, time: Arc<Virtual>) -> Arc<Double> {
        let double = Arc::new(Double { time, kept: Mutex::default() });
        self.lock().insert(tenant, double.clone());
        double
    }

    /// A test has ended.
    pub(crate) fn end(&self, tenant: &TenantId) {
        self.lock().remove(tenant);
    }

    fn of(&self, tenant: &TenantId) -> Result<Arc<Double>, CapabilityError> {
        self.lock().get(tenant).cloned().ok_or_else(|| CapabilityError::Failed("the test has ended".into()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Double>>> {
        self.tests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Double {
    /// The lines that were logged.
    pub(crate) fn take_log(&self) -> Vec<LogRecord> {
        std::mem::take(&mut self.kept().log)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its keys and values, made when they are needed.
    fn kv(&self) -> Arc<SqliteKv> {
        self.kept().kv.get_or_insert_with(|| Arc::new(SqliteKv::in_memory())).clone()
    }

    /// Answers what the test asks.
    fn answer(&self, question: &str) -> Result<String, CapabilityError> {
        let question = serde_json::from_str(question)
            .map_err(|error| CapabilityError::Invalid(format!("no question of a test's: {error}")))?;
        let answer = match question {
            Question::Clock(moment) => {
                self.time.set(moment.unix_us);
                Value::Null
            }
            Question::Secret((name, Some(text))) => {
                self.kept().secrets.insert(name, text);
                Value::Null
            }
            Question::Secret((name, None)) => {
                self.kept().secrets.remove(&name);
                Value::Null
            }
            Question::Events(_) => self.kept().events.iter().map(event).collect(),
            Question::Jobs(_) => self.kept().jobs.iter().enumerate().map(|(index, job)| enqueued(index, job)).collect(),
            Question::Progress(_) => self.kept().progress.iter().map(String::as_str).collect(),
        };
        Ok(answer.to_string())
    }

    fn publish(&self, event: PublishedEvent) -> Result<String, CapabilityError> {
        let mut kept = self.kept();
        // As everywhere, the same name and key is the same event.
        let is_same =
            |other: &PublishedEvent| other.name == event.name && other.key == event.key && event.key.is_some();
        if let Some(index) = kept.events.iter().position(is_same) {
            return Ok(id("evt", index));
        }
        let (allowed, used) = (published_max(), kept.events.len() as u64 + 1);
        if used > allowed {
            return Err(CapabilityError::Limit(LimitHit { name: "events.published_max", allowed, used }));
        }
        kept.events.push(event);
        Ok(id("evt", kept.events.len() - 1))
    }

    fn enqueue(&self, job: NewJob) -> String {
        let mut kept = self.kept();
        let is_same = |other: &Job| {
            !other.is_cancelled && other.job.handler == job.handler && other.job.key == job.key && job.key.is_some()
        };
        if let Some(index) = kept.jobs.iter().position(is_same) {
            return id("job", index);
        }
        kept.jobs.push(Job { job, is_cancelled: false });
        id("job", kept.jobs.len() - 1)
    }

    fn cancel(&self, given: &str) -> bool {
        let mut kept = self.kept();
        let found =
            kept.jobs.iter_mut().enumerate().find(|(index, job)| id("job", *index) == given && !job.is_cancelled);
        found.map(|(_, job)| job.is_cancelled = true).is_some()
    }
}

fn id(kind: &str, index: usize) -> String {
    format!("{kind}_{}", index + 1)
}

/// What is not there is left out.
fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, member| !member.is_null());
    }
    object
}

fn event(event: &PublishedEvent) -> Value {
    let PublishedEvent { name, payload, key, order_key, due_ms, .. } = event;
    without_nulls(json!({ "name": name, "payload": payload, "key": key, "orderKey": order_key, "dueMs": due_ms }))
}

fn enqueued(index: usize, job: &Job) -> Value {
    let Job { job: NewJob { handler, payload, due_ms, priority, key, .. }, is_cancelled } = job;
    without_nulls(json!({
        "id": id("job", index), "handler": handler, "payload": payload, "dueMs": due_ms, "priority": priority, "key": key,
        "isCancelled": is_cancelled,
    }))
}

impl EventSink for Doubles {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        Box::pin(async move {
            let double = self.of(&event.origin.tenant)?;
            if event.name == TEST_CHANNEL { double.answer(&event.payload) } else { double.publish(event) }
        })
    }
}

impl JobSink for Doubles {
    fn enqueue(&self, job: NewJob) -> Answering<'_, String> {
        Box::pin(async move { Ok(self.of(&job.origin.tenant)?.enqueue(job)) })
    }

    fn cancel(&self, origin: Origin, id: String) -> Answering<'_, bool> {
        Box::pin(async move { Ok(self.of(&origin.tenant)?.cancel(&id)) })
    }

    fn progress(&self, origin: Origin, progress: String) -> Answering<'_, ()> {
        Box::pin(async move {
            self.of(&origin.tenant)?.kept().progress.push(progress);
            Ok(())
        })
    }
}

impl KvStore for Doubles {
    fn run(&self, owner: KvOwner, operation: KvOperation, bounds: KvBounds, now_ms: u64) -> KvAnswer<'_> {
        Box::pin(async move {
            let store = self.of(&owner.tenant)?.kv();
            store.run(owner, operation, bounds, now_ms).await
        })
    }

    // What follows is for operators; there is none.
    fn used(&self, _: Option<&TenantId>) -> io::Result<Vec<KvUsed>> {
        Ok(Vec::new())
    }

    fn delete_all(&self, _: &KvOwner) -> io::Result<u64> {
        Ok(0)
    }

    fn export(&self, _: &KvOwner, _: u64, _: &mut dyn FnMut(KvEntry) -> io::Result<()>) -> io::Result<()> {
        Ok(())
    }

    fn import(&self, _: &KvOwner, _: Vec<KvEntry>) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

impl SecretSource for Doubles {
    fn secret(&self, tenant: &TenantId, _: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        let double = self.of(tenant).map_err(|error| SecretsUnavailable(error.to_string()))?;
        let text = double.kept().secrets.get(name).cloned();
        Ok(text.map(SecretText::new))
    }
}

impl LogSink for Doubles {
    fn write(&self, record: &LogRecord) {
        // A line of a test that has ended has nobody to read it.
        if let Ok(double) = self.of(&record.context.tenant) {
            double.kept().log.push(record.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use belljar::{Chain, InvocationId, Source};

    use super::*;

    fn origin(job: Option<&str>) -> Origin {
        Origin {
            tenant: TenantId::new("t-1").expect("a name"),
            applet: AppletId::new("demo").expect("a name"),
            handler: "main".into(),
            invocation: InvocationId::new([0; 16]),
            chain: Chain::default(),
            job: job.map(Into::into),
        }
    }

    fn published(name: &str, payload: &str, key: Option<&str>) -> PublishedEvent {
        PublishedEvent {
            origin: origin(None),
            name: name.into(),
            payload: payload.into(),
            key: key.map(Into::into),
            order_key: None,
            due_ms: None,
        }
    }

    fn wait_for<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
    }

    #[test]
    fn what_an_applet_hands_over_is_collected() {
        let doubles = Doubles::default();
        let time = Arc::new(Virtual::new(1, 1));
        doubles.begin(origin(None).tenant, time.clone());
        let ask = |question: &str| wait_for(doubles.publish(published(TEST_CHANNEL, question, None)));

        let publish = |key| wait_for(EventSink::publish(&doubles, published("order", "1", key)));
        assert_eq!(
            [publish(Some("k")), publish(None), publish(Some("k"))],
            [Ok("evt_1".into()), Ok("evt_2".into()), Ok("evt_1".into())]
        );
        assert_eq!(
            ask(r#"{"events":true}"#).as_deref(),
            Ok(r#"[{"name":"order","payload":"1","key":"k"},{"name":"order","payload":"1"}]"#)
        );

        let job = NewJob {
            origin: origin(None),
            handler: "main".into(),
            payload: "2".into(),
            due_ms: Some(5),
            priority: 1,
            key: None,
        };
        assert_eq!(wait_for(doubles.enqueue(job)), Ok("job_1".into()));
        assert_eq!(wait_for(doubles.progress(origin(Some("job_1")), "0.5".into())), Ok(()));
        assert_eq!(ask(r#"{"progress":true}"#).as_deref(), Ok(r#"["0.5"]"#));
        assert_eq!(
            [
                wait_for(doubles.cancel(origin(None), "job_1".into())),
                wait_for(doubles.cancel(origin(None), "job_1".into()))
            ],
            [Ok(true), Ok(false)]
        );
        let jobs = r#"[{"id":"job_1","handler":"main","payload":"2","dueMs":5,"priority":1,"isCancelled":true}]"#;
        assert_eq!(ask(r#"{"jobs":true}"#).as_deref(), Ok(jobs));

        assert_eq!(ask(r#"{"secret":["KEY","text"]}"#).as_deref(), Ok("null"));
        let secret = |doubles: &Doubles| {
            doubles
                .secret(&origin(None).tenant, &origin(None).applet, "KEY")
                .map(|found| found.map(|text| text.expose().to_owned()))
        };
        assert_eq!(secret(&doubles).expect("it can be read").as_deref(), Some("text"));
        assert_eq!(ask(r#"{"clock":5000}"#).as_deref(), Ok("null"));
        assert_eq!(time.now_us(), 5_000_000);
        assert!(matches!(ask("{}"), Err(CapabilityError::Invalid(_))));

        doubles.end(&origin(None).tenant);
        assert!(ask(r#"{"events":true}"#).is_err() && secret(&doubles).is_err());
    }
}
