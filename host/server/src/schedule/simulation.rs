//! The scheduler in virtual time, from seeds: what every tenant gets, and how long it waits, whatever the others do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use belljar::{AppletId, TURN_FUEL, TenantId};

use super::admission::Full;
use super::core::{Core, Stand};
use super::{Ask, Lane, Settings};
use crate::directory::Quotas;

/// Fuel in a microsecond on one slot.
const FUEL_PER_US: u64 = 1_000;
/// What a full turn takes.
const TURN_US: u64 = TURN_FUEL / FUEL_PER_US;

/// Splitmix64: the test's only chance.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

/// What a tenant does.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    /// Always so many calls under way; each burns so much, from and to.
    Busy { calls: u32, fuel: (u64, u64) },
    /// A call after the other, with pauses of microseconds between them, from and to.
    Now { pause_us: (u64, u64), fuel: (u64, u64) },
    /// So many calls at once, again after about so many microseconds.
    Bursts { calls: u32, every_us: u64, fuel: (u64, u64) },
}

#[derive(Debug, Clone, Copy)]
struct Who {
    behaviour: Behaviour,
    weight: u32,
    cpu_percent_max: Option<u32>,
    fuel_per_minute_max: Option<u64>,
    concurrent_max: Option<u32>,
}

impl Who {
    fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, weight: 100, cpu_percent_max: None, fuel_per_minute_max: None, concurrent_max: None }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    EndTurn { call: u32, fuel: u64 },
    Tick,
}

#[derive(Debug)]
struct Under {
    who: usize,
    left: u64,
    wants_since_us: u64,
}

#[derive(Debug, Clone, Default)]
struct Told {
    fuel: u64,
    /// Longest wait for one turn, not counting what bounds of its own cost.
    wait_us_max: u64,
    done: u64,
    refused: HashMap<&'static str, u64>,
}

struct Simulation {
    core: Core,
    chance: Chance,
    now_us: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    who: Vec<Who>,
    names: Vec<TenantId>,
    under: HashMap<u32, Under>,
    told: Vec<Told>,
    running: u32,
}

impl Simulation {
    fn new(seed: u64, settings: Settings, who: Vec<Who>) -> Self {
        let mut simulation = Self {
            core: Core::new(settings),
            chance: Chance(seed),
            now_us: 0,
            events: BinaryHeap::new(),
            count: 0,
            names: (0..who.len()).map(|number| TenantId::new(format!("t{number}")).expect("a name")).collect(),
            told: vec![Told::default(); who.len()],
            under: HashMap::new(),
            running: 0,
            who,
        };
        for index in 0..simulation.who.len() {
            let (calls, after) = match simulation.who[index].behaviour {
                Behaviour::Busy { calls, .. } => (calls, (0, 1_000)),
                Behaviour::Now { pause_us, .. } => (1, pause_us),
                Behaviour::Bursts { every_us, .. } => (1, (0, every_us)),
            };
            for _ in 0..calls {
                let after = simulation.chance.within(after.0, after.1);
                simulation.at(after, Event::Arrive(index));
            }
        }
        simulation
    }

    fn at(&mut self, after_us: u64, event: Event) {
        self.count += 1;
        self.events.push(Reverse((self.now_us + after_us, self.count, event)));
    }

    fn run(mut self, until_us: u64) -> Vec<Told> {
        while let Some(Reverse((at_us, _, event))) = self.events.pop() {
            if at_us > until_us {
                break;
            }
            self.now_us = at_us;
            match event {
                Event::Arrive(who) => self.arrive(who),
                Event::EndTurn { call, fuel } => self.end_turn(call, fuel),
                Event::Tick => self.core.tick(self.now_us),
            }
            self.settle();
            assert_eq!(self.core.load().slots_busy, self.running, "slots and turns agree at {}", self.now_us);
        }
        self.told
    }

    fn arrive(&mut self, who: usize) {
        match self.who[who].behaviour {
            Behaviour::Bursts { calls, every_us, fuel } => {
                for _ in 0..calls {
                    self.call(who, fuel);
                }
                let pause = self.chance.within(every_us / 2, every_us / 2 * 3);
                self.at(pause, Event::Arrive(who));
            }
            Behaviour::Busy { fuel, .. } | Behaviour::Now { fuel, .. } => self.call(who, fuel),
        }
    }

