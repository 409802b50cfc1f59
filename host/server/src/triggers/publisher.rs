//! Taking events and jobs: from applets (`sdk.events`, `sdk.jobs`), and from the API. It finds who gets them, guards against loops, and hands
//! them to the queue; the answer means that they will not be lost.

use std::sync::Arc;

use belljar::package::EventOrder;
use belljar::{Answering, CapabilityError, EventSink, JobSink, LimitHit, NewJob, Origin, PublishedEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::cancelling::Running;
use super::chains::{Chains, Led, link};
use super::registry::Registry;
use crate::queue::{Kind, NewDelivery, NewMessage, Published, Queue, QueueError, State};

/// Events, one caused by another: the next one is refused.
pub const EVENT_DEPTH_MAX: u32 = 16;
/// Bytes of a payload that comes through the API, as JSON text.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// Bytes of a key and of an order key.
pub const KEY_BYTES_MAX: usize = 256;
/// How far ahead anything may be due, milliseconds: a year.
pub const DELAY_MS_MAX: u64 = 366 * 86_400_000;
/// Attempts of a job in all.
pub const JOB_ATTEMPTS_MAX: u32 = 5;
/// The wait before a job's first retry, milliseconds; it doubles from there.
pub const JOB_BACKOFF_MS: u64 = 1_000;
/// The longest wait before any retry of a job, milliseconds.
pub const JOB_BACKOFF_MS_MAX: u64 = 3_600_000;

/// It was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// No applet of the tenant publishes or subscribes to such an event.
    #[error(
        "event {name:?} is not declared: no applet of tenant {tenant} has it in permissions.events or in a handler's names; check the name, or install the applet that handles it"
    )]
    Undeclared {
        /// The tenant.
        tenant: String,
        /// The name.
        name: String,
    },
    /// Something is too large.
    #[error("{name} allows {allowed}, this has {used}")]
    TooLarge {
        /// The limit's name.
        name: &'static str,
        /// How much it allows.
        allowed: u64,
        /// How much there is.
        used: u64,
    },
    /// Each event was caused by another, too many in a row.
    #[error(
        "event {name:?} comes after {EVENT_DEPTH_MAX} events that caused each other ({chain}): handlers that publish for each other without end are stopped here"
    )]
    TooDeep {
        /// The event.
        name: String,
        /// `applet/event` of each.
        chain: String,
    },
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The queue does not take it.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// An event to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// The tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// JSON text.
    pub payload: String,
    /// Makes it the same event as an earlier one of the name and key.
    pub key: Option<String>,
    /// Events with the same one are delivered one after the other, to handlers that ask for it.
    pub order_key: Option<String>,
    /// How long it waits, milliseconds.
    pub delay_ms: u64,
    /// Who publishes it, for people.
    pub source: String,
}

/// A call whose caller does not wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRun {
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The handler.
    pub handler: String,
    /// JSON text.
    pub payload: String,
    /// How long it waits, milliseconds.
    pub delay_ms: u64,
    /// Attempts in all, from 1.
    pub attempts: u32,
    /// Makes it the same call as an earlier one of the handler and key.
    pub key: Option<String>,
    /// Who asks, for people.
    pub source: String,
}

/// Takes events and jobs.
#[derive(Debug)]
pub struct Publisher {
    queue: Queue,
    registry: Arc<Registry>,
    chains: Arc<Chains>,
    running: Arc<Running>,
    wake: Arc<Notify>,
}

impl Publisher {
    pub(super) fn new(
        queue: Queue,
        registry: Arc<Registry>,
        chains: Arc<Chains>,
        running: Arc<Running>,
        wake: Arc<Notify>,
    ) -> Self {
        Self { queue, registry, chains, running, wake }
    }

