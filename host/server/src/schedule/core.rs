//! The scheduler's state and rules, without threads, wakers or a clock of its own: every step says what time it is. A call is admitted
//! (it has a place) or queued; an admitted one asks for turns, one after the other, and finishes. What it decides is told by
//! [`Core::take_woken`]. Places are `admission.rs`, turns are here, their order is `fair.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};

use belljar::{AppletId, TURN_FUEL, TenantId};
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;
use super::fair::Fair;
use super::slab::Slab;
use super::{Ask, Lane, Load, Settings};
use crate::directory::Quotas;

/// Tenants that are remembered before those with nothing to remember are forgotten.
const SWEEP_AT: usize = 1_024;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It waits for a place.
    Queued,
    /// It has a place, and wants no turn.
    Idle,
    /// It waits for a turn.
    Waiting,
    /// It waits for fuel of its applet (`true`) or its tenant.
    Parked(bool),
    /// A turn is given, and not begun.
    Granted,
    /// Its turn is under way.
    Running,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) tenant: u32,
    pub(crate) applet: u32,
    pub(crate) lane: Lane,
    pub(crate) bytes: u64,
    pub(crate) arrival: u64,
    pub(crate) stand: Stand,
}

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) name: TenantId,
    pub(crate) weight: u32,
    pub(crate) concurrent_max: u32,
    fuel: Option<Bucket>,
    pub(crate) admitted: u32,
    pub(crate) workers: u32,
    pub(crate) queued: u32,
    pub(crate) queued_bytes: u64,
    applets: HashMap<AppletId, u32>,
    /// Queues of applets that are not empty: the applet, and whether it is the one of workers.
    pub(crate) queues: Vec<(u32, bool)>,
    /// Where it stands among the tenants that could use a place.
    pub(crate) hungry: Option<(u64, u64)>,
    parked: VecDeque<u32>,
    due_us: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Applet {
    pub(crate) tenant: u32,
    pub(crate) concurrent_max: u32,
    cpu: Option<Bucket>,
    pub(crate) admitted: u32,
    calls: u32,
    /// Calls that wait for a place: of people, of workers.
    pub(crate) queues: [VecDeque<u32>; 2],
    parked: VecDeque<u32>,
    due_us: Option<u64>,
    ended: CancellationToken,
}

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Tenant(u32),
    Applet(u32),
}

