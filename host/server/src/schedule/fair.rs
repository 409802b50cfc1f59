//! Start-time fair queueing of turns, whose cost is known only afterwards. It knows flows (tenants) by number and entries (calls) by
//! number, fuel and weights; it knows no time, no buckets and no places.
//!
//! Each flow has a virtual time: what it was charged, divided by its weight. The flow with the smallest goes next. A flow that begins to
//! compete is put at the virtual time of the one served last, so nobody saves up a share while idle. While turns of a flow are under way
//! their probable cost counts, so that one flow does not take every slot at once.

use std::collections::{BTreeSet, VecDeque};

/// Units of virtual time for one unit of fuel at weight 1: keeps rounding far below one fuel at the largest weight.
const SCALE: u128 = 1_000;
/// The largest weight.
pub(crate) const WEIGHT_MAX: u32 = 1_000;

const _: () = assert!(SCALE >= WEIGHT_MAX as u128, "a unit of fuel must move every flow");

#[derive(Debug, Default)]
struct Flow {
    weight: u32,
    time: u128,
    under_way: u32,
    /// What a turn of this flow probably burns: an average of the last ones.
    probable: u64,
    queue: VecDeque<u32>,
    /// Where it stands in `waiting`.
    place: Option<(u128, u64)>,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Fair {
    /// Fuel of one turn at most.
    turn_fuel: u64,
    slots: u32,
    flows: Vec<Flow>,
    waiting: BTreeSet<(u128, u64, u32)>,
    now: u128,
    arrivals: u64,
}

impl Fair {
    /// For turns of at most `turn_fuel`, of which `slots` can be under way.
    pub(crate) fn new(turn_fuel: u64, slots: u32) -> Self {
        Self { turn_fuel, slots, flows: Vec::new(), waiting: BTreeSet::new(), now: 0, arrivals: 0 }
    }

    /// Makes the flow `flow`, or begins it anew, as one that has had nothing.
    pub(crate) fn open(&mut self, flow: u32, weight: u32) {
        let index = flow as usize;
        if self.flows.len() <= index {
            self.flows.resize_with(index + 1, Flow::default);
        }
        debug_assert!(self.flows[index].queue.is_empty() && self.flows[index].under_way == 0, "it is in use");
        self.flows[index] = Flow { weight: weight.clamp(1, WEIGHT_MAX), probable: self.turn_fuel, ..Flow::default() };
    }

    /// Changes a flow's weight, from now on.
    pub(crate) fn set_weight(&mut self, flow: u32, weight: u32) {
        self.flows[flow as usize].weight = weight.clamp(1, WEIGHT_MAX);
        self.place(flow);
    }

    /// Whether the flow owes nothing and wants nothing: forgetting it changes no share.
    pub(crate) fn is_forgettable(&self, flow: u32) -> bool {
        let flow = &self.flows[flow as usize];
        flow.queue.is_empty() && flow.under_way == 0 && flow.time <= self.now
    }

    /// When nobody has or wants a turn, what flows owe each other is forgotten: it is a few turns at most.
    pub(crate) fn settle(&mut self) {
        if self.waiting.is_empty() && self.flows.iter().all(|flow| flow.under_way == 0) {
            self.now = self.flows.iter().map(|flow| flow.time).fold(self.now, u128::max);
        }
    }

    /// `entry` waits for a turn, behind the others of its flow.
    pub(crate) fn push(&mut self, flow: u32, entry: u32) {
        let now = self.now;
        let slack = self.slack(flow);
        let state = &mut self.flows[flow as usize];
        if state.queue.is_empty() {
            // One that has turns under way may lag behind by what they take, not more: it had too little to do, and does not hoard.
            let floor = if state.under_way == 0 { now } else { now.saturating_sub(slack) };
            state.time = state.time.max(floor);
        }
        state.queue.push_back(entry);
        if state.place.is_none() {
            self.place(flow);
        }
    }

    /// Takes `entry` out; whether it was there.
    pub(crate) fn remove(&mut self, flow: u32, entry: u32) -> bool {
        let queue = &mut self.flows[flow as usize].queue;
        let Some(at) = queue.iter().position(|other| *other == entry) else { return false };
        queue.remove(at);
        if queue.is_empty() {
            self.place(flow);
        }
        true
    }

    /// Who goes next: flow and entry.
    pub(crate) fn peek(&self) -> Option<(u32, u32)> {
        let (_, _, flow) = *self.waiting.first()?;
        let entry = *self.flows[flow as usize].queue.front().expect("a flow that waits has an entry");
        Some((flow, entry))
    }

