//! Who runs when: a place for each call under way, and turns at the processors that are shared in fuel across tenants (ADR 0021). The
//! rules are in `core.rs`, `admission.rs` and `fair.rs`, which know neither threads nor clocks; here they get both.

mod admission;
mod bucket;
mod core;
#[cfg(test)]
mod disorder;
mod fair;
#[cfg(test)]
mod simulation;
mod slab;
mod turns;

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use belljar::{AppletId, TenantId};
use tokio_util::sync::CancellationToken;

pub use self::admission::Full;
use self::core::{Core, Stand};
pub use self::turns::Place;
use crate::directory::Quotas;

/// What the scheduler has to give. Every field has a default for this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Turns under way at the same time, from 1; as many as the machine has processors by default.
    pub slots: u32,
    /// Calls under way at the same time, from 1; no more than the host has instances. 1,000 by default.
    pub places_max: u32,
    /// Calls that wait for a place, all tenants together. 2,000 by default.
    pub queue_max: u32,
    /// Bytes of requests that wait for a place, all tenants together. 64 MiB by default.
    pub queue_bytes_max: u64,
    /// Calls of one tenant that wait for a place. 200 by default.
    pub tenant_queue_max: u32,
    /// Bytes of one tenant's requests that wait for a place. 16 MiB by default.
    pub tenant_queue_bytes_max: u64,
    /// Time a call waits for a place, milliseconds; worker calls wait six times as long. 10,000 by default.
    pub queue_ms_max: u64,
    /// Fuel that one processor burns in a second: what `max_cpu_percent` is a share of. See [`FUEL_PER_CPU_SECOND`].
    pub fuel_per_cpu_second: u64,
    /// Fuel that a turn counts for beside what it burns, because it costs the host: see [`TURN_OVERHEAD_FUEL`]. It counts for whose turn
    /// is next, not for usage and quotas.
    pub turn_overhead_fuel: u64,
}

/// Fuel that one processor burns in a second. Measured on a server of 2026 by time on the processor, with long JavaScript: 3,300 million with objects,
/// JSON and regular expressions, 7,600 million with strings, 10,000 million with numbers (`fuel_of_a_processor_second` in
/// `tests/e2e/front/fairness.rs`).
pub const FUEL_PER_CPU_SECOND: u64 = 4_000_000_000;
/// What a turn costs the host in fuel: a fresh instance, its pages, entering and leaving it take some 50 microseconds.
pub const TURN_OVERHEAD_FUEL: u64 = 200_000;

impl Default for Settings {
    fn default() -> Self {
        let processors =
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
        Self {
            slots: processors,
            places_max: 1_000,
            queue_max: 2_000,
            queue_bytes_max: 64 << 20,
            tenant_queue_max: 200,
            tenant_queue_bytes_max: 16 << 20,
            queue_ms_max: 10_000,
            fuel_per_cpu_second: FUEL_PER_CPU_SECOND,
            turn_overhead_fuel: TURN_OVERHEAD_FUEL,
        }
    }
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Somebody waits for the answer of an HTTP request.
    Http,
    /// Events, jobs and schedules: they have at most half of all places, and of their tenant's.
    Worker,
    /// A one-off call over the admin API.
    Admin,
}

/// How busy the scheduler is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that have a place.
    pub admitted: u32,
    /// Calls that wait for one.
    pub queued: u32,
    /// Bytes of those.
    pub queued_bytes: u64,
    /// Turns under way.
    pub slots_busy: u32,
    /// Turns so far.
    pub turns: u64,
    /// Fuel burnt in them.
    pub fuel: u64,
    /// Tenants it remembers.
    pub tenants: usize,
}

/// Who asks for a place, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// Its share.
    pub quotas: &'a Quotas,
    /// The applet.
    pub applet: &'a AppletId,
    /// Calls of the applet under way at the same time; `None` is unlimited.
    pub concurrent_max: Option<u32>,
    /// Its share of one processor, percent; `None` is unlimited.
    pub cpu_percent_max: Option<u32>,
    /// What kind of call it is.
    pub lane: Lane,
    /// Bytes that the call holds while it waits.
    pub bytes: u64,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// It may not even wait.
    #[error(transparent)]
    Full(#[from] Full),
    /// It has waited as long as it may.
    #[error("the call has waited too long for its place")]
    Timeout,
    /// [`Scheduler::end_calls`] meant it while it waited.
    #[error("the call was ended while it waited")]
    Ended,
}

/// The scheduler: made once, shared by all calls.
pub struct Scheduler {
    state: Mutex<State>,
    begun: Instant,
    queue_ms_max: u64,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("load", &self.load()).finish_non_exhaustive()
    }
}

struct State {
    core: Core,
    wakers: Vec<Option<Waker>>,
}

impl State {
    /// Remembers whom to wake for `call`.
    fn await_call(&mut self, call: u32, waker: &Waker) {
        let index = call as usize;
        if self.wakers.len() <= index {
            self.wakers.resize_with(index + 1, || None);
        }
        match &mut self.wakers[index] {
            Some(known) if known.will_wake(waker) => {}
            place => *place = Some(waker.clone()),
        }
    }
}

impl Scheduler {
    /// Makes a scheduler.
    pub fn new(settings: Settings) -> Arc<Self> {
        let queue_ms_max = settings.queue_ms_max;
        Arc::new(Self {
            state: Mutex::new(State { core: Core::new(settings), wakers: Vec::new() }),
            begun: Instant::now(),
            queue_ms_max,
        })
    }

    /// Waits for a place. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`NoPlace`]: the queue is full, the tenant has no fuel left, or it took too long.
    pub async fn place(self: &Arc<Self>, ask: Ask<'_>) -> Result<Arc<Place>, NoPlace> {
        let (call, is_admitted) = self.with(|core, now_us| {
            let call = core.ask(&ask, now_us)?;
            Ok::<_, Full>((call, core.stand(call) != Stand::Queued))
        })?;
        // From here on it is finished, whatever happens.
        let place = Arc::new(Place::new(self.clone(), call));
        if !is_admitted {
            let factor = if ask.lane == Lane::Worker { 6 } else { 1 };
            let patience = Duration::from_millis(self.queue_ms_max.saturating_mul(factor));
            let ended = place.ended();
            tokio::select! {
                biased;
                () = ended.cancelled() => return Err(NoPlace::Ended),
                admitted = tokio::time::timeout(patience, place.admitted()) => admitted.map_err(|_| NoPlace::Timeout)?,
            }
        }
        Ok(place)
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        self.with(|core, _| core.load())
    }

    /// Ends the calls that are under way or wait now: of all tenants, of one, or of one of its applets.
    pub fn end_calls(&self, of: Option<(&TenantId, Option<&AppletId>)>) {
        let tokens = self.with(|core, _| core.end_calls(of));
        tokens.iter().for_each(CancellationToken::cancel);
    }

    /// A step of the core; wakes whom it concerns afterwards.
    fn with<T>(&self, step: impl FnOnce(&mut Core, u64) -> T) -> T {
        self.step(|state, now_us| step(&mut state.core, now_us))
    }

    fn step<T>(&self, step: impl FnOnce(&mut State, u64) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Within the lock, so that times never go back.
        let now_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let answer = step(&mut state, now_us);
        let woken = state.core.take_woken();
        let wakers: Vec<Waker> =
            woken.into_iter().filter_map(|call| state.wakers.get_mut(call as usize)?.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        answer
    }

    fn instant(&self, us: u64) -> Instant {
        self.begun + Duration::from_micros(us)
    }
}
