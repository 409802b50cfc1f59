//! The events capability: an applet publishes events by the names it was granted. Where they go is the embedder's [`EventSink`].

use std::future::Future;
use std::sync::Arc;

use super::origin::{Answering, Origin};
use super::refusal::{CapabilityError, within};
use crate::floor::limits::EventsLimits;
use crate::floor::usage::EventsUsage;

/// Bytes of an event's `key` and `order_key`.
pub const EVENT_KEY_BYTES_MAX: u64 = 256;

/// An event that an applet publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedEvent {
    /// Whose doing it is.
    pub origin: Origin,
    /// Its name: one of those that were granted.
    pub name: String,
    /// JSON text.
    pub payload: String,
    /// A second event of the same name and key is the same event, and is not delivered again; how long that holds is the sink's to say.
    pub key: Option<String>,
    /// Events with the same one are delivered one after the other.
    pub order_key: Option<String>,
    /// When it is to be delivered at the earliest, Unix time in milliseconds; `None` for at once.
    pub due_ms: Option<u64>,
}

/// Takes events.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one, and answers its id once it will not be lost.
    ///
    /// # Errors
    /// [`CapabilityError`]; its text goes to the applet.
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String>;
}

/// What an applet asks to publish.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    pub(crate) name: String,
    pub(crate) payload: String,
    pub(crate) key: Option<String>,
    pub(crate) order_key: Option<String>,
    pub(crate) delay_ms: u64,
}

/// The events of one invocation.
pub(crate) struct EventsSession {
    sink: Option<Arc<dyn EventSink>>,
    granted: Vec<String>,
    origin: Origin,
    limits: EventsLimits,
    usage: EventsUsage,
}

impl EventsSession {
    pub(crate) fn new(
        sink: Option<Arc<dyn EventSink>>,
        granted: Vec<String>,
        origin: Origin,
        limits: EventsLimits,
    ) -> Self {
        Self { sink, granted, origin, limits, usage: EventsUsage::default() }
    }

    pub(crate) fn usage(&self) -> EventsUsage {
        self.usage.clone()
    }

    /// Publishes an event at `now_ms`; answers its id.
    pub(crate) fn publish(
        &mut self,
        asked: Publication,
        now_ms: u64,
    ) -> impl Future<Output = Result<String, CapabilityError>> + Send + use<> {
        let admitted = self.admit(asked, now_ms);
        let sink = self.sink.clone();
        async move {
            let event = admitted?;
            let sink = sink.ok_or_else(|| CapabilityError::Unavailable("it has no events".into()))?;
            sink.publish(event).await
        }
    }

    fn admit(&mut self, asked: Publication, now_ms: u64) -> Result<PublishedEvent, CapabilityError> {
        let Publication { name, payload, key, order_key, delay_ms } = asked;
        if !self.granted.contains(&name) {
            let named: String = name.chars().take(100).collect();
            return Err(CapabilityError::Denied(format!(
                "event {named:?} is not in permissions.events.publish of the manifest, or not granted"
            )));
        }
        let bytes = payload.len() as u64;
        within("events.payload_bytes_max", self.limits.payload_bytes_max, bytes)?;
        within("events.delay_ms_max", self.limits.delay_ms_max, delay_ms)?;
        for key in [&key, &order_key].into_iter().flatten() {
            within("event_key_bytes_max", EVENT_KEY_BYTES_MAX, key.len() as u64)?;
        }
        within("events.published_max", self.limits.published_max.into(), self.usage.published + 1)?;
        self.usage.published += 1;
        self.usage.bytes += bytes;
        let due_ms = (delay_ms > 0).then(|| now_ms.saturating_add(delay_ms));
        Ok(PublishedEvent { origin: self.origin.clone(), name, payload, key, order_key, due_ms })
    }
}
