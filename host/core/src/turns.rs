//! When an invocation may use a processor. An embedder that runs many tenants' applets gives each invocation a [`Turns`]; without one it
//! runs whenever the executor polls it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Decides when one invocation may run. It asks before each stretch of guest code, which ends when the guest waits, is done, or has burnt
/// [`TURN_FUEL`](crate::TURN_FUEL) in one go; while it waits for an operation it holds no turn.
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Everybody may run at once; what they burn is counted.
/// #[derive(Default)]
/// struct Counted(AtomicU64);
///
/// impl belljar::Turns for Counted {
///     fn begin(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
///         Box::pin(async {})
///     }
///     fn end(&self, fuel: u64, _goes_on: bool) {
///         self.0.fetch_add(fuel, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Turns: Send + Sync + 'static {
    /// Resolves when the invocation may run. A future that is dropped before it resolves has asked for nothing.
    fn begin(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// The turn that `begin` gave is over; `fuel` was burnt. Called once for each turn, whatever ends it. `goes_on` says that the guest is in
    /// the middle of something: unless its time is up, it asks for its next turn at once, and may be considered before this one is given
    /// to somebody else.
    fn end(&self, fuel: u64, goes_on: bool);
}

/// A turn that is given back when it is dropped.
struct Turn<'a> {
    turns: &'a dyn Turns,
    fuel: u64,
    goes_on: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.end(self.fuel, self.goes_on);
    }
}

/// Runs a call into the guest in turns. The call returns `Pending` for one reason only: it has burnt `turn_fuel` since the last time.
/// `burnt` tells from the call's result the fuel of all turns together; `None` when it cannot be told, as after a trap.
pub(crate) async fn in_turns<F: Future>(
    turns: Option<&Arc<dyn Turns>>,
    turn_fuel: u64,
    call: F,
    burnt: impl FnOnce(&F::Output) -> Option<u64>,
) -> F::Output {
    let Some(turns) = turns else { return call.await };
    let mut call = pin!(call);
    let mut earlier = 0;
    loop {
        turns.begin().await;
        let mut turn = Turn { turns: &**turns, fuel: 0, goes_on: false };
        match std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(output) => {
                turn.fuel = burnt(&output).map_or(turn_fuel, |fuel| fuel.saturating_sub(earlier));
                return output;
            }
            Poll::Pending => (turn.fuel, turn.goes_on) = (turn_fuel, true),
        }
        earlier += turn_fuel;
        drop(turn);
        // The deadline has to be looked at, even where a turn is always to be had.
        tokio::task::yield_now().await;
    }
}

/// As [`in_turns`], for a call that also waits for other things, and holds no turn while it does: when it returns `Pending` it asks to be
/// polled again at once only when it has burnt `turn_fuel`. `seen` tells the fuel burnt so far as far as it is known then; what is not known
/// is charged later.
pub(crate) async fn in_turns_that_wait<F: Future>(
    turns: Option<&Arc<dyn Turns>>,
    turn_fuel: u64,
    call: F,
    seen: impl Fn() -> u64,
    burnt: impl FnOnce(&F::Output) -> Option<u64>,
) -> F::Output {
    let Some(turns) = turns else { return call.await };
    let mut call = pin!(call);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let (mut charged, mut yielded) = (0_u64, 0_u64);
    loop {
        turns.begin().await;
        let mut turn = Turn { turns: &**turns, fuel: 0, goes_on: false };
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => {
                turn.fuel = burnt(&output).map_or(turn_fuel, |fuel| fuel.saturating_sub(charged));
                return output;
            }
            Poll::Pending => {
                turn.goes_on = woken.is_woken.load(Ordering::Acquire);
                yielded += if turn.goes_on { turn_fuel } else { 0 };
                let total = seen().max(yielded).max(charged);
                turn.fuel = total - charged;
                charged = total;
            }
        }
        drop(turn);
        woken.wait().await;
        // The deadline has to be looked at, even where a turn is always to be had.
        tokio::task::yield_now().await;
    }
}

/// Whether a call that waits wants to be polled again.
#[derive(Default)]
struct Woken {
    is_woken: AtomicBool,
    waiting: AtomicWaker,
}

impl Woken {
    async fn wait(&self) {
        std::future::poll_fn(|context| {
            self.waiting.register(context.waker());
            if self.is_woken.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(u64, bool)>>);

    impl Turns for Kept {
        fn begin(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(async {})
        }
        fn end(&self, fuel: u64, goes_on: bool) {
            self.0.lock().expect("not poisoned").push((fuel, goes_on));
        }
    }

    #[tokio::test]
    async fn each_turn_is_charged_once() {
        let kept = Arc::new(Kept::default());
        let turns: Arc<dyn Turns> = kept.clone();
        let call = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            25
        };
        assert_eq!(in_turns(Some(&turns), 10, call, |fuel| Some(*fuel)).await, 25);
        assert_eq!(*kept.0.lock().expect("not poisoned"), [(10, true), (10, true), (5, false)]);
    }

    /// Asks to be polled again at once, as a guest does that has burnt a turn's fuel.
    async fn yielding() {
        let mut has_yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_that_waits_holds_no_turn() {
        let kept = Arc::new(Kept::default());
        let turns: Arc<dyn Turns> = kept.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        let held = kept.clone();
        let telling = tokio::spawn(async move {
            while held.0.lock().expect("not poisoned").len() < 2 {
                tokio::task::yield_now().await;
            }
            // Its turn is over by now, though it has not ended.
            tell.send(()).expect("somebody waits");
        });
        let call = async {
            yielding().await;
            told.await.expect("it is told");
            25
        };
        assert_eq!(in_turns_that_wait(Some(&turns), 10, call, || 17, |fuel| Some(*fuel)).await, 25);
        telling.await.expect("it has told");
        assert_eq!(*kept.0.lock().expect("not poisoned"), [(17, true), (0, false), (8, false)]);
    }
}
