//! The queue against a model: whatever happens in whatever order (publishing, claiming, success, failure, lost attempts, restarts, time),
//! nothing is lost, nothing runs more often than its attempts allow, and order is kept.

use std::collections::HashMap;

use proptest::prelude::*;

use super::tests::{Place, delivery, event};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        order_key: Option<u8>,
        delay_ms: u64,
        priority: i32,
        batch_max: u32,
        attempts_max: u32,
    },
    Claim {
        calls_max: usize,
    },
    Succeed {
        nth: usize,
    },
    Fail {
        nth: usize,
        is_final: bool,
    },
    Return {
        nth: usize,
    },
    /// The attempt answers never; its lease lapses some time.
    Lose,
    Cancel {
        nth: usize,
    },
    Pass {
        ms: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::option::of(0u8..2), prop_oneof![Just(0u64), 0u64..5_000], -1i32..2, prop_oneof![Just(1u32), Just(3)], 1u32..4).prop_map(
            |(order_key, delay_ms, priority, batch_max, attempts_max)| Step::Publish { order_key, delay_ms, priority, batch_max, attempts_max }
        ),
        5 => (1usize..4).prop_map(|calls_max| Step::Claim { calls_max }),
        4 => any::<usize>().prop_map(|nth| Step::Succeed { nth }),
        4 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(nth, is_final)| Step::Fail { nth, is_final }),
        1 => any::<usize>().prop_map(|nth| Step::Return { nth }),
        1 => Just(Step::Lose),
        1 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        3 => (0u64..40_000).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Restart),
    ]
}

/// What the model knows of a delivery, by its payload.
#[derive(Debug, Default)]
struct Known {
    order_key: Option<u8>,
    attempts_max: u32,
    attempts: u32,
    is_cancelled: bool,
    is_done: bool,
}

#[derive(Default)]
struct Model {
    known: Vec<Known>,
    held: Vec<Claimed>,
    /// Those whose attempts have begun, for each order key: what has begun last.
    last_of_key: HashMap<u8, usize>,
}

fn number(claimed: &Claimed) -> usize {
    claimed.payload.parse().unwrap()
}

impl Model {
    fn publish(&mut self, queue: &Queue, runtime: &tokio::runtime::Runtime, step: &Step) {
        let Step::Publish { order_key, delay_ms, priority, batch_max, attempts_max } = *step else { return };
        let payload = self.known.len().to_string();
        let delivery = NewDelivery {
            order_key: order_key.map(|key| key.to_string()),
            delay_ms,
            priority,
            batch_max,
            attempts_max,
            // Each kind of delivery has a handler of its own, as handlers have.
            handler: format!("{}-{batch_max}", order_key.is_some()),
            ..delivery("one")
        };
        runtime.block_on(queue.publish(event("acme", &payload, vec![delivery]))).unwrap();
        // Handlers order by themselves, so the model's key has the handler's part, too.
        let order_key = order_key.map(|key| key * 10 + u8::try_from(batch_max).unwrap());
        self.known.push(Known { order_key, attempts_max, ..Known::default() });
    }

    fn claim(&mut self, claims: Claims) {
        for claimed in claims.calls.into_iter().flatten() {
            let number = number(&claimed);
            // An attempt of it that was lost is not held any more.
            self.held.retain(|held| held.id != claimed.id);
            let known = &mut self.known[number];
            known.attempts += 1;
            assert_eq!(claimed.attempt, known.attempts, "each attempt counts");
            assert!(known.attempts <= known.attempts_max, "no more attempts than allowed");
            assert!(!known.is_done && !known.is_cancelled, "what has ended is not given out again");
            if let Some(key) = known.order_key {
                let last = self.last_of_key.insert(key, number).unwrap_or(0);
                assert!(last <= number, "{last} has begun before {number}");
                let others = self.held.iter().filter(|held| self.known[self::number(held)].order_key == Some(key));
                assert_eq!(others.count(), 0, "one at a time with the same key");
            }
            self.held.push(claimed);
        }
    }