    fn call(&mut self, index: usize, fuel: (u64, u64)) {
        let who = self.who[index];
        let quotas = Quotas {
            weight: who.weight,
            concurrent_max: who.concurrent_max,
            fuel_per_minute_max: who.fuel_per_minute_max,
            ..Quotas::default()
        };
        let applet = AppletId::new("a").expect("a name");
        let ask = Ask {
            tenant: &self.names[index],
            quotas: &quotas,
            applet: &applet,
            concurrent_max: None,
            cpu_percent_max: who.cpu_percent_max,
            lane: Lane::Http,
            bytes: 1_000,
        };
        match self.core.ask(&ask, self.now_us) {
            Ok(call) => {
                let left = self.chance.within(fuel.0, fuel.1);
                self.under.insert(call, Under { who: index, left, wants_since_us: self.now_us });
                self.core.wake(call);
            }
            Err(full) => {
                let why = match full {
                    Full::Queue => "queue",
                    Full::Concurrency => "concurrency",
                    Full::Fuel { .. } => "fuel",
                };
                *self.told[index].refused.entry(why).or_default() += 1;
                if !matches!(who.behaviour, Behaviour::Bursts { .. }) {
                    self.at(20_000, Event::Arrive(index));
                }
            }
        }
    }

    /// Whoever makes one call after the other makes the next.
    fn next_call(&mut self, who: usize) {
        match self.who[who].behaviour {
            Behaviour::Busy { .. } => self.at(0, Event::Arrive(who)),
            Behaviour::Now { pause_us, .. } => {
                let pause = self.chance.within(pause_us.0, pause_us.1);
                self.at(pause, Event::Arrive(who));
            }
            Behaviour::Bursts { .. } => {}
        }
    }

    fn end_turn(&mut self, call: u32, fuel: u64) {
        self.running -= 1;
        let under = self.under.get_mut(&call).expect("it is under way");
        under.left -= fuel;
        under.wants_since_us = self.now_us;
        let (who, goes_on) = (under.who, under.left > 0);
        self.told[who].fuel += fuel;
        self.core.end_turn(call, fuel, goes_on, self.now_us);
        if !goes_on {
            self.told[who].done += 1;
            self.under.remove(&call);
            self.core.finish(call, self.now_us);
            self.next_call(who);
        }
    }

