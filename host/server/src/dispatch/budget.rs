//! What each tenant has sent and logged today (UTC), against what it may. It is kept in memory: whoever starts a server tells it what the
//! history says of today, with [`Budgets::restore`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use belljar::TenantId;

use crate::directory::Quotas;

const DAY_S: u64 = 86_400;
/// Tenants that are remembered before those of other days are forgotten.
const SWEEP_AT: usize = 4_096;

/// What a tenant has used on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Body bytes sent by outgoing http.
    pub egress_bytes: u64,
    /// Log bytes kept.
    pub log_bytes: u64,
    /// Log lines that were dropped because there were too many bytes before them.
    pub log_lines_dropped: u64,
}

#[derive(Debug, Default)]
struct Day {
    number: u64,
    used: DayUse,
    log_bytes_max: Option<u64>,
}

/// The days of all tenants.
#[derive(Debug, Default)]
pub struct Budgets {
    days: Mutex<HashMap<TenantId, Day>>,
}

impl Budgets {
    /// What the tenant has used today.
    pub fn today(&self, tenant: &TenantId) -> DayUse {
        self.at(tenant, now_s(), |day| day.used)
    }

    /// What the tenant has used today before this server was started.
    pub fn restore(&self, tenant: &TenantId, used: DayUse) {
        self.at(tenant, now_s(), |day| day.used = used);
    }

    /// A call begins. Keeps the bound of the tenant's log.
    ///
    /// # Errors
    /// Seconds until tomorrow, when it has sent all it may.
    pub(super) fn begin(&self, tenant: &TenantId, quotas: &Quotas) -> Result<(), u64> {
        self.begin_at(tenant, quotas, now_s())
    }

    fn begin_at(&self, tenant: &TenantId, quotas: &Quotas, now_s: u64) -> Result<(), u64> {
        self.at(tenant, now_s, |day| {
            day.log_bytes_max = quotas.log_bytes_per_day_max;
            match quotas.egress_bytes_per_day_max {
                Some(bytes_max) if day.used.egress_bytes >= bytes_max => Err(DAY_S - now_s % DAY_S),
                _ => Ok(()),
            }
        })
    }

    pub(super) fn add_egress(&self, tenant: &TenantId, bytes: u64) {
        if bytes > 0 {
            self.at(tenant, now_s(), |day| day.used.egress_bytes = day.used.egress_bytes.saturating_add(bytes));
        }
    }

    /// Whether a log line of so many bytes is kept.
    pub(super) fn take_log(&self, tenant: &TenantId, bytes: u64) -> bool {
        self.take_log_at(tenant, bytes, now_s())
    }

    fn take_log_at(&self, tenant: &TenantId, bytes: u64, now_s: u64) -> bool {
        self.at(tenant, now_s, |day| {
            let after = day.used.log_bytes.saturating_add(bytes);
            if day.log_bytes_max.is_some_and(|bytes_max| after > bytes_max) {
                day.used.log_lines_dropped += 1;
                return false;
            }
            day.used.log_bytes = after;
            true
        })
    }

    fn at<T>(&self, tenant: &TenantId, now_s: u64, step: impl FnOnce(&mut Day) -> T) -> T {
        let number = now_s / DAY_S;
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(day) = days.get_mut(tenant) {
            // A clock that is set back does not give the same day twice.
            if day.number < number {
                *day = Day { number, log_bytes_max: day.log_bytes_max, ..Day::default() };
            }
            return step(day);
        }
        if days.len() >= SWEEP_AT && days.len().is_power_of_two() {
            days.retain(|_, day| day.number >= number);
        }
        step(days.entry(tenant.clone()).or_insert(Day { number, ..Day::default() }))
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_day_is_a_new_budget() {
        let (budgets, tenant) = (Budgets::default(), TenantId::new("acme").expect("a name"));
        let quotas = Quotas { egress_bytes_per_day_max: Some(10), log_bytes_per_day_max: Some(5), ..Quotas::default() };
        let noon = 20_000 * DAY_S + DAY_S / 2;
        assert_eq!(budgets.begin_at(&tenant, &quotas, noon), Ok(()));
        budgets.at(&tenant, noon, |day| day.used.egress_bytes += 10);
        assert_eq!(budgets.begin_at(&tenant, &quotas, noon), Err(DAY_S / 2));
        assert!(budgets.take_log_at(&tenant, 5, noon));
        assert!(!budgets.take_log_at(&tenant, 1, noon));
        assert_eq!(budgets.at(&tenant, noon, |day| day.used.log_lines_dropped), 1);
        // The clock goes back: still spent. Tomorrow: not any more.
        assert!(budgets.begin_at(&tenant, &quotas, noon - DAY_S).is_err());
        assert_eq!(budgets.begin_at(&tenant, &quotas, noon + DAY_S), Ok(()));
        assert!(budgets.take_log_at(&tenant, 5, noon + DAY_S));
    }
}
