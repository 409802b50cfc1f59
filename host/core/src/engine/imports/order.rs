//! The order of operations in virtual time: one after the other, as the applet made them. Which of two finishes first is the machine's doing;
//! here it has no part in what the applet sees, nor in what is in a database afterwards (`docs/determinism.md`).

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;
use tokio::task::JoinError;

use super::{Completed, State};
use crate::capability::db::DbSession;

/// When an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// After those before it.
    InOrder,
    /// The same, but for one that writes to the database beside a transaction of the same invocation: it would wait for that one's end, and
    /// with it everything behind it, the end too. Those behind it go first.
    WritesAlone,
    /// At once: a body in pieces goes on when its other end does.
    Beside,
}

/// Operations that have not been delivered.
#[derive(Default)]
pub(super) struct Order {
    /// Those that wait for their turn.
    waiting: VecDeque<(u32, Turn, oneshot::Sender<()>)>,
    /// The one whose turn it is.
    running: Option<u32>,
    /// Those beside that are done, by number.
    done: BTreeMap<u32, Completed>,
}

impl Order {
    /// A new operation; what is answered says when its turn has come.
    pub(super) fn enter(&mut self, operation: u32, turn: Turn) -> Option<oneshot::Receiver<()>> {
        if turn == Turn::Beside {
            return None;
        }
        let (go, wait) = oneshot::channel();
        self.waiting.push_back((operation, turn, go));
        Some(wait)
    }

    /// The applet wants no more of it.
    pub(super) fn leave(&mut self, operation: u32) {
        self.waiting.retain(|(waiting, ..)| *waiting != operation);
        self.running.take_if(|running| *running == operation);
        self.done.remove(&operation);
    }

    /// Gives the next one its turn, unless one has it.
    fn advance(&mut self, in_transaction: bool, has_timer: bool) {
        while self.running.is_none() {
            let is_free =
                |(_, turn, _): &(u32, Turn, oneshot::Sender<()>)| !(in_transaction && *turn == Turn::WritesAlone);
            let at = match self.waiting.iter().position(is_free) {
                Some(at) => at,
                // A timer may end the transaction.
                None if has_timer => return,
                // When nothing else is left, its own time ends the first one.
                None => 0,
            };
            let Some((operation, _, go)) = self.waiting.remove(at) else { return };
            if go.send(()).is_ok() {
                self.running = Some(operation);
            }
        }
    }
}

impl State {
    /// The next completion in order; nothing when nothing is under way, or `has_timer` and all of it waits for what a timer may do.
    ///
    /// The guest runs only while no operation has its turn: none is cancelled in the middle, and it makes no difference how long one takes.
    pub(in crate::engine) async fn next_in_order(&mut self, has_timer: bool) -> Option<Result<Completed, JoinError>> {
        let Self { order, tasks, aborts, capabilities, .. } = self;
        let order = order.get_or_insert_default();
        order.advance(capabilities.db.as_ref().is_some_and(DbSession::is_in_transaction), has_timer);
        loop {
            let joined = match order.running {
                Some(_) => tasks.join_next().await,
                // Whatever else is done is there now or comes later: the first by number goes first.
                None => match tasks.try_join_next() {
                    Some(joined) => Some(joined),
                    None => match order.done.pop_first() {
                        Some((_, completed)) => return Some(Ok(completed)),
                        // All that is wanted waits for its turn.
                        None if aborts.len() == order.waiting.len() => return None,
                        None => tasks.join_next().await,
                    },
                },
            };
            match joined? {
                Ok(completed) if order.running == Some(completed.operation) => {
                    order.running = None;
                    return Some(Ok(completed));
                }
                // One that was cancelled when it was done already is wanted no more.
                Ok(completed) if aborts.contains_key(&completed.operation) => {
                    order.done.insert(completed.operation, completed);
                }
                Err(error) if !error.is_cancelled() => return Some(Err(error)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operation whose turn it is, with what has been told so.
    fn turn(order: &mut Order, in_transaction: bool) -> Option<u32> {
        order.advance(in_transaction, false);
        order.running
    }

    #[test]
    fn one_goes_after_the_other() {
        let mut order = Order::default();
        let mut first = order.enter(1, Turn::InOrder).expect("it waits");
        let mut second = order.enter(2, Turn::InOrder).expect("it waits");
        assert!(order.enter(3, Turn::Beside).is_none(), "it goes at once");
        assert!(first.try_recv().is_err(), "nothing begins while the applet runs");
        assert_eq!(turn(&mut order, false), Some(1));
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        assert_eq!(turn(&mut order, false), Some(1), "it still has it");
        order.running = None;
        assert_eq!(turn(&mut order, false), Some(2));
    }

    #[test]
    fn what_is_cancelled_is_passed_over() {
        let mut order = Order::default();
        let receivers: Vec<_> = (1..=3).map(|operation| order.enter(operation, Turn::InOrder)).collect();
        order.leave(1);
        drop(receivers);
        assert_eq!(turn(&mut order, false), None, "nobody waits for a turn any more");
    }

    #[test]
    fn a_writer_beside_a_transaction_lets_it_end_first() {
        let mut order = Order::default();
        let _receivers: Vec<_> =
            [(1, Turn::WritesAlone), (2, Turn::InOrder)].map(|(operation, turn)| order.enter(operation, turn)).into();
        assert_eq!(turn(&mut order, true), Some(2));
        order.running = None;
        order.advance(true, true);
        assert_eq!(order.running, None, "a timer goes first");
        assert_eq!(turn(&mut order, true), Some(1), "nothing else is left");
    }
}