    /// Those whose stand has changed act on it.
    fn settle(&mut self) {
        loop {
            let woken = self.core.take_woken();
            if woken.is_empty() {
                return;
            }
            for call in woken {
                let Some(under) = self.under.get_mut(&call) else { continue };
                if self.core.stand(call) == Stand::Idle {
                    // Waiting for a place is not waiting for a turn.
                    under.wants_since_us = self.now_us;
                    self.core.want_turn(call, self.now_us);
                }
                match self.core.stand(call) {
                    Stand::Granted => {
                        self.core.begin_turn(call);
                        self.running += 1;
                        let wait_us = self.now_us - under.wants_since_us;
                        let told = &mut self.told[under.who];
                        told.wait_us_max = told.wait_us_max.max(wait_us);
                        let fuel = under.left.min(TURN_FUEL);
                        self.at(fuel.div_ceil(FUEL_PER_US), Event::EndTurn { call, fuel });
                    }
                    Stand::Parked(_) => {
                        let until_us = self.core.parked_until_us(call).expect("a parked call has a time");
                        self.at(until_us.saturating_sub(self.now_us), Event::Tick);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn settings(slots: u32) -> Settings {
    Settings { slots, turn_overhead_fuel: 0, fuel_per_cpu_second: FUEL_PER_US * SECOND, ..Settings::default() }
}

const SECOND: u64 = 1_000_000;
const LONG: (u64, u64) = (50 * TURN_FUEL, 500 * TURN_FUEL);
const SHORT: (u64, u64) = (100_000, 600_000);

/// Shares of the fuel within 5 % of what the weights say, among tenants that always have enough to do.
fn check_shares(seed: u64, slots: u32, who: &[Who], among: std::ops::Range<usize>) {
    let told = Simulation::new(seed, settings(slots), who.to_vec()).run(20 * SECOND);
    let fuel: u64 = told[among.clone()].iter().map(|told| told.fuel).sum();
    let weights: u64 = who[among.clone()].iter().map(|who| u64::from(who.weight)).sum();
    for index in among {
        let expected = fuel as f64 * f64::from(who[index].weight) / weights as f64;
        let got = told[index].fuel as f64;
        assert!(
            (got - expected).abs() <= expected * 0.05,
            "seed {seed}, {slots} slots, tenant {index}: {got} of {expected}: {told:?}"
        );
    }
}

#[test]
fn every_tenant_gets_its_share() {
    for seed in 0..40 {
        let mut chance = Chance(seed ^ 0x5eed);
        let slots = chance.within(1, 8) as u32;
        let tenants = chance.within(2, 8);
        let who: Vec<Who> = (0..tenants)
            .map(|_| {
                let fuel = match chance.within(0, 2) {
                    0 => LONG,
                    1 => SHORT,
                    _ => (1_000, 3 * TURN_FUEL),
                };
                // More calls than slots: each tenant could use the whole machine.
                let calls = slots * 2 + chance.within(1, 60) as u32;
                Who::new(Behaviour::Busy { calls, fuel })
            })
            .collect();
        check_shares(seed, slots, &who, 0..who.len());
    }
}

#[test]
fn shares_follow_weights() {
    for seed in 0..40 {
        let mut chance = Chance(seed ^ 0x3e16);
        let slots = chance.within(1, 4) as u32;
        let who: Vec<Who> = (0..chance.within(2, 6))
            .map(|_| {
                let fuel = if chance.within(0, 1) == 0 { LONG } else { SHORT };
                Who { weight: chance.within(50, 400) as u32, ..Who::new(Behaviour::Busy { calls: slots * 3, fuel }) }
            })
            .collect();
        check_shares(seed, slots, &who, 0..who.len());
    }
}

#[test]
fn a_single_call_gets_the_weight_of_its_tenant() {
    // One call each: it asks again as its turn ends, or the two would simply alternate.
    let one = |weight| Who { weight, ..Who::new(Behaviour::Busy { calls: 1, fuel: LONG }) };
    check_shares(1, 1, &[one(100), one(300), one(50)], 0..3);
}

#[test]
fn others_cannot_push_a_tenant_out() {
    for seed in 0..40 {
        let mut chance = Chance(seed ^ 0xbad);
        let slots = chance.within(1, 4) as u32;
        // Three who always want to work, and a crowd that floods, bursts, and comes and goes.
        let mut who = vec![
            Who::new(Behaviour::Busy { calls: 20, fuel: LONG }),
            Who::new(Behaviour::Busy { calls: 150, fuel: SHORT }),
            Who::new(Behaviour::Busy { calls: slots * 2, fuel: (TURN_FUEL / 2, 2 * TURN_FUEL) }),
        ];
        for _ in 0..chance.within(1, 10) {
            who.push(Who::new(match chance.within(0, 1) {
                0 => Behaviour::Bursts { calls: 100, every_us: chance.within(50_000, SECOND), fuel: SHORT },
                _ => Behaviour::Now { pause_us: (0, 20_000), fuel: (1_000, 3 * TURN_FUEL) },
            }));
        }
        let all = who.len() as f64;
        let told = Simulation::new(seed, settings(slots), who.clone()).run(20 * SECOND);
        let machine = (20 * SECOND * u64::from(slots) * FUEL_PER_US) as f64;
        for told in &told[..3] {
            // An even share of the machine at least: what others leave comes on top.
            assert!(
                told.fuel as f64 >= 0.95 * machine / all,
                "seed {seed}, {slots} slots: {} of {machine}: {told:?}",
                told.fuel
            );
        }
        let three: Vec<f64> = told[..3].iter().map(|told| told.fuel as f64).collect();
        let mean = three.iter().sum::<f64>() / 3.0;
        assert!(three.iter().all(|fuel| (fuel - mean).abs() <= mean * 0.05), "seed {seed}, {slots} slots: {three:?}");
    }
}

#[test]
fn who_asks_for_little_waits_for_a_few_turns() {
    let mut longest = 0;
    for seed in 0..30 {
        let mut chance = Chance(seed ^ 0xfa57);
        let slots = chance.within(1, 8) as u32;
        let mut who = vec![Who::new(Behaviour::Now { pause_us: (10_000, 200_000), fuel: SHORT })];
        for _ in 0..chance.within(1, 12) {
            let behaviour = match chance.within(0, 2) {
                0 => Behaviour::Busy { calls: chance.within(1, 100) as u32, fuel: LONG },
                1 => Behaviour::Busy { calls: chance.within(1, 180) as u32, fuel: SHORT },
                _ => Behaviour::Bursts {
                    calls: 180,
                    every_us: chance.within(100_000, SECOND),
                    fuel: (1_000, 5 * TURN_FUEL),
                },
            };
            who.push(Who { weight: chance.within(50, 200) as u32, ..Who::new(behaviour) });
        }
        let told = Simulation::new(seed, settings(slots), who).run(12 * SECOND);
        assert!(told[0].done > 50 && told[0].refused.is_empty(), "seed {seed}: {:?}", told[0]);
        longest = longest.max(told[0].wait_us_max);
        assert!(told[0].wait_us_max <= 4 * TURN_US, "seed {seed}, {slots} slots: waited {} us", told[0].wait_us_max);
    }
    assert!(longest > TURN_US / 4, "the others keep the slots busy, so somebody waits");
}

#[test]
fn a_share_of_a_processor_is_kept() {
    for percent in [5, 25, 150] {
        let slots = 4;
        let limited = Who { cpu_percent_max: Some(percent), ..Who::new(Behaviour::Busy { calls: 10, fuel: LONG }) };
        let told = Simulation::new(u64::from(percent), settings(slots), vec![limited]).run(60 * SECOND);
        let allowed = (60 * SECOND * FUEL_PER_US) as f64 * f64::from(percent) / 100.0;
        let got = told[0].fuel as f64;
        // It begins with a full bucket, of a second or a turn, and may overdraw it by what is under way.
        let burst = (allowed / 60.0).max(TURN_FUEL as f64) + (slots as u64 * TURN_FUEL) as f64;
        assert!(got >= allowed * 0.95 && got <= allowed + burst, "{percent} %: {got} of {allowed}");
    }
}

#[test]
fn the_fuel_of_a_minute_is_kept() {
    let per_minute = 6_000 * TURN_FUEL / 100;
    let limited = Who { fuel_per_minute_max: Some(per_minute), ..Who::new(Behaviour::Busy { calls: 20, fuel: SHORT }) };
    let told = Simulation::new(1, settings(2), vec![limited]).run(180 * SECOND);
    // The first minute's is there at once.
    let allowed = per_minute * 4;
    assert!(
        told[0].fuel <= allowed + 2 * TURN_FUEL && told[0].fuel >= allowed / 100 * 95,
        "{} of {allowed}",
        told[0].fuel
    );
    assert!(told[0].refused["fuel"] > 100, "{told:?}");
}

#[test]
fn queues_are_bounded_and_fair() {
    let small = Settings { places_max: 16, queue_max: 64, tenant_queue_max: 20, ..settings(2) };
    let mut who = vec![Who::new(Behaviour::Now { pause_us: (1_000, 50_000), fuel: SHORT })];
    who.extend([Who::new(Behaviour::Bursts { calls: 300, every_us: SECOND / 4, fuel: (TURN_FUEL, 3 * TURN_FUEL) }); 6]);
    let told = Simulation::new(3, small, who).run(60 * SECOND);
    assert!(told[0].refused.is_empty(), "who has nothing waiting is let in: {:?}", told[0]);
    let why: Vec<&str> = told[1..].iter().flat_map(|told| told.refused.keys().copied()).collect();
    assert!(why.contains(&"queue") && why.contains(&"concurrency"), "{why:?}");
    let done: Vec<u64> = told[1..].iter().map(|told| told.done).collect();
    let (least, most) = (done.iter().min().expect("six"), done.iter().max().expect("six"));
    assert!(least * 100 >= most * 80, "{done:?}");
}

fn ask<'a>(tenant: &'a TenantId, quotas: &'a Quotas, applet: &'a AppletId, lane: Lane) -> Ask<'a> {
    Ask { tenant, quotas, applet, concurrent_max: Some(2), cpu_percent_max: None, lane, bytes: 100 }
}

#[test]
fn an_applets_bound_holds_others_not_up() {
    let (tenant, quotas) =
        (TenantId::new("t").expect("a name"), Quotas { concurrent_max: Some(4), ..Quotas::default() });
    let (one, other) = (AppletId::new("one").expect("a name"), AppletId::new("other").expect("a name"));
    let mut core = Core::new(settings(1));
    let open =
        |core: &mut Core, applet| core.ask(&ask(&tenant, &quotas, applet, Lane::Http), 0).expect("there is room");
    let first = open(&mut core, &one);
    open(&mut core, &one);
    let third = open(&mut core, &one);
    let fourth = open(&mut core, &one);
    let fifth = open(&mut core, &other);
    assert_eq!(
        [first, third, fourth, fifth].map(|call| core.stand(call)),
        [Stand::Idle, Stand::Queued, Stand::Queued, Stand::Idle]
    );
    // One that waits leaves; the next in line gets the place.
    core.finish(third, 0);
    core.finish(first, 0);
    assert_eq!(core.stand(fourth), Stand::Idle);
    let load = core.load();
    assert_eq!((load.admitted, load.queued, load.queued_bytes), (3, 0, 0));
}

#[test]
fn workers_leave_half_of_the_places() {
    let (tenant, quotas) =
        (TenantId::new("t").expect("a name"), Quotas { concurrent_max: Some(4), ..Quotas::default() });
    let applets: Vec<AppletId> = (0..4).map(|number| AppletId::new(format!("a{number}")).expect("a name")).collect();
    let mut core = Core::new(settings(1));
    let calls: Vec<u32> = applets
        .iter()
        .map(|applet| core.ask(&ask(&tenant, &quotas, applet, Lane::Worker), 0).expect("it may wait"))
        .collect();
    let stands = |core: &Core| calls[..].iter().filter(|call| core.stand(**call) == Stand::Idle).count();
    assert_eq!(stands(&core), 2);
    let person = core.ask(&ask(&tenant, &quotas, &applets[3], Lane::Http), 0).expect("there is room");
    assert_eq!(core.stand(person), Stand::Idle);
    core.finish(person, 0);
    assert_eq!(stands(&core), 2);
}

#[test]
fn tenants_that_rest_are_forgotten() {
    let quotas = Quotas { fuel_per_minute_max: Some(1_000), ..Quotas::default() };
    let applet = AppletId::new("a").expect("a name");
    let mut core = Core::new(settings(1));
    for number in 0..50_000_u64 {
        let tenant = TenantId::new(format!("t{number}")).expect("a name");
        let now_us = number * 100_000;
        let call = core.ask(&ask(&tenant, &quotas, &applet, Lane::Http), now_us).expect("there is room");
        assert!(core.want_turn(call, now_us));
        core.begin_turn(call);
        core.end_turn(call, 100, false, now_us + 10);
        core.finish(call, now_us + 10);
        core.take_woken();
    }
    assert!(core.load().tenants <= 2_048, "{}", core.load().tenants);
}

#[test]
fn ending_calls_concerns_those_under_way() {
    let (tenant, other, quotas) =
        (TenantId::new("t").expect("a name"), TenantId::new("o").expect("a name"), Quotas::default());
    let applet = AppletId::new("a").expect("a name");
    let mut core = Core::new(settings(1));
    let call = core.ask(&ask(&tenant, &quotas, &applet, Lane::Http), 0).expect("there is room");
    let spared = core.ask(&ask(&other, &quotas, &applet, Lane::Http), 0).expect("there is room");
    let (ended, spared) = (core.ended(call), core.ended(spared));
    core.end_calls(Some((&tenant, Some(&applet)))).iter().for_each(tokio_util::sync::CancellationToken::cancel);
    assert!(ended.is_cancelled() && !spared.is_cancelled());
    let next = core.ask(&ask(&tenant, &quotas, &applet, Lane::Http), 0).expect("there is room");
    assert!(!core.ended(next).is_cancelled());
}
