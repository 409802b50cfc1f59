//! The place of one call, and its turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use belljar::Turns;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::Scheduler;
use super::core::Stand;

/// A place: the call is under way as long as this lives. It gives the call its turns.
#[derive(Debug)]
pub struct Place {
    scheduler: Arc<Scheduler>,
    call: u32,
    asked: Instant,
    /// Microseconds from asking to the first turn, and one; 0 for none so far.
    first_turn_us: AtomicU64,
    fuel: AtomicU64,
}

impl Place {
    pub(super) fn new(scheduler: Arc<Scheduler>, call: u32) -> Self {
        Self { scheduler, call, asked: Instant::now(), first_turn_us: AtomicU64::new(0), fuel: AtomicU64::new(0) }
    }

    /// Microseconds from asking for the place to the first turn; `None` before it.
    pub fn first_turn_us(&self) -> Option<u64> {
        self.first_turn_us.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Fuel burnt in turns that have ended.
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    /// Cancelled when [`Scheduler::end_calls`] means this call.
    pub fn ended(&self) -> CancellationToken {
        self.scheduler.with(|core, _| core.ended(self.call))
    }

    /// Waits until the call has its place.
    pub(super) async fn admitted(&self) {
        std::future::poll_fn(|context| {
            self.scheduler.step(|state, _| match state.core.stand(self.call) {
                Stand::Queued => {
                    state.await_call(self.call, context.waker());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            })
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.scheduler.step(|state, now_us| {
            if let Some(waker) = state.wakers.get_mut(self.call as usize) {
                *waker = None;
            }
            state.core.finish(self.call, now_us);
        });
    }
}

impl Turns for Place {
    fn begin(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Begin { place: self, has_asked: false, sleep: None })
    }

    fn end(&self, fuel: u64, goes_on: bool) {
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
        self.scheduler.with(|core, now_us| core.end_turn(self.call, fuel, goes_on, now_us));
    }
}

/// Waits for a turn.
struct Begin<'a> {
    place: &'a Place,
    has_asked: bool,
    /// Until there is fuel again.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for Begin<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let place = self.place;
        self.has_asked = true;
        loop {
            let parked_until_us = place.scheduler.step(|state, now_us| {
                if state.core.want_turn(place.call, now_us) {
                    state.core.begin_turn(place.call);
                    return Poll::Ready(());
                }
                state.await_call(place.call, context.waker());
                Poll::Pending
            });
            if parked_until_us.is_ready() {
                self.has_asked = false;
                let waited_us = u64::try_from(place.asked.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
                // Only the first one counts.
                let _ = place.first_turn_us.compare_exchange(0, waited_us + 1, Ordering::Relaxed, Ordering::Relaxed);
                return Poll::Ready(());
            }
            let Some(until_us) = place.scheduler.with(|core, _| core.parked_until_us(place.call)) else {
                self.sleep = None;
                return Poll::Pending;
            };
            let until = tokio::time::Instant::from_std(place.scheduler.instant(until_us));
            let sleep = match &mut self.sleep {
                Some(sleep) if sleep.deadline() == until => sleep,
                sleep => sleep.insert(Box::pin(tokio::time::sleep_until(until))),
            };
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
    }
}

impl Drop for Begin<'_> {
    fn drop(&mut self) {
        if self.has_asked {
            self.place.scheduler.with(|core, now_us| core.cancel_turn(self.place.call, now_us));
        }
    }
}
