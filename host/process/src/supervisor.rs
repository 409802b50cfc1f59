//! Has processes ready for an applet, and gives them its calls. What is to be done when is decided by `machine`, for each replica; here
//! it is done. Processes belong to the supervisor: a caller that goes away takes nothing with it.

mod attend;
mod machine;
mod reload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use belljar_jail::Report;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::machine::State;
use self::machine::{Machine, Verdict};
use crate::error::{EndReason, ProcessError};
use crate::invocation::{Answer, Invocation};
use crate::process::spec::Spec;
use crate::process::{Process, Seat};

/// The processes of one applet. Dropping it kills them.
///
/// Whether tenants share a supervisor is decided by whoever makes it: what one leaves behind in a process, another can find there.
pub struct Supervisor {
    shared: Arc<Shared>,
}

/// How a supervisor's processes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The best state of a replica.
    pub state: State,
    /// Why that one is in it.
    pub reason: String,
    /// How long it has been, milliseconds.
    pub for_ms: u64,
    /// Failures in a row.
    pub failures: u32,
    /// When it may be started again, milliseconds from now.
    pub retry_ms: Option<u64>,
    /// The operating system's numbers of the processes that answer.
    pub processes: Vec<u32>,
    /// Of each of them, in the same order, what of its jail is active; none without a jail.
    pub jails: Vec<Option<Report>>,
    /// Calls that are in them.
    pub calls: u32,
}