    /// Publishes an event that the API was given.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn publish(&self, event: NewEvent) -> Result<Published, NotTaken> {
        belljar::package::rules::name(&event.name)
            .map_err(|rule| NotTaken::Invalid(format!("event name {:?}: {rule}", event.name)))?;
        check_json(&event.payload)?;
        self.registry.sync().await?;
        if !self.registry.is_declared(&event.tenant, &event.name) {
            return Err(NotTaken::Undeclared { tenant: event.tenant, name: event.name });
        }
        self.publish_led(event, Led::default()).await
    }

    async fn publish_led(&self, event: NewEvent, led: Led) -> Result<Published, NotTaken> {
        for (name, text) in [("event_key_bytes_max", &event.key), ("event_key_bytes_max", &event.order_key)] {
            within(name, KEY_BYTES_MAX, text.as_ref().map_or(0, String::len))?;
        }
        check_delay(event.delay_ms)?;
        if led.depth >= EVENT_DEPTH_MAX {
            return Err(NotTaken::TooDeep { name: event.name, chain: led.chain.join(" -> ") });
        }
        let deliveries = self.deliveries(&event, &led);
        let message = NewMessage {
            key: event.key.map(|key| (format!("event:{}", event.name), key)),
            tenant: event.tenant,
            kind: Kind::Event,
            name: event.name,
            payload: event.payload,
            source: event.source,
            chain: led.chain,
            depth: led.depth,
            order_key: event.order_key,
            deliveries,
        };
        let published = self.queue.publish(message).await?;
        self.wake.notify_one();
        Ok(published)
    }

    /// Who gets an event. A delivery that would close a loop is dropped, and can be seen.
    fn deliveries(&self, event: &NewEvent, led: &Led) -> Vec<NewDelivery> {
        let wanting = self.registry.subscribers(&event.tenant, &event.name);
        let deliveries = wanting.into_iter().map(|(applet, subscription)| {
            let is_loop = led.chain.contains(&link(&applet, &event.name));
            let dropped = is_loop.then(|| {
                let chain = led.chain.join(" -> ");
                format!("a loop: {applet} has handled {:?} on the way here ({chain}); have one of them publish another event, or none", event.name)
            });
            let order_key = match subscription.order {
                EventOrder::None => None,
                EventOrder::All => Some(String::new()),
                EventOrder::Key => event.order_key.clone(),
            };
            NewDelivery {
                // Those that wait for each other cannot come together.
                batch_max: if subscription.order == EventOrder::All { 1 } else { subscription.batch.max },
                applet,
                handler: subscription.handler,
                delay_ms: event.delay_ms,
                priority: 0,
                attempts_max: subscription.attempts,
                backoff_ms: subscription.backoff_ms,
                backoff_ms_max: subscription.backoff_ms_max,
                order_key,
                batch_wait_ms: subscription.batch.wait_ms,
                dropped,
            }
        });
        deliveries.collect()
    }

    /// Takes a call whose caller does not wait.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn run_later(&self, run: NewRun) -> Result<Published, NotTaken> {
        check_json(&run.payload)?;
        check_delay(run.delay_ms)?;
        within("event_key_bytes_max", KEY_BYTES_MAX, run.key.as_ref().map_or(0, String::len))?;
        if !(1..=belljar::package::rules::ATTEMPTS_MAX).contains(&run.attempts) {
            return Err(NotTaken::Invalid(format!(
                "{} attempts: use 1 to {}",
                run.attempts,
                belljar::package::rules::ATTEMPTS_MAX
            )));
        }
        let key = run.key.map(|key| (format!("run:{}/{}", run.applet, run.handler), key));
        let delivery = NewDelivery {
            attempts_max: run.attempts,
            ..own_delivery(run.applet, run.handler.clone(), run.delay_ms, 0)
        };
        let message = NewMessage {
            tenant: run.tenant,
            kind: Kind::Run,
            name: run.handler,
            payload: run.payload,
            source: run.source,
            chain: Vec::new(),
            depth: 0,
            key,
            order_key: None,
            deliveries: vec![delivery],
        };
        let published = self.queue.publish(message).await?;
        self.wake.notify_one();
        Ok(published)
    }

    /// Gives up a message's deliveries that have not ended: a job, or an event's. Answers how many.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] when there is no such message.
    pub async fn cancel(&self, tenant: &str, uid: &str, by: &str) -> Result<u64, QueueError> {
        let message = self.queue.message(tenant.to_owned(), uid.to_owned()).await?;
        let mut cancelled = 0;
        for delivery in message.deliveries.iter().filter(|delivery| !delivery.state.has_ended()) {
            let why = format!("cancelled by {by}");
            match self.queue.remove(tenant.to_owned(), delivery.id, State::Cancelled, why).await {
                Ok(removed) => {
                    cancelled += 1;
                    if removed.was_running {
                        self.running.cancel(delivery.id);
                    }
                }
                // It has ended meanwhile.
                Err(QueueError::WrongState { .. } | QueueError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cancelled)
    }

    /// What led to the call that asks.
    fn led_to(&self, origin: &Origin) -> Led {
        let by = running_as(origin.tenant.as_str(), origin.applet.as_str(), &origin.handler);
        let parent = origin.job.as_ref().or(origin.chain.event.as_ref());
        let led = parent.and_then(|uid| self.chains.of(&by, uid));
        // Without an entry (a call that was caused by nothing in the queue) the host still knows how deep it is.
        led.map_or_else(|| Led { chain: Vec::new(), depth: origin.chain.depth }, |led| (*led).clone())
    }
}

/// One delivery for an applet's own handler.
pub(super) fn own_delivery(applet: String, handler: String, delay_ms: u64, priority: i32) -> NewDelivery {
    NewDelivery {
        applet,
        handler,
        delay_ms,
        priority,
        attempts_max: JOB_ATTEMPTS_MAX,
        backoff_ms: JOB_BACKOFF_MS,
        backoff_ms_max: JOB_BACKOFF_MS_MAX,
        order_key: None,
        batch_max: 1,
        batch_wait_ms: 0,
        dropped: None,
    }
}

/// Under which name [`Chains`] has a call.
pub(super) fn running_as(tenant: &str, applet: &str, handler: &str) -> String {
    format!("{tenant}/{applet}/{handler}")
}

fn within(name: &'static str, allowed: usize, used: usize) -> Result<(), NotTaken> {
    if used <= allowed { Ok(()) } else { Err(NotTaken::TooLarge { name, allowed: allowed as u64, used: used as u64 }) }
}

fn check_delay(delay_ms: u64) -> Result<(), NotTaken> {
    let too_far = NotTaken::TooLarge { name: "events.delay_ms_max", allowed: DELAY_MS_MAX, used: delay_ms };
    if delay_ms <= DELAY_MS_MAX { Ok(()) } else { Err(too_far) }
}

fn check_json(payload: &str) -> Result<(), NotTaken> {
    within("events.payload_bytes_max", PAYLOAD_BYTES_MAX, payload.len())?;
    let read = serde_json::from_str::<serde::de::IgnoredAny>(payload);
    read.map(drop).map_err(|error| NotTaken::Invalid(format!("the payload is not JSON: {error}")))
}

/// For the applet.
fn refusal(error: NotTaken) -> CapabilityError {
    match error {
        NotTaken::TooLarge { name, allowed, used } => CapabilityError::Limit(LimitHit { name, allowed, used }),
        NotTaken::Queue(QueueError::Full { name, allowed, used, .. }) => {
            CapabilityError::Limit(LimitHit { name, allowed, used })
        }
        NotTaken::Queue(QueueError::Closed) => CapabilityError::Busy,
        NotTaken::Queue(QueueError::Unavailable(error)) => {
            tracing::error!(%error, "the queue cannot be used");
            CapabilityError::Failed("the queue cannot be used at present".into())
        }
        other => CapabilityError::Invalid(other.to_string()),
    }
}

fn delay_until(due_ms: Option<u64>, now_us: u64) -> u64 {
    due_ms.map_or(0, |due_ms| due_ms.saturating_sub(now_us / 1_000))
}

impl EventSink for Publisher {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        Box::pin(async move {
            let led = self.led_to(&event.origin);
            let event = NewEvent {
                tenant: event.origin.tenant.to_string(),
                source: format!("{}/{}", event.origin.applet, event.origin.handler),
                name: event.name,
                payload: event.payload,
                key: event.key,
                order_key: event.order_key,
                delay_ms: delay_until(event.due_ms, self.queue.time().wall_us()),
            };
            // Names are those that the applet declares and was granted: the core has seen to it.
            if let Err(error) = self.registry.sync().await {
                return Err(refusal(error.into()));
            }
            self.publish_led(event, led).await.map(|published| published.uid).map_err(refusal)
        })
    }
}

