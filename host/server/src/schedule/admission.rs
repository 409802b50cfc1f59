//! Who has a place: the calls under way are bounded for each applet, each tenant and all together, and what is more waits in bounded
//! queues, first come first served within an applet. A place that becomes free goes to the tenant that has the fewest for its weight.

use super::core::{Core, Stand};
use super::{Ask, Lane};

/// One place in this many is for tenants that have none.
const RESERVED: u32 = 8;

/// Why a call gets neither a place nor one in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All queues together are full.
    #[error("the server has too many calls waiting")]
    Queue,
    /// The tenant's calls under way and waiting are as many as it may have.
    #[error("the tenant has too many calls under way and waiting")]
    Concurrency,
    /// The tenant has burnt its fuel of this minute; there is some again after so many microseconds.
    #[error("the tenant has burnt its fuel of this minute")]
    Fuel {
        /// Microseconds.
        retry_us: u64,
    },
}

impl Core {
    /// A call asks for a place: it is [`Stand::Idle`] when it has one, [`Stand::Queued`] when it waits.
    ///
    /// # Errors
    /// [`Full`] when it may not even wait.
    pub(crate) fn ask(&mut self, ask: &Ask<'_>, now_us: u64) -> Result<u32, Full> {
        self.tick(now_us);
        let (tenant, applet) = self.open(ask, now_us);
        let retry_us = self.fuel_wait_us(tenant, now_us);
        if retry_us > 0 {
            return Err(Full::Fuel { retry_us });
        }
        let queue = usize::from(ask.lane == Lane::Worker);
        if self.applets[applet].queues[queue].is_empty() && self.has_room(tenant, applet, ask.lane) {
            let call = self.open_call(tenant, applet, ask);
            self.admit(call);
            return Ok(call);
        }
        let (settings, state) = (&self.settings, &self.tenants[tenant]);
        if state.queued >= settings.tenant_queue_max
            || state.queued_bytes.saturating_add(ask.bytes) > settings.tenant_queue_bytes_max
        {
            return Err(Full::Concurrency);
        }
        // No tenant has more in the queue than is left for all others, so that one is not filled by those who came first.
        let left = settings.queue_max.saturating_sub(self.queued);
        let left_bytes = settings.queue_bytes_max.saturating_sub(self.queued_bytes);
        if state.queued >= left || ask.bytes > left_bytes || (state.queued > 0 && state.queued_bytes >= left_bytes) {
            return Err(Full::Queue);
        }
        let call = self.open_call(tenant, applet, ask);
        let list = &mut self.applets[applet].queues[queue];
        if list.is_empty() {
            self.tenants[tenant].queues.push((applet, queue == 1));
        }
        list.push_back(call);
        let state = &mut self.tenants[tenant];
        state.queued += 1;
        state.queued_bytes += ask.bytes;
        self.queued += 1;
        self.queued_bytes += ask.bytes;
        self.look_at(tenant);
        // The bounds may be wider than they were when others came.
        self.admit_next();
        Ok(call)
    }

    /// The call is over, or its caller has gone, wherever it stood.
    pub(crate) fn finish(&mut self, call: u32, now_us: u64) {
        if self.stand(call) == Stand::Queued {
            self.unqueue(call);
        } else {
            // A turn that was not ended is over too; what it burnt is not known.
            self.end_turn(call, 0, false, now_us);
            self.cancel_turn(call, now_us);
            let (tenant, applet, lane) = (self.calls[call].tenant, self.calls[call].applet, self.calls[call].lane);
            self.admitted -= 1;
            self.tenants[tenant].admitted -= 1;
            self.applets[applet].admitted -= 1;
            if lane == Lane::Worker {
                self.workers -= 1;
                self.tenants[tenant].workers -= 1;
            }
            self.look_at(tenant);
        }
        self.close(call);
        self.admit_next();
    }