    fn take(&mut self, nth: usize) -> Option<Claimed> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(nth % count))
    }
}

fn finish(runtime: &tokio::runtime::Runtime, queue: &Queue, claimed: &Claimed, ended: Ended) -> bool {
    let finish = Finish { delivery: claimed.id, lease: claimed.lease, ended };
    runtime.block_on(queue.finish(vec![finish])).unwrap().is_empty()
}

fn run(steps: &[Step], seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let place = Place::new(seed);
    let mut queue = place.open();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Publish { .. } => model.publish(&queue, &runtime, step),
            Step::Claim { calls_max } => {
                // Two at a time with the same key would be seen between the claims of one transaction, too.
                for _ in 0..*calls_max {
                    let claims = runtime.block_on(queue.claim(1, vec![])).unwrap();
                    // Of attempts that this claim has found to be lost, and that are dead, nothing is held.
                    let views = runtime.block_on(queue.list(Filter::default())).unwrap();
                    let runs = |id| views.iter().any(|view| view.id == id && view.state == State::Running);
                    model.held.retain(|held| runs(held.id));
                    model.claim(claims);
                }
            }
            Step::Succeed { nth } => {
                if let Some(claimed) = model.take(*nth)
                    && finish(&runtime, &queue, &claimed, Ended::Done { result: None })
                {
                    model.known[number(&claimed)].is_done = true;
                }
            }
            Step::Fail { nth, is_final } => {
                if let Some(claimed) = model.take(*nth) {
                    finish(
                        &runtime,
                        &queue,
                        &claimed,
                        Ended::Failed { error: "no".into(), delay_ms: None, is_final: *is_final },
                    );
                }
            }
            Step::Return { nth } => {
                if let Some(claimed) = model.take(*nth)
                    && finish(&runtime, &queue, &claimed, Ended::Returned { delay_ms: 100, why: "full".into() })
                {
                    model.known[number(&claimed)].attempts -= 1;
                }
            }
            Step::Lose => place.clock.pass_ms(31_000),
            Step::Cancel { nth } => {
                if let Some(claimed) = model.take(*nth) {
                    let removed =
                        runtime.block_on(queue.remove("acme".into(), claimed.id, State::Cancelled, "by hand".into()));
                    model.known[number(&claimed)].is_cancelled = removed.is_ok();
                }
            }
            Step::Pass { ms } => place.clock.pass_ms(*ms),
            Step::Restart => {
                runtime.block_on(queue.close());
                queue = place.open();
                model.held.clear();
            }
        }
    }
    // Everything comes to an end now: every attempt succeeds.
    model.held.clear();
    place.clock.pass_ms(31_000);
    loop {
        let claims = runtime.block_on(queue.claim(1, vec![])).unwrap();
        if claims.calls.is_empty() {
            match claims.next_due_ms {
                Some(ms) => place.clock.pass_ms(ms.max(1)),
                None => break,
            }
            continue;
        }
        model.claim(claims);
        while let Some(claimed) = model.take(0) {
            assert!(finish(&runtime, &queue, &claimed, Ended::Done { result: None }));
            model.known[number(&claimed)].is_done = true;
        }
    }
    let views = runtime.block_on(queue.list(Filter { limit: 1_000, ..Filter::default() })).unwrap();
    assert_eq!(views.len(), model.known.len(), "nothing is lost");
    for view in &views {
        let number: usize = {
            let message = runtime.block_on(queue.message("acme".into(), view.message.clone())).unwrap();
            usize::try_from(message.payload.as_u64().unwrap()).unwrap()
        };
        let known = &model.known[number];
        let expected = match (known.is_done, known.is_cancelled) {
            (true, _) => State::Done,
            (_, true) => State::Cancelled,
            _ => State::Dead,
        };
        assert_eq!(view.state, expected, "{view:?} {known:?}");
    }
    // What is remembered agrees with what is there.
    runtime.block_on(queue.run(|work| work.check_counts())).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(steps in prop::collection::vec(step(), 1..60), seed: u64) {
        run(&steps, seed);
    }
}