impl JobSink for Publisher {
    fn enqueue(&self, job: NewJob) -> Answering<'_, String> {
        Box::pin(async move {
            let led = self.led_to(&job.origin);
            let (tenant, applet) = (job.origin.tenant.to_string(), job.origin.applet.to_string());
            let delay_ms = delay_until(job.due_ms, self.queue.time().wall_us());
            let message = NewMessage {
                key: job.key.map(|key| (format!("job:{applet}/{}", job.handler), key)),
                tenant,
                kind: Kind::Job,
                name: job.handler.clone(),
                payload: job.payload,
                source: format!("{applet}/{}", job.origin.handler),
                chain: led.chain,
                depth: led.depth,
                order_key: None,
                deliveries: vec![own_delivery(applet, job.handler, delay_ms, job.priority)],
            };
            let published = self.queue.publish(message).await.map_err(|error| refusal(error.into()))?;
            self.wake.notify_one();
            Ok(published.uid)
        })
    }

    fn cancel(&self, origin: Origin, id: String) -> Answering<'_, bool> {
        Box::pin(async move {
            let (tenant, applet) = (origin.tenant.to_string(), origin.applet.to_string());
            let message = match self.queue.message(tenant.clone(), id.clone()).await {
                // Jobs of other applets are nobody's business.
                Ok(message)
                    if message.kind == Kind::Job && message.deliveries.iter().all(|one| one.applet == applet) =>
                {
                    message
                }
                Ok(_) | Err(QueueError::NotFound(_)) => return Ok(false),
                Err(error) => return Err(refusal(error.into())),
            };
            let cancelled = Self::cancel(self, &tenant, &message.id, &format!("{applet}/{}", origin.handler)).await;
            cancelled.map(|count| count > 0).map_err(|error| refusal(error.into()))
        })
    }

    fn progress(&self, origin: Origin, progress: String) -> Answering<'_, ()> {
        Box::pin(async move {
            let job = origin
                .job
                .ok_or_else(|| CapabilityError::Invalid("this call is no job: there is no progress to tell".into()))?;
            self.queue.progress(origin.tenant.to_string(), job, progress).await.map_err(|error| refusal(error.into()))
        })
    }
}