    /// Begins the turn of whom [`Fair::peek`] names.
    pub(crate) fn begin(&mut self) {
        let Some((flow, _)) = self.peek() else { return };
        let slack = self.slack(flow);
        let state = &mut self.flows[flow as usize];
        state.queue.pop_front();
        state.time = state.time.max(self.now.saturating_sub(slack));
        self.now = self.now.max(state.time);
        state.under_way += 1;
        self.place(flow);
    }

    /// A turn of the flow is over, and is charged.
    pub(crate) fn end(&mut self, flow: u32, fuel: u64) {
        let state = &mut self.flows[flow as usize];
        debug_assert!(state.under_way > 0, "no turn is under way");
        state.under_way = state.under_way.saturating_sub(1);
        state.time += u128::from(fuel) * SCALE / u128::from(state.weight);
        state.probable = (state.probable / 8 * 7).saturating_add(fuel.min(self.turn_fuel) / 8).max(1);
        self.place(flow);
    }

    /// A turn of the flow was not used.
    pub(crate) fn give_back(&mut self, flow: u32) {
        let state = &mut self.flows[flow as usize];
        state.under_way = state.under_way.saturating_sub(1);
        self.place(flow);
    }

    /// How far a flow may lag behind: what two rounds of turns on all slots cost it.
    fn slack(&self, flow: u32) -> u128 {
        u128::from(self.turn_fuel) * SCALE * 2 * u128::from(self.slots) / u128::from(self.flows[flow as usize].weight)
    }

    /// Puts a flow where it belongs among those that wait.
    fn place(&mut self, flow: u32) {
        let state = &mut self.flows[flow as usize];
        let arrival = match state.place.take() {
            Some((key, arrival)) => {
                self.waiting.remove(&(key, arrival, flow));
                Some(arrival)
            }
            None => None,
        };
        if state.queue.is_empty() {
            return;
        }
        let arrival = arrival.unwrap_or_else(|| {
            self.arrivals += 1;
            self.arrivals
        });
        let probable = u128::from(state.probable) * u128::from(state.under_way) * SCALE / u128::from(state.weight);
        let key = state.time + probable;
        state.place = Some((key, arrival));
        self.waiting.insert((key, arrival, flow));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flows of the next turns, each charged `fuel` at once.
    fn turns(fair: &mut Fair, count: usize, fuel: u64) -> Vec<u32> {
        let mut flows = Vec::new();
        for _ in 0..count {
            let (flow, entry) = fair.peek().expect("somebody waits");
            fair.begin();
            fair.end(flow, fuel);
            fair.push(flow, entry);
            flows.push(flow);
        }
        flows
    }

    #[test]
    fn turns_follow_weights() {
        let mut fair = Fair::new(10, 1);
        for (flow, weight) in [(0, 100), (1, 300)] {
            fair.open(flow, weight);
            fair.push(flow, flow);
        }
        let first = turns(&mut fair, 400, 10).iter().filter(|flow| **flow == 0).count();
        assert_eq!(first, 100);
    }

    #[test]
    fn an_idle_flow_saves_nothing_and_waits_for_nobody() {
        let mut fair = Fair::new(10, 1);
        for flow in [0, 1] {
            fair.open(flow, 100);
        }
        fair.push(0, 0);
        turns(&mut fair, 1_000, 10);
        fair.push(1, 1);
        let next = turns(&mut fair, 10, 10);
        assert!(next[..2].contains(&1), "{next:?}");
        assert_eq!(next.iter().filter(|flow| **flow == 1).count(), 5, "it gets its half, not what it missed: {next:?}");
    }

    #[test]
    fn an_entry_can_leave() {
        let mut fair = Fair::new(10, 1);
        fair.open(0, 100);
        fair.push(0, 7);
        fair.push(0, 8);
        assert!(fair.remove(0, 7) && !fair.remove(0, 7));
        assert_eq!(fair.peek(), Some((0, 8)));
        assert!(fair.remove(0, 8));
        assert_eq!(fair.peek(), None);
        assert!(fair.is_forgettable(0));
    }

    #[test]
    fn a_turn_that_was_not_used_costs_nothing() {
        let mut fair = Fair::new(10, 1);
        fair.open(0, 100);
        fair.push(0, 7);
        fair.begin();
        assert!(!fair.is_forgettable(0));
        fair.give_back(0);
        assert!(fair.is_forgettable(0));
    }
}