    /// Gives free places to who may have them.
    fn admit_next(&mut self) {
        while self.admitted < self.settings.places_max {
            let next = self.hungry.iter().find_map(|(_, _, tenant)| self.first_of(*tenant));
            let Some(call) = next else { return };
            self.unqueue(call);
            self.admit(call);
            self.wake(call);
        }
    }

    /// The tenant's call that has waited longest of those that there is room for.
    fn first_of(&self, tenant: u32) -> Option<u32> {
        let heads = self.tenants[tenant].queues.iter().filter_map(|(applet, is_worker)| {
            let call = *self.applets[*applet].queues[usize::from(*is_worker)].front()?;
            self.has_room(tenant, *applet, self.calls[call].lane).then_some(call)
        });
        heads.min_by_key(|call| self.calls[*call].arrival)
    }

    fn has_room(&self, tenant: u32, applet: u32, lane: Lane) -> bool {
        let places = self.settings.places_max;
        let free = places.saturating_sub(self.admitted);
        let reserved = if self.tenants[tenant].admitted == 0 { 0 } else { places / RESERVED };
        free > reserved
            && self.has_room_of_its_own(tenant, applet, lane)
            && (lane != Lane::Worker || self.workers < half(places))
    }

    /// As far as its tenant's bounds go.
    fn has_room_of_its_own(&self, tenant: u32, applet: u32, lane: Lane) -> bool {
        let (applet, tenant) = (&self.applets[applet], &self.tenants[tenant]);
        applet.admitted < applet.concurrent_max
            && tenant.admitted < tenant.concurrent_max
            && (lane != Lane::Worker || tenant.workers < half(tenant.concurrent_max))
    }

    fn admit(&mut self, call: u32) {
        let state = &mut self.calls[call];
        state.stand = Stand::Idle;
        let (tenant, applet, lane) = (state.tenant, state.applet, state.lane);
        self.admitted += 1;
        self.tenants[tenant].admitted += 1;
        self.applets[applet].admitted += 1;
        if lane == Lane::Worker {
            self.workers += 1;
            self.tenants[tenant].workers += 1;
        }
        self.look_at(tenant);
    }

    fn unqueue(&mut self, call: u32) {
        let (tenant, applet, is_worker) =
            (self.calls[call].tenant, self.calls[call].applet, self.calls[call].lane == Lane::Worker);
        let bytes = self.calls[call].bytes;
        let list = &mut self.applets[applet].queues[usize::from(is_worker)];
        let Some(at) = list.iter().position(|other| *other == call) else { return };
        list.remove(at);
        let is_empty = list.is_empty();
        let state = &mut self.tenants[tenant];
        if is_empty {
            state.queues.retain(|other| *other != (applet, is_worker));
        }
        state.queued -= 1;
        state.queued_bytes -= bytes;
        self.queued -= 1;
        self.queued_bytes -= bytes;
        self.look_at(tenant);
    }

    /// Puts the tenant where it belongs among those that could use a place.
    fn look_at(&mut self, tenant: u32) {
        let state = &self.tenants[tenant];
        if state.queues.is_empty() && state.hungry.is_none() {
            return;
        }
        let arrivals = state.queues.iter().filter_map(|(applet, is_worker)| {
            let call = *self.applets[*applet].queues[usize::from(*is_worker)].front()?;
            self.has_room_of_its_own(tenant, *applet, self.calls[call].lane).then(|| self.calls[call].arrival)
        });
        let share = u64::from(state.admitted) * 1_000 / u64::from(state.weight.max(1));
        let place = arrivals.min().map(|arrival| (share, arrival));
        let state = &mut self.tenants[tenant];
        if let Some((share, arrival)) = std::mem::replace(&mut state.hungry, place) {
            self.hungry.remove(&(share, arrival, tenant));
        }
        if let Some((share, arrival)) = place {
            self.hungry.insert((share, arrival, tenant));
        }
    }
}

fn half(places: u32) -> u32 {
    places.div_ceil(2)
}