/// The state.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) tenants: Slab<Tenant>,
    by_name: HashMap<TenantId, u32>,
    pub(crate) applets: Slab<Applet>,
    pub(crate) calls: Slab<Call>,
    fair: Fair,
    free: u32,
    pub(crate) admitted: u32,
    pub(crate) workers: u32,
    pub(crate) queued: u32,
    pub(crate) queued_bytes: u64,
    pub(crate) hungry: BTreeSet<(u64, u64, u32)>,
    pub(crate) arrivals: u64,
    dues: BinaryHeap<Reverse<(u64, Due)>>,
    woken: Vec<u32>,
    sweep_at: usize,
    fuel: u64,
    turns: u64,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        let slots = settings.slots.max(1);
        Self {
            settings,
            tenants: Slab::default(),
            by_name: HashMap::new(),
            applets: Slab::default(),
            calls: Slab::default(),
            fair: Fair::new(TURN_FUEL, slots),
            free: slots,
            admitted: 0,
            workers: 0,
            queued: 0,
            queued_bytes: 0,
            hungry: BTreeSet::new(),
            arrivals: 0,
            dues: BinaryHeap::new(),
            woken: Vec::new(),
            sweep_at: SWEEP_AT,
            fuel: 0,
            turns: 0,
        }
    }

    /// Where a call stands.
    pub(crate) fn stand(&self, call: u32) -> Stand {
        self.calls[call].stand
    }

    /// Ends with the calls of this applet, when it is disabled or its time is up.
    pub(crate) fn ended(&self, call: u32) -> CancellationToken {
        self.applets[self.calls[call].applet].ended.clone()
    }

    /// Ends the calls that are under way now: of all tenants, of one, of one of its applets. The next ones are not concerned.
    pub(crate) fn end_calls(&mut self, of: Option<(&TenantId, Option<&AppletId>)>) -> Vec<CancellationToken> {
        let tenant = match of {
            Some((name, _)) => match self.by_name.get(name) {
                Some(tenant) => Some(*tenant),
                None => return Vec::new(),
            },
            None => None,
        };
        let applet = match of {
            Some((_, Some(applet))) => match tenant.and_then(|tenant| self.tenants[tenant].applets.get(applet)) {
                Some(applet) => Some(*applet),
                None => return Vec::new(),
            },
            _ => None,
        };
        let concerned = |(number, state): &(u32, &Applet)| {
            tenant.is_none_or(|tenant| state.tenant == tenant) && applet.is_none_or(|applet| applet == *number)
        };
        let numbers: Vec<u32> = self.applets.iter().filter(concerned).map(|(number, _)| number).collect();
        numbers.into_iter().map(|number| std::mem::take(&mut self.applets[number].ended)).collect()
    }

    /// Calls whose stand has changed by what others did, since the last time.
    pub(crate) fn take_woken(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.woken)
    }

    pub(crate) fn wake(&mut self, call: u32) {
        self.woken.push(call);
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> Load {
        Load {
            admitted: self.admitted,
            queued: self.queued,
            queued_bytes: self.queued_bytes,
            slots_busy: self.settings.slots.max(1) - self.free,
            turns: self.turns,
            fuel: self.fuel,
            tenants: self.tenants.len(),
        }
    }

    /// The tenant and the applet of a call, with today's bounds.
    pub(crate) fn open(&mut self, ask: &Ask<'_>, now_us: u64) -> (u32, u32) {
        let tenant = match self.by_name.get(ask.tenant) {
            Some(tenant) => *tenant,
            None => self.open_tenant(ask.tenant, ask.quotas, now_us),
        };
        let state = &mut self.tenants[tenant];
        if state.weight != ask.quotas.weight {
            state.weight = ask.quotas.weight;
            self.fair.set_weight(tenant, ask.quotas.weight);
        }
        state.concurrent_max = ask.quotas.concurrent_max.unwrap_or(u32::MAX);
        let per_minute = ask.quotas.fuel_per_minute_max.map(|fuel| (fuel as f64 / 60.0, fuel as f64));
        rebucket(&mut state.fuel, per_minute, now_us);
        let known = state.applets.get(ask.applet).copied();
        let applet = known.unwrap_or_else(|| self.open_applet(tenant, ask.applet));
        let state = &mut self.applets[applet];
        state.concurrent_max = ask.concurrent_max.unwrap_or(u32::MAX);
        let rate =
            ask.cpu_percent_max.map(|percent| f64::from(percent) / 100.0 * self.settings.fuel_per_cpu_second as f64);
        // A burst of one second, which is no less than a turn where the share is small.
        rebucket(&mut state.cpu, rate.map(|rate| (rate, rate.max(TURN_FUEL as f64))), now_us);
        (tenant, applet)
    }

    /// How long until the tenant may burn fuel, microseconds.
    pub(crate) fn fuel_wait_us(&mut self, tenant: u32, now_us: u64) -> u64 {
        self.tenants[tenant].fuel.as_mut().map_or(0, |bucket| bucket.wait_us(now_us))
    }

    /// The call wants a turn; whether it has it at once.
    pub(crate) fn want_turn(&mut self, call: u32, now_us: u64) -> bool {
        self.tick(now_us);
        if self.calls[call].stand == Stand::Idle {
            self.wait_for_turn(call);
            self.hand_out(now_us);
        }
        self.calls[call].stand == Stand::Granted
    }

    /// Until when a parked call waits at least.
    pub(crate) fn parked_until_us(&self, call: u32) -> Option<u64> {
        let Call { tenant, applet, stand, .. } = self.calls[call];
        match stand {
            Stand::Parked(true) => self.applets[applet].due_us,
            Stand::Parked(false) => self.tenants[tenant].due_us,
            _ => None,
        }
    }

    /// Lets go on what was parked until now.
    pub(crate) fn tick(&mut self, now_us: u64) {
        let mut any = false;
        while let Some(Reverse((_, due))) = self.dues.peek().filter(|due| due.0.0 <= now_us).copied() {
            self.dues.pop();
            let parked = match due {
                Due::Tenant(tenant) if self.tenants.get(tenant).is_some() => {
                    let state = &mut self.tenants[tenant];
                    state.due_us = None;
                    std::mem::take(&mut state.parked)
                }
                Due::Applet(applet) if self.applets.get(applet).is_some() => {
                    let state = &mut self.applets[applet];
                    state.due_us = None;
                    std::mem::take(&mut state.parked)
                }
                _ => VecDeque::new(),
            };
            any |= !parked.is_empty();
            for call in parked {
                self.wait_for_turn(call);
            }
        }
        if any {
            self.hand_out(now_us);
        }
    }

    /// The turn that was granted begins.
    pub(crate) fn begin_turn(&mut self, call: u32) {
        debug_assert_eq!(self.calls[call].stand, Stand::Granted, "a turn is begun once");
        self.calls[call].stand = Stand::Running;
        self.turns += 1;
    }

    /// The turn is over. `goes_on` asks for the next one before anybody else is looked at.
    pub(crate) fn end_turn(&mut self, call: u32, fuel: u64, goes_on: bool, now_us: u64) {
        if self.calls[call].stand != Stand::Running {
            return;
        }
        let Call { tenant, applet, .. } = self.calls[call];
        self.fair.end(tenant, fuel.saturating_add(self.settings.turn_overhead_fuel));
        if let Some(bucket) = &mut self.tenants[tenant].fuel {
            bucket.take(fuel, now_us);
        }
        if let Some(bucket) = &mut self.applets[applet].cpu {
            bucket.take(fuel, now_us);
        }
        self.fuel = self.fuel.saturating_add(fuel);
        self.free += 1;
        self.calls[call].stand = Stand::Idle;
        if goes_on {
            self.wait_for_turn(call);
        }
        self.tick(now_us);
        self.hand_out(now_us);
    }

    /// The call wants no turn any more.
    pub(crate) fn cancel_turn(&mut self, call: u32, now_us: u64) {
        let Call { tenant, applet, stand, .. } = self.calls[call];
        match stand {
            Stand::Waiting => {
                self.fair.remove(tenant, call);
            }
            Stand::Parked(true) => self.applets[applet].parked.retain(|other| *other != call),
            Stand::Parked(false) => self.tenants[tenant].parked.retain(|other| *other != call),
            Stand::Granted => {
                self.fair.give_back(tenant);
                self.free += 1;
            }
            Stand::Queued | Stand::Idle | Stand::Running => return,
        }
        self.calls[call].stand = Stand::Idle;
        self.hand_out(now_us);
    }

    /// Forgets a call that has neither place nor turn.
    pub(crate) fn close(&mut self, call: u32) {
        if let Some(call) = self.calls.remove(call) {
            self.applets[call.applet].calls -= 1;
        }
    }

    pub(crate) fn open_call(&mut self, tenant: u32, applet: u32, ask: &Ask<'_>) -> u32 {
        self.arrivals += 1;
        self.applets[applet].calls += 1;
        let call =
            Call { tenant, applet, lane: ask.lane, bytes: ask.bytes, arrival: self.arrivals, stand: Stand::Queued };
        self.calls.insert(call)
    }

    fn wait_for_turn(&mut self, call: u32) {
        self.calls[call].stand = Stand::Waiting;
        self.fair.push(self.calls[call].tenant, call);
    }

    /// Gives free slots to who is next; parks those who have no fuel left.
    fn hand_out(&mut self, now_us: u64) {
        while self.free > 0 {
            let Some((tenant, call)) = self.fair.peek() else { return };
            let applet = self.calls[call].applet;
            let tenant_wait_us = self.fuel_wait_us(tenant, now_us);
            if tenant_wait_us > 0 {
                self.fair.remove(tenant, call);
                let state = &mut self.tenants[tenant];
                state.parked.push_back(call);
                let due_us = now_us.saturating_add(tenant_wait_us);
                if state.due_us.is_none() {
                    state.due_us = Some(due_us);
                    self.dues.push(Reverse((due_us, Due::Tenant(tenant))));
                }
                self.calls[call].stand = Stand::Parked(false);
            } else if let Some(wait_us) =
                self.applets[applet].cpu.as_mut().map(|cpu| cpu.wait_us(now_us)).filter(|us| *us > 0)
            {
                self.fair.remove(tenant, call);
                let state = &mut self.applets[applet];
                state.parked.push_back(call);
                let due_us = now_us.saturating_add(wait_us);
                if state.due_us.is_none() {
                    state.due_us = Some(due_us);
                    self.dues.push(Reverse((due_us, Due::Applet(applet))));
                }
                self.calls[call].stand = Stand::Parked(true);
            } else {
                self.fair.begin();
                self.free -= 1;
                self.calls[call].stand = Stand::Granted;
            }
            self.wake(call);
        }
    }

    fn open_tenant(&mut self, name: &TenantId, quotas: &Quotas, now_us: u64) -> u32 {
        if self.tenants.len() >= self.sweep_at {
            self.sweep(now_us);
        }
        let tenant = self.tenants.insert(Tenant {
            name: name.clone(),
            weight: quotas.weight,
            concurrent_max: u32::MAX,
            fuel: None,
            admitted: 0,
            workers: 0,
            queued: 0,
            queued_bytes: 0,
            applets: HashMap::new(),
            queues: Vec::new(),
            hungry: None,
            parked: VecDeque::new(),
            due_us: None,
        });
        self.fair.open(tenant, quotas.weight);
        self.by_name.insert(name.clone(), tenant);
        tenant
    }

    fn open_applet(&mut self, tenant: u32, name: &AppletId) -> u32 {
        let applet = self.applets.insert(Applet {
            tenant,
            concurrent_max: u32::MAX,
            cpu: None,
            admitted: 0,
            calls: 0,
            queues: Default::default(),
            parked: VecDeque::new(),
            due_us: None,
            ended: CancellationToken::new(),
        });
        self.tenants[tenant].applets.insert(name.clone(), applet);
        applet
    }

    /// Forgets tenants with nothing under way, nothing owed and full buckets. The next sweep is when there are twice as many as are left.
    fn sweep(&mut self, now_us: u64) {
        self.fair.settle();
        let numbers: Vec<u32> = self.tenants.iter().map(|(number, _)| number).collect();
        for number in numbers {
            let applets: Vec<u32> = self.tenants[number].applets.values().copied().collect();
            let is_idle = |applet: &u32| self.applets[*applet].calls == 0;
            if !applets.iter().all(is_idle) || !self.fair.is_forgettable(number) {
                continue;
            }
            let is_full = |bucket: &mut Option<Bucket>| bucket.as_mut().is_none_or(|bucket| bucket.is_full(now_us));
            if !is_full(&mut self.tenants[number].fuel)
                || !applets.iter().all(|applet| is_full(&mut self.applets[*applet].cpu))
            {
                continue;
            }
            for applet in applets {
                self.applets.remove(applet);
            }
            if let Some(tenant) = self.tenants.remove(number) {
                self.by_name.remove(&tenant.name);
            }
        }
        self.sweep_at = SWEEP_AT.max(self.tenants.len() * 2);
    }
}

/// Gives a bucket these bounds, or takes it away.
fn rebucket(bucket: &mut Option<Bucket>, bounds: Option<(f64, f64)>, now_us: u64) {
    match (bucket.as_mut(), bounds) {
        (_, None) => *bucket = None,
        (None, Some((rate, capacity))) => *bucket = Some(Bucket::new(rate, capacity, now_us)),
        (Some(bucket), Some((rate, capacity))) if !bucket.is(rate, capacity) => bucket.resize(rate, capacity, now_us),
        (Some(_), Some(_)) => {}
    }
}
