//! The guest's calls of `wit/kv.wit`, `wit/secrets.wit`, `wit/events.wit`, `wit/jobs.wit` and `wit/custom.wit`, and between their types and the
//! capabilities' own.

use super::super::bindings::belljar::applet::completions::Outcome;
use super::super::bindings::belljar::applet::types::{LimitHit, Refusal};
use super::super::bindings::belljar::applet::{custom, events, jobs, kv, secrets};
use super::State;
use crate::capability::custom::CustomError;
use crate::capability::events::Publication;
use crate::capability::jobs::Enqueueing;
use crate::capability::kv::{KvOperation, KvReply, KvValue};
use crate::capability::refusal::CapabilityError;

impl State {
    fn now_ms(&self) -> u64 {
        self.source.now_us() / 1_000
    }

    fn kv(&mut self, operation: KvOperation) -> wasmtime::Result<u32> {
        let used = self.watched("kv", operation.name(), || operation.target().to_owned());
        let (bytes, now_ms) = (operation.size_bytes(), self.now_ms());
        match &mut self.capabilities.kv {
            Some(session) => {
                let work = session.run(operation, now_ms);
                self.submit_watched(used, bytes, async move { Outcome::Kv(work.await.map(kv_reply).map_err(refusal)) })
            }
            None => self.submit_watched(used, 0, async { Outcome::Kv(Err(Refusal::NotGranted)) }),
        }
    }
}

impl kv::Host for State {
    fn get(&mut self, keys: Vec<String>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.get", &(&keys,))? {
            return Ok(number);
        }
        self.kv(KvOperation::Get { keys })
    }

    fn set(&mut self, key: String, value: kv::Value, ttl_ms: Option<u64>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.set", &(&key, &value, ttl_ms))? {
            return Ok(number);
        }
        self.kv(KvOperation::Set { key, value: kv_value(value), ttl_ms })
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.delete", &(&key,))? {
            return Ok(number);
        }
        self.kv(KvOperation::Delete { key })
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.increment", &(&key, by, ttl_ms))? {
            return Ok(number);
        }
        self.kv(KvOperation::Increment { key, by, ttl_ms })
    }

    fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<kv::Value>,
        value: Option<kv::Value>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.compare-and-set", &(&key, &expected, &value, ttl_ms))? {
            return Ok(number);
        }
        let (expected, value) = (expected.map(kv_value), value.map(kv_value));
        self.kv(KvOperation::CompareAndSet { key, expected, value, ttl_ms })
    }

    fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("kv.list", &(&prefix, &after, limit))? {
            return Ok(number);
        }
        self.kv(KvOperation::List { prefix, after, limit })
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("secrets.get", &(&name,))? {
            return Ok(number);
        }
        let used = self.watched("secrets", "get", || short(&name));
        match &self.capabilities.secrets {
            Some(session) => {
                let work = session.get(name, &*self.source);
                self.submit_watched(used, 0, async move { Outcome::Secrets(work.await.map_err(refusal)) })
            }
            None => self.submit_watched(used, 0, async { Outcome::Secrets(Err(Refusal::NotGranted)) }),
        }
    }
}

impl events::Host for State {
    fn publish(&mut self, event: events::Event) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("events.publish", &(&event,))? {
            return Ok(number);
        }
        let used = self.watched("events", "publish", || short(&event.name));
        let (bytes, now_ms) = (event.payload.len() as u64, self.now_ms());
        match &mut self.capabilities.events {
            Some(session) => {
                let events::Event { name, payload, key, order_key, delay_ms } = event;
                let work = session.publish(Publication { name, payload, key, order_key, delay_ms }, now_ms);
                self.submit_watched(used, bytes, async move { Outcome::Events(work.await.map_err(refusal)) })
            }
            None => self.submit_watched(used, 0, async { Outcome::Events(Err(Refusal::NotGranted)) }),
        }
    }
}