struct Shared {
    inner: Mutex<Inner>,
    /// Told whenever a state changes.
    changed: Notify,
    epoch: Instant,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

struct Inner {
    spec: Arc<Spec>,
    slots: Vec<Slot>,
    closed: bool,
}

struct Slot {
    machine: Machine,
    process: Option<Arc<Process>>,
    /// Counts what was begun: a start that was overtaken by something else is thrown away.
    generation: u64,
}

/// What a caller is told.
enum Choice {
    Take(Seat),
    Wait(Option<Duration>),
    Fail(ProcessError),
}

impl Supervisor {
    /// Starts nothing yet, unless the spec says `keep_alive`. To be called on a Tokio runtime.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let slots = (0..spec.supervision.replicas.max(1))
            .map(|_| Slot { machine: Machine::new(spec.supervision.clone()), process: None, generation: 0 })
            .collect();
        let keep_alive = spec.supervision.keep_alive;
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner { spec: Arc::new(spec), slots, closed: false }),
            changed: Notify::new(),
            epoch: Instant::now(),
            reloading: tokio::sync::Mutex::new(()),
        });
        if keep_alive {
            tokio::spawn(attend::keep_alive(Arc::downgrade(&shared)));
        }
        Self { shared }
    }

    /// Makes a call: starts a process when there is none, waits for it within the deadline, and answers as soon as the head of the answer
    /// is there. Dropping the future gives the call up.
    ///
    /// # Errors
    /// [`ProcessError`]; [`ProcessError::is_retryable`] says of which the call may be made again.
    pub fn invoke(&self, invocation: Invocation) -> impl Future<Output = Result<Answer, ProcessError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let seat = shared.seat(invocation.deadline).await?;
            seat.call(invocation).await
        }
    }

    /// Has a process ready, as [`Self::invoke`] does, and gives it nothing to do.
    ///
    /// # Errors
    /// [`ProcessError`] when none becomes ready before the deadline. One that fails to start is not tried again here.
    pub async fn ready(&self, deadline: Instant) -> Result<(), ProcessError> {
        let failures = self.status().failures;
        let seated = self.shared.seat(deadline);
        let failed = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                let status = self.status();
                if status.failures > failures {
                    return ProcessError::Unavailable { reason: status.reason };
                }
                changed.await;
            }
        };
        tokio::select! {
            biased;
            seat = seated => seat.map(drop),
            error = failed => Err(error),
        }
    }

    /// How the processes are.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.shared.now();
        let inner = self.shared.lock();
        let best = inner.slots.iter().map(|slot| &slot.machine).min_by_key(|machine| match machine.state() {
            State::Healthy => 0,
            State::Starting => 1,
            State::Unhealthy => 2,
            State::Stopped => 3,
            State::Open => 4,
        });
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let processes = inner.slots.iter().filter_map(|slot| slot.process.as_ref());
        let ids = processes.clone().map(|process| process.id).collect();
        let jails = processes.clone().map(|process| process.jail()).collect();
        let calls = processes.map(|process| process.seats()).sum();
        let (state, reason, for_ms, failures, retry_ms) =
            best.map_or((State::Stopped, String::new(), 0, 0, None), |machine| {
                let retry = machine.until().map(|until| ms(until.saturating_sub(now)));
                (
                    machine.state(),
                    machine.reason().to_owned(),
                    ms(now.saturating_sub(machine.since())),
                    machine.failures(),
                    retry,
                )
            });
        Status { state, reason, for_ms, failures, retry_ms, processes: ids, jails, calls }
    }

    /// Forgets failures, closes an open circuit and ends the processes there are. The next call starts a new one.
    pub fn reset(&self) {
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        for slot in &mut inner.slots {
            slot.generation += 1;
            slot.machine.reset(now);
            if let Some(process) = slot.process.take() {
                process.end(EndReason::Stopped);
            }
        }
        drop(inner);
        self.shared.changed.notify_waiters();
    }

    /// Takes no more calls, lets those that are going on end within `drain_ms_max`, and ends the processes. Returns when they are gone.
    pub async fn shutdown(&self) {
        let now = self.shared.now();
        let mut processes = Vec::new();
        let drain = {
            let mut inner = self.shared.lock();
            inner.closed = true;
            for slot in &mut inner.slots {
                slot.generation += 1;
                slot.machine.stopped(now, "the applet has been stopped".into());
                processes.extend(slot.process.take());
            }
            Duration::from_millis(inner.spec.supervision.drain_ms_max)
        };
        self.shared.changed.notify_waiters();
        let until = Instant::now() + drain;
        for process in &processes {
            process.drained(until).await;
            process.end(EndReason::Stopped);
        }
        for process in &processes {
            process.until_ended().await;
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.closed = true;
        for slot in &mut inner.slots {
            slot.generation += 1;
            if let Some(process) = slot.process.take() {
                process.kill();
            }
        }
        drop(inner);
        self.shared.changed.notify_waiters();
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that is done under it can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat in a process that answers.
    async fn seat(self: &Arc<Self>, deadline: Instant) -> Result<Seat, ProcessError> {
        // The replica that this caller was told to start.
        let mut started = None;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.choose(&mut started) {
                Choice::Take(seat) => return Ok(seat),
                Choice::Fail(error) => return Err(error),
                Choice::Wait(until) => until.map_or(deadline, |until| (self.epoch + until).min(deadline)),
            };
            drop(tokio::time::timeout_at(until, changed).await);
            if Instant::now() >= deadline {
                let reason = self.lock().slots.first().map(|slot| slot.machine.reason().to_owned()).unwrap_or_default();
                return Err(ProcessError::Unavailable { reason });
            }
        }
    }

    /// The process with the fewest calls; what to do when there is none. Another replica is started when all have work.
    fn choose(self: &Arc<Self>, started: &mut Option<usize>) -> Choice {
        let now = self.now();
        let mut inner = self.lock();
        if inner.closed {
            return Choice::Fail(ProcessError::Stopped);
        }
        let spec = Arc::clone(&inner.spec);
        let able = inner.slots.iter().filter_map(|slot| slot.process.as_ref()).filter(|process| !process.is_ending());
        let best = able.min_by_key(|process| process.seats()).cloned();
        if let Some(process) = best {
            if process.seats() > 0
                && let Some(index) = inner.slots.iter().position(|slot| slot.machine.state() == State::Stopped)
                && inner.slots[index].machine.wanted(now, false) == Verdict::Start
            {
                self.start(&mut inner.slots[index], index, &spec);
            }
            return match process.seat() {
                Ok(seat) => Choice::Take(seat),
                Err(waiting_max) => Choice::Fail(ProcessError::Busy { waiting_max }),
            };
        }
        let mut wait: Option<Option<Duration>> = None;
        let mut refusal = None;
        for index in 0..inner.slots.len() {
            let slot = &mut inner.slots[index];
            match slot.machine.wanted(now, *started == Some(index)) {
                // Its process is ending, which is about to be noted.
                Verdict::Use => wait = wait.or(Some(None)),
                Verdict::Start => {
                    *started = Some(index);
                    self.start(slot, index, &spec);
                    return Choice::Wait(None);
                }
                Verdict::Wait(until) => {
                    let sooner = match (wait, until) {
                        (None | Some(None), until) => until,
                        (Some(Some(one)), Some(other)) => Some(one.min(other)),
                        (Some(one), None) => one,
                    };
                    wait = Some(sooner);
                }
                Verdict::Refuse(until) => refusal = Some((until, slot.machine.reason().to_owned())),
            }
        }
        match (wait, refusal) {
            (Some(until), _) => Choice::Wait(until),
            (None, Some((until, reason))) => {
                let retry = until.map_or(Duration::ZERO, |until| until.saturating_sub(now));
                Choice::Fail(ProcessError::Open {
                    reason,
                    retry_ms: u64::try_from(retry.as_millis()).unwrap_or(u64::MAX),
                })
            }
            // There is at least one replica.
            (None, None) => Choice::Fail(ProcessError::Stopped),
        }
    }

    /// Starts a process for a replica, in a task of its own.
    fn start(self: &Arc<Self>, slot: &mut Slot, index: usize, spec: &Arc<Spec>) {
        slot.generation += 1;
        tokio::spawn(attend::start(Arc::downgrade(self), index, slot.generation, Arc::clone(spec)));
    }
}
