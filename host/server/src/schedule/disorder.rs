//! The scheduler's steps in any order that calls can bring about: callers who go at any moment, bounds that change, turns that are not
//! taken. Whatever comes, the books agree, and when all have gone nothing is left.

use std::collections::BTreeMap;

use belljar::{AppletId, TURN_FUEL, TenantId};
use proptest::prelude::*;

use super::core::{Core, Stand};
use super::{Ask, Lane, Settings};
use crate::directory::Quotas;

#[derive(Debug, Clone)]
enum Step {
    Ask {
        tenant: u8,
        applet: u8,
        lane: Lane,
        concurrent_max: Option<u32>,
        cpu_percent_max: Option<u32>,
        fuel_per_minute_max: Option<u64>,
    },
    /// What the call with this number, of those there are, does next.
    Go {
        call: usize,
        fuel: u64,
        goes_on: bool,
    },
    CancelTurn {
        call: usize,
    },
    Leave {
        call: usize,
    },
    EndCalls {
        tenant: u8,
    },
    Pass {
        us: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(Lane::Http), Just(Lane::Worker), Just(Lane::Admin)];
    let some = |low: u32, high: u32| proptest::option::of(low..high);
    prop_oneof![
        4 => (0u8..5, 0u8..3, lane, some(0, 4), some(1, 200), proptest::option::of(1u64..1_000_000_000)).prop_map(
            |(tenant, applet, lane, concurrent_max, cpu_percent_max, fuel_per_minute_max)| Step::Ask {
                tenant, applet, lane, concurrent_max, cpu_percent_max, fuel_per_minute_max,
            }
        ),
        8 => (any::<usize>(), 0..TURN_FUEL * 2, any::<bool>()).prop_map(|(call, fuel, goes_on)| Step::Go { call, fuel, goes_on }),
        1 => any::<usize>().prop_map(|call| Step::CancelTurn { call }),
        2 => any::<usize>().prop_map(|call| Step::Leave { call }),
        1 => (0u8..5).prop_map(|tenant| Step::EndCalls { tenant }),
        2 => (0u64..5_000_000).prop_map(|us| Step::Pass { us }),
    ]
}

fn name(prefix: char, number: u8) -> String {
    format!("{prefix}{number}")
}

/// What the steps have done, by call.
#[derive(Default)]
struct Books {
    /// Bytes of each call that is known.
    calls: BTreeMap<u32, u64>,
    now_us: u64,
}

impl Books {
    fn pick(&self, call: usize) -> Option<u32> {
        self.calls.keys().nth(call.checked_rem(self.calls.len())?).copied()
    }

    fn check(&self, core: &Core, settings: &Settings) {
        let load = core.load();
        let stands: Vec<(Stand, u64)> = self.calls.iter().map(|(call, bytes)| (core.stand(*call), *bytes)).collect();
        let count = |wanted: fn(Stand) -> bool| stands.iter().filter(|(stand, _)| wanted(*stand)).count() as u32;
        assert_eq!(load.queued, count(|stand| stand == Stand::Queued));
        assert_eq!(load.admitted, count(|stand| stand != Stand::Queued));
        assert_eq!(load.slots_busy, count(|stand| matches!(stand, Stand::Granted | Stand::Running)));
        let queued_bytes: u64 =
            stands.iter().filter(|(stand, _)| *stand == Stand::Queued).map(|(_, bytes)| bytes).sum();
        assert_eq!(load.queued_bytes, queued_bytes);
        assert!(
            load.admitted <= settings.places_max
                && load.queued <= settings.queue_max
                && load.slots_busy <= settings.slots
        );
        // No slot stands free while somebody waits for one.
        let waiting = count(|stand| stand == Stand::Waiting);
        assert!(
            waiting == 0 || load.slots_busy == settings.slots,
            "{waiting} wait for {} free slots",
            settings.slots - load.slots_busy
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_agree(steps in proptest::collection::vec(step(), 1..300)) {
        let settings = Settings { slots: 2, places_max: 9, queue_max: 12, tenant_queue_max: 5, queue_bytes_max: 5_000, tenant_queue_bytes_max: 2_500, ..Settings::default() };
        let (mut core, mut books) = (Core::new(settings.clone()), Books::default());
        for step in steps {
            take(&mut core, &mut books, step);
            core.take_woken();
            books.check(&core, &settings);
        }
        for call in std::mem::take(&mut books.calls).into_keys() {
            core.finish(call, books.now_us);
        }
        books.check(&core, &settings);
        prop_assert_eq!((core.calls.len(), core.hungry.len()), (0, 0));
    }
}

fn take(core: &mut Core, books: &mut Books, step: Step) {
    let now_us = books.now_us;
    match step {
        Step::Ask { tenant, applet, lane, concurrent_max, cpu_percent_max, fuel_per_minute_max } => {
            let quotas = Quotas {
                concurrent_max,
                fuel_per_minute_max,
                weight: 1 + u32::from(tenant) * 100,
                ..Quotas::default()
            };
            let (tenant, applet) =
                (TenantId::new(name('t', tenant)).expect("a name"), AppletId::new(name('a', applet)).expect("a name"));
            let bytes = 400;
            let ask = Ask {
                tenant: &tenant,
                quotas: &quotas,
                applet: &applet,
                concurrent_max: Some(3),
                cpu_percent_max,
                lane,
                bytes,
            };
            if let Ok(call) = core.ask(&ask, now_us) {
                assert!(books.calls.insert(call, bytes).is_none(), "a number means one call at a time");
            }
        }
        Step::Go { call, fuel, goes_on } => {
            let Some(call) = books.pick(call) else { return };
            match core.stand(call) {
                Stand::Running => core.end_turn(call, fuel, goes_on, now_us),
                Stand::Granted => core.begin_turn(call),
                Stand::Idle => drop(core.want_turn(call, now_us)),
                Stand::Queued | Stand::Waiting | Stand::Parked(_) => {}
            }
        }
        Step::CancelTurn { call } => {
            if let Some(call) = books.pick(call) {
                core.cancel_turn(call, now_us);
            }
        }
        Step::Leave { call } => {
            if let Some(call) = books.pick(call) {
                books.calls.remove(&call);
                core.finish(call, now_us);
            }
        }
        Step::EndCalls { tenant } => {
            let tenant = TenantId::new(name('t', tenant)).expect("a name");
            core.end_calls(Some((&tenant, None)));
        }
        Step::Pass { us } => {
            books.now_us += us;
            core.tick(books.now_us);
        }
    }
}