impl jobs::Host for State {
    fn enqueue(&mut self, job: jobs::Job) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("jobs.enqueue", &(&job,))? {
            return Ok(number);
        }
        let used = self.watched("jobs", "enqueue", || short(&job.handler));
        let (bytes, now_ms) = (job.payload.len() as u64, self.now_ms());
        match &mut self.capabilities.jobs {
            Some(session) => {
                let jobs::Job { handler, payload, due, priority, key } = job;
                let (delay_ms, at_ms) = match due {
                    jobs::Due::InMs(delay_ms) => (delay_ms, None),
                    jobs::Due::AtMs(at_ms) => (0, Some(at_ms)),
                };
                let work = session.enqueue(Enqueueing { handler, payload, delay_ms, at_ms, priority, key }, now_ms);
                self.submit_watched(used, bytes, async move {
                    Outcome::Jobs(work.await.map(jobs::Reply::Id).map_err(refusal))
                })
            }
            None => self.submit_watched(used, 0, async { Outcome::Jobs(Err(Refusal::NotGranted)) }),
        }
    }

    fn cancel(&mut self, id: String) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("jobs.cancel", &(&id,))? {
            return Ok(number);
        }
        let used = self.watched("jobs", "cancel", || short(&id));
        match &mut self.capabilities.jobs {
            Some(session) => {
                let work = session.cancel(id);
                self.submit_watched(used, 0, async move {
                    Outcome::Jobs(work.await.map(jobs::Reply::Cancelled).map_err(refusal))
                })
            }
            None => self.submit_watched(used, 0, async { Outcome::Jobs(Err(Refusal::NotGranted)) }),
        }
    }

    fn progress(&mut self, progress: String) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("jobs.progress", &(&progress,))? {
            return Ok(number);
        }
        let used = self.watched("jobs", "progress", String::new);
        let bytes = progress.len() as u64;
        match &mut self.capabilities.jobs {
            Some(session) => {
                let work = session.progress(progress);
                self.submit_watched(used, bytes, async move {
                    Outcome::Jobs(work.await.map(|()| jobs::Reply::Told).map_err(refusal))
                })
            }
            None => self.submit_watched(used, 0, async { Outcome::Jobs(Err(Refusal::NotGranted)) }),
        }
    }
}

impl custom::Host for State {
    fn call(&mut self, capability: String, function: String, argument: String) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("custom.call", &(&capability, &function, &argument))? {
            return Ok(number);
        }
        let used = self.watched("custom", "call", || short(&format!("{capability}.{function}")));
        let bytes = argument.len() as u64;
        match &self.capabilities.custom {
            Some(session) => {
                let work = session.call(&capability, &function, argument);
                self.submit_watched(used, bytes, async move { Outcome::Custom(work.await.map_err(custom_error)) })
            }
            None => self
                .submit_watched(used, 0, async { Outcome::Custom(Err(custom::Error::Refused(Refusal::NotGranted))) }),
        }
    }
}

fn custom_error(error: CustomError) -> custom::Error {
    match error {
        CustomError::Refused(error) => custom::Error::Refused(refusal(error)),
        CustomError::Failed { code, message } => custom::Error::Failed(custom::Failure { code, message }),
    }
}

/// A name that the guest made up, for whoever watches.
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(200)].to_owned()
}

fn kv_value(value: kv::Value) -> KvValue {
    match value {
        kv::Value::Json(text) => KvValue::Json(text),
        kv::Value::Bytes(bytes) => KvValue::Bytes(bytes),
    }
}

fn kv_value_out(value: KvValue) -> kv::Value {
    match value {
        KvValue::Json(text) => kv::Value::Json(text),
        KvValue::Bytes(bytes) => kv::Value::Bytes(bytes),
    }
}

fn kv_reply(reply: KvReply) -> kv::Reply {
    match reply {
        KvReply::Values(values) => kv::Reply::Values(values.into_iter().map(|value| value.map(kv_value_out)).collect()),
        KvReply::Done => kv::Reply::Done,
        KvReply::Flag(flag) => kv::Reply::Flag(flag),
        KvReply::Number(number) => kv::Reply::Number(number),
        KvReply::Keys(page) => kv::Reply::Keys(kv::Page { keys: page.keys, has_more: page.has_more }),
    }
}

/// Bytes the host holds for an answer of the store.
pub(super) fn kv_bytes(reply: &kv::Reply) -> usize {
    match reply {
        kv::Reply::Values(values) => values
            .iter()
            .map(|value| {
                size_of::<Option<kv::Value>>()
                    + match value {
                        Some(kv::Value::Json(text)) => text.len(),
                        Some(kv::Value::Bytes(bytes)) => bytes.len(),
                        None => 0,
                    }
            })
            .sum(),
        kv::Reply::Keys(page) => page.keys.iter().map(|key| key.len() + size_of::<String>()).sum(),
        kv::Reply::Done | kv::Reply::Flag(_) | kv::Reply::Number(_) => 0,
    }
}

/// An error, as the guest is told of it.
pub(super) fn refusal(error: CapabilityError) -> Refusal {
    match error {
        CapabilityError::NotGranted => Refusal::NotGranted,
        CapabilityError::Unavailable(text) => Refusal::Unavailable(text),
        CapabilityError::Denied(text) => Refusal::Denied(text),
        CapabilityError::Invalid(text) => Refusal::Invalid(text),
        CapabilityError::Limit(hit) => Refusal::Limit(limit(&hit)),
        CapabilityError::Busy => Refusal::Busy,
        CapabilityError::Failed(text) => Refusal::Failed(text),
    }
}

/// A limit that was hit.
pub(super) fn limit(hit: &crate::floor::limits::LimitHit) -> LimitHit {
    LimitHit { name: hit.name.to_owned(), allowed: hit.allowed, used: hit.used }
}
