//! Schedules: their next times are kept with the queue, and a run is enqueued in the same transaction that moves the time on, so that each
//! time fires once whatever dies in between. It knows when, and what overlaps; running is the worker's business.
//!
//! Cron speaks of the clock on the wall, so schedules follow it. When it is set forwards, times in between have passed and are missed. When it
//! is set back by less than an hour, no time fires twice; when by more, what it said before was wrong, and the next time is found anew.

use std::sync::Arc;
use std::time::Duration;

use belljar::package::{MISFIRES_MAX, Misfire, Overlap};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::cancelling::Running;
use super::registry::{Registry, Scheduled};
use crate::cron::Timetable;
use crate::queue::{Kind, NewDelivery, NewMessage, Queue, QueueError, State, Work};

/// How late a run may begin and still be on time, microseconds.
const ON_TIME_US: i64 = 60_000_000;
/// How far the wall clock may be set back without the next times being found anew, microseconds.
const SET_BACK_US_MAX: i64 = 3_600_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Schedules that fire in one transaction.
const FIRED_MAX: u32 = 100;
/// Missed times of one schedule that are looked at together; of an earlier past only the number is known.
const MISSED_LOOKED_AT_MAX: usize = 1_000;
/// Missed times of one look that are noted one by one.
const MISSED_NOTED_MAX: usize = 100;
/// Runs of one schedule that wait for each other with `overlap: queue`.
pub const OVERLAP_QUEUE_MAX: u64 = 10;
/// How long nobody looks for schedules at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// A schedule, for people. Times are Unix time in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The handler.
    pub handler: String,
    /// Five fields, or a descriptor.
    pub cron: String,
    /// IANA zone.
    pub time_zone: String,
    /// Whether somebody has paused it.
    pub is_paused: bool,
    /// When it fires next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<u64>,
    /// Its last time that fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ms: Option<u64>,
    /// Times that fired.
    pub fired: u64,
    /// Times that passed while nothing could run.
    pub missed: u64,
    /// Times that were left out because the last run was still going.
    pub skipped: u64,
}

/// A time of a schedule at which nothing ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedView {
    /// The time, Unix time in milliseconds.
    pub fires_ms: u64,
    /// Why nothing ran.
    pub why: String,
}

/// One schedule as it is stored.
#[derive(Debug, Clone)]
struct Stored {
    tenant: String,
    applet: String,
    handler: String,
    cron: String,
    time_zone: String,
    next_us: i64,
    last_us: Option<i64>,
}

/// What a look at a schedule that is due finds.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    /// Times that fire now.
    fire: Vec<i64>,
    /// Times that do not, and why.
    missed: Vec<(i64, &'static str)>,
    /// How many were missed in all.
    missed_count: u64,
    /// The time after these.
    next: Option<i64>,
}

const ONE_FOR_ALL: &str = "one later run stands for it (misfire: once)";
const LEFT_OUT: &str = "nothing could run at that time (misfire: skip)";
const TOO_MANY: &str = "nothing could run at that time, and there were too many since (misfire: all)";
const NOT_LOOKED_AT: &str =
    "this time and all that follow up to a day ago passed while nothing could run; they are not counted";
const STILL_GOING: &str = "the last run was still going (overlap: skip)";
const QUEUE_FULL: &str = "as many runs as may wait were waiting (overlap: queue)";

/// Decides about the times from `next_us` up to `now_us`.
fn due(timetable: &Timetable, misfire: Misfire, next_us: i64, now_us: i64) -> Due {
    let mut times = Vec::new();
    let mut count = 0;
    let mut skipped_from = None;
    let mut next = Some(next_us);
    while let Some(at) = next.filter(|at| *at <= now_us) {
        if times.len() == MISSED_LOOKED_AT_MAX {
            times.remove(0);
        }
        times.push(at);
        count += 1;
        next = timetable.next_after_us(at);
        if count == 10 * MISSED_LOOKED_AT_MAX as u64 {
            // An every-minute schedule after a week.
            let today = timetable.next_after_us(now_us - DAY_US);
            if today > next {
                skipped_from = next;
                next = today;
            }
        }
    }
    let on_time = times.pop_if(|last| now_us - *last <= ON_TIME_US);
    let mut fire = Vec::new();
    let mut missed: Vec<(i64, &'static str)> = Vec::new();
    match misfire {
        Misfire::Skip => missed.extend(times.iter().map(|at| (*at, LEFT_OUT))),
        Misfire::Once => {
            if on_time.is_none() {
                fire.extend(times.pop());
            }
            missed.extend(times.iter().map(|at| (*at, ONE_FOR_ALL)));
        }
        Misfire::All => {
            let kept = times.len().saturating_sub(MISFIRES_MAX);
            missed.extend(times[..kept].iter().map(|at| (*at, TOO_MANY)));
            fire.extend(&times[kept..]);
        }
    }
    fire.extend(on_time);
    let missed_count = count - fire.len() as u64;
    let unnoted = missed.len().saturating_sub(MISSED_NOTED_MAX - 1);
    missed.drain(..unnoted);
    missed.extend(skipped_from.map(|at| (at, NOT_LOOKED_AT)));
    Due { fire, missed, missed_count, next }
}

/// Fires schedules.
#[derive(Debug)]
pub struct Schedules {
    queue: Queue,
    registry: Arc<Registry>,
    running: Arc<Running>,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

impl Schedules {
    pub(super) fn new(queue: Queue, registry: Arc<Registry>, running: Arc<Running>, wake: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { queue, registry, running, wake, stop: CancellationToken::new() })
    }

    /// Fires what is due, until it is stopped.
    pub(super) async fn work(self: Arc<Self>) {
        let mut drift_us = self.drift_us();
        if let Err(error) = self.rebase().await {
            tracing::error!(%error, "schedules cannot be read");
        }
        while !self.stop.is_cancelled() {
            let now_us = self.drift_us();
            if now_us < drift_us - SET_BACK_US_MAX {
                tracing::warn!(
                    seconds = (drift_us - now_us) / 1_000_000,
                    "the wall clock was set back: the next times of schedules are found anew"
                );
                if let Err(error) = self.rebase().await {
                    tracing::error!(%error, "schedules cannot be moved");
                }
            }
            drift_us = now_us;
            let wait = match self.tick().await {
                Ok(wait) => wait,
                Err(QueueError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "schedules cannot fire");
                    SLEEP_MAX
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// By how much the wall clock differs from queue time, which never jumps.
    fn drift_us(&self) -> i64 {
        let time = self.queue.time();
        time.wall_us().cast_signed() - time.now_us().cast_signed()
    }

    /// Fires what is due now; answers when to look again.
    pub(super) async fn tick(&self) -> Result<Duration, QueueError> {
        self.registry.sync().await?;
        let now_us = self.queue.time().wall_us().cast_signed();
        let due = self
            .queue
            .read(move |db| {
                let mut found = db.prepare_cached(
                    "SELECT tenant, applet, handler, cron, time_zone, next_us, last_us FROM schedules \
                     WHERE next_us IS NOT NULL AND paused = 0 AND next_us <= ?1 ORDER BY next_us LIMIT ?2",
                )?;
                let rows = found.query_map(params![now_us, FIRED_MAX], stored)?;
                let due: Vec<Stored> = rows.collect::<Result<_, _>>()?;
                let mut next = db.prepare_cached(
                    "SELECT min(next_us) FROM schedules WHERE next_us IS NOT NULL AND paused = 0 AND next_us > ?1",
                )?;
                let next: Option<i64> = next.query_row([now_us], |row| row.get(0))?;
                Ok((due, next))
            })
            .await;
        let (due, next) = due?;
        let mut fired = Vec::new();
        for stored in due {
            // While an applet is disabled its times pass; its misfire policy decides when it is enabled again.
            if let Some((scheduled, true)) = self.registry.schedule(&stored.tenant, &stored.applet, &stored.handler) {
                fired.push((stored, scheduled));
            }
        }
        if !fired.is_empty() {
            let replaced = self.queue.run(move |work| work.fire_all(&fired, now_us)).await?;
            replaced.into_iter().for_each(|delivery| self.running.cancel(delivery));
            self.wake.notify_one();
        }
        let wait = next.map_or(SLEEP_MAX, |next| Duration::from_micros(u64::try_from(next - now_us).unwrap_or(0)));
        Ok(wait.min(SLEEP_MAX))
    }

    /// Times that lie further ahead than a clock that is right would have them are found anew.
    async fn rebase(&self) -> Result<(), QueueError> {
        let now_us = self.queue.time().wall_us().cast_signed();
        self.queue.run(move |work| work.rebase(now_us)).await
    }

    /// All schedules, or those of a tenant, or of one of its applets.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn list(&self, tenant: Option<String>, applet: Option<String>) -> Result<Vec<ScheduleView>, QueueError> {
        self.registry.sync().await?;
        self.queue
            .read(move |db| {
                let mut found = db.prepare_cached(
                    "SELECT tenant, applet, handler, cron, time_zone, paused, next_us, last_us, fired, missed, skipped FROM schedules \
                     WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR applet = ?2) ORDER BY tenant, applet, handler",
                )?;
                let rows = found.query_map(params![tenant, applet], |row| {
                    let ms = |us: Option<u64>| us.map(|us| us / 1_000);
                    let is_paused: bool = row.get(5)?;
                    Ok(ScheduleView {
                        tenant: row.get(0)?,
                        applet: row.get(1)?,
                        handler: row.get(2)?,
                        cron: row.get(3)?,
                        time_zone: row.get(4)?,
                        is_paused,
                        next_ms: ms(row.get(6)?).filter(|_| !is_paused),
                        last_ms: ms(row.get(7)?),
                        fired: row.get(8)?,
                        missed: row.get(9)?,
                        skipped: row.get(10)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The next `count` times of a schedule, Unix time in milliseconds.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub async fn upcoming(
        &self,
        tenant: &str,
        applet: &str,
        handler: &str,
        count: usize,
    ) -> Result<Vec<u64>, QueueError> {
        self.registry.sync().await?;
        let (scheduled, _) =
            self.registry.schedule(tenant, applet, handler).ok_or_else(|| not_found(tenant, applet, handler))?;
        let now_us = self.queue.time().wall_us().cast_signed();
        let timetable = timetable(&scheduled.cron, &scheduled.time_zone)?;
        let upcoming = tokio::task::spawn_blocking(move || timetable.upcoming_us(now_us, count.min(1_000))).await;
        let upcoming = upcoming.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        Ok(upcoming.into_iter().filter_map(|at| u64::try_from(at / 1_000).ok()).collect())
    }

    /// The latest times of a schedule at which nothing ran, the last one first.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn missed(&self, tenant: String, applet: String, handler: String) -> Result<Vec<MissedView>, QueueError> {
        self.queue
            .read(move |db| {
                let sql = "SELECT fires_us, why FROM missed WHERE tenant = ?1 AND applet = ?2 AND handler = ?3 ORDER BY fires_us DESC LIMIT 1000";
                let mut found = db.prepare_cached(sql)?;
                let rows = found.query_map([tenant, applet, handler], |row| {
                    Ok(MissedView { fires_ms: row.get::<_, u64>(0)? / 1_000, why: row.get(1)? })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Pauses a schedule, or lets it go on from now: times that passed meanwhile are not made up for.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub async fn pause(
        &self,
        tenant: String,
        applet: String,
        handler: String,
        is_paused: bool,
    ) -> Result<(), QueueError> {
        self.registry.sync().await?;
        let now_us = self.queue.time().wall_us().cast_signed();
        self.queue.run(move |work| work.pause(&tenant, &applet, &handler, is_paused, now_us)).await
    }

    /// Runs a schedule now, beside its times. Answers the run's id.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Full`].
    pub async fn run_now(&self, tenant: &str, applet: &str, handler: &str, by: &str) -> Result<String, QueueError> {
        self.registry.sync().await?;
        let (scheduled, _) =
            self.registry.schedule(tenant, applet, handler).ok_or_else(|| not_found(tenant, applet, handler))?;
        let now_us = self.queue.time().wall_us().cast_signed();
        let message =
            NewMessage { source: format!("run now by {by}"), key: None, ..run(tenant, applet, &scheduled, now_us) };
        let published = self.queue.publish(message).await?;
        self.wake.notify_one();
        Ok(published.uid)
    }
}

fn not_found(tenant: &str, applet: &str, handler: &str) -> QueueError {
    QueueError::NotFound(format!("schedule {handler} of applet {applet} of tenant {tenant}"))
}

fn timetable(cron: &str, time_zone: &str) -> Result<Timetable, QueueError> {
    Timetable::new(cron, time_zone).map_err(|error| QueueError::Unavailable(error.to_string()))
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        tenant: row.get(0)?,
        applet: row.get(1)?,
        handler: row.get(2)?,
        cron: row.get(3)?,
        time_zone: row.get(4)?,
        next_us: row.get(5)?,
        last_us: row.get(6)?,
    })
}

/// The run of a schedule for one of its times.
fn run(tenant: &str, applet: &str, scheduled: &Scheduled, fires_us: i64) -> NewMessage {
    let Scheduled { handler, cron, time_zone, overlap, attempts, backoff_ms, .. } = scheduled;
    let payload = serde_json::json!({ "type": "scheduled", "cron": cron, "timeZone": time_zone, "scheduledTime": fires_us / 1_000 });
    NewMessage {
        tenant: tenant.to_owned(),
        kind: Kind::Schedule,
        name: handler.clone(),
        payload: payload.to_string(),
        source: format!("schedule {cron} ({time_zone})"),
        chain: Vec::new(),
        depth: 0,
        key: Some((format!("schedule:{applet}/{handler}"), fires_us.to_string())),
        order_key: None,
        deliveries: vec![NewDelivery {
            attempts_max: *attempts,
            backoff_ms: *backoff_ms,
            order_key: (*overlap == Overlap::Queue).then(String::new),
            ..super::publisher::own_delivery(applet.to_owned(), handler.clone(), 0, 0)
        }],
    }
}

impl Work<'_> {
    /// Fires schedules that are due; answers deliveries of runs that were replaced while they ran.
    fn fire_all(&mut self, due: &[(Stored, Scheduled)], now_us: i64) -> Result<Vec<u64>, QueueError> {
        let mut replaced = Vec::new();
        for (stored, scheduled) in due {
            // Somebody may have moved or paused it since it was read: whoever moves it first has it.
            let mut unmoved = self.db()?.prepare_cached(
                "SELECT 1 FROM schedules WHERE tenant = ?1 AND applet = ?2 AND handler = ?3 AND next_us = ?4 AND paused = 0",
            )?;
            if unmoved.exists(params![stored.tenant, stored.applet, stored.handler, stored.next_us])? {
                self.fire(stored, scheduled, now_us, &mut replaced)?;
            }
        }
        Ok(replaced)
    }

    fn fire(
        &mut self,
        stored: &Stored,
        scheduled: &Scheduled,
        now_us: i64,
        replaced: &mut Vec<u64>,
    ) -> Result<(), QueueError> {
        let timetable = timetable(&stored.cron, &stored.time_zone)?;
        let due = due(&timetable, scheduled.misfire, stored.next_us, now_us);
        let (mut fired, mut skipped) = (0_u64, 0_u64);
        let mut last_us = stored.last_us;
        let mut missed = due.missed;
        for at in due.fire {
            let open = self.open_runs(stored)?;
            let why = match scheduled.overlap {
                Overlap::Skip if !open.is_empty() => Some(STILL_GOING),
                Overlap::Queue if open.len() as u64 >= OVERLAP_QUEUE_MAX => Some(QUEUE_FULL),
                _ => None,
            };
            if let Some(why) = why {
                skipped += 1;
                missed.push((at, why));
                continue;
            }
            if scheduled.overlap == Overlap::Replace {
                for delivery in open {
                    let removed = self.remove(
                        &stored.tenant,
                        delivery,
                        State::Cancelled,
                        "the next run has replaced it (overlap: replace)",
                    )?;
                    if removed.was_running {
                        replaced.push(delivery);
                    }
                }
            }
            match self.publish(&run(&stored.tenant, &stored.applet, scheduled, at)) {
                Ok(_) => {
                    fired += 1;
                    last_us = Some(last_us.map_or(at, |last| last.max(at)));
                }
                Err(QueueError::Full { .. }) => {
                    skipped += 1;
                    missed.push((at, "the tenant's queue was full"));
                }
                Err(error) => return Err(error),
            }
        }
        let (db, noted_us) = (self.db()?, self.wall_us());
        for (at, why) in &missed {
            let sql =
                "INSERT INTO missed (tenant, applet, handler, fires_us, why, noted_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            db.prepare_cached(sql)?.execute(params![
                stored.tenant,
                stored.applet,
                stored.handler,
                at,
                why,
                noted_us
            ])?;
        }
        if due.missed_count > 0 {
            let Stored { tenant, applet, handler, .. } = stored;
            tracing::warn!(
                tenant,
                applet,
                handler,
                missed = due.missed_count,
                "times of a schedule passed while nothing could run"
            );
        }
        let mut moved = db.prepare_cached(
            "UPDATE schedules SET next_us = ?4, last_us = ?5, fired = fired + ?6, missed = missed + ?7, skipped = skipped + ?8 \
             WHERE tenant = ?1 AND applet = ?2 AND handler = ?3",
        )?;
        moved.execute(params![
            stored.tenant,
            stored.applet,
            stored.handler,
            due.next,
            last_us,
            fired,
            due.missed_count,
            skipped
        ])?;
        Ok(())
    }

    /// Runs of a schedule that have not ended.
    fn open_runs(&self, stored: &Stored) -> Result<Vec<u64>, QueueError> {
        let mut found = self.db()?.prepare_cached(
            "SELECT id FROM deliveries WHERE tenant = ?1 AND applet = ?2 AND handler = ?3 AND kind = 2 AND state < 4 ORDER BY id",
        )?;
        let rows = found.query_map([&stored.tenant, &stored.applet, &stored.handler], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn rebase(&mut self, now_us: i64) -> Result<(), QueueError> {
        let db = self.db()?;
        let ahead: Vec<Stored> = {
            let mut found = db.prepare(
                "SELECT tenant, applet, handler, cron, time_zone, next_us, last_us FROM schedules WHERE next_us IS NOT NULL AND last_us > ?1",
            )?;
            let rows = found.query_map([now_us + SET_BACK_US_MAX], stored)?;
            rows.collect::<Result<_, _>>()?
        };
        for stored in ahead {
            let next = timetable(&stored.cron, &stored.time_zone)?.next_after_us(now_us);
            let sql =
                "UPDATE schedules SET next_us = ?4, last_us = NULL WHERE tenant = ?1 AND applet = ?2 AND handler = ?3";
            db.prepare_cached(sql)?.execute(params![stored.tenant, stored.applet, stored.handler, next])?;
        }
        Ok(())
    }

    fn pause(
        &mut self,
        tenant: &str,
        applet: &str,
        handler: &str,
        is_paused: bool,
        now_us: i64,
    ) -> Result<(), QueueError> {
        let db = self.db()?;
        let sql = "SELECT cron, time_zone, paused FROM schedules WHERE tenant = ?1 AND applet = ?2 AND handler = ?3";
        let found: Option<(String, String, bool)> = db
            .query_row(sql, [tenant, applet, handler], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let (cron, time_zone, was_paused) = found.ok_or_else(|| not_found(tenant, applet, handler))?;
        if was_paused == is_paused {
            return Ok(());
        }
        let next = timetable(&cron, &time_zone)?.next_after_us(now_us);
        let sql = "UPDATE schedules SET paused = ?4, next_us = ?5 WHERE tenant = ?1 AND applet = ?2 AND handler = ?3";
        db.execute(sql, params![tenant, applet, handler, is_paused, next])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const MIDNIGHT: i64 = 1_704_067_200_000_000;

    fn decide(cron: &str, misfire: Misfire, next: i64, now: i64) -> Due {
        due(&Timetable::new(cron, "UTC").unwrap(), misfire, MIDNIGHT + next * MINUTE, MIDNIGHT + now * MINUTE)
    }

    fn minutes(times: &[i64]) -> Vec<i64> {
        times.iter().map(|at| (at - MIDNIGHT) / MINUTE).collect()
    }

    #[test]
    fn what_is_on_time_fires() {
        for misfire in [Misfire::Skip, Misfire::Once, Misfire::All] {
            let due = decide("*/10 * * * *", misfire, 10, 10);
            assert_eq!((minutes(&due.fire), due.missed_count, due.next), (vec![10], 0, Some(MIDNIGHT + 20 * MINUTE)));
        }
    }

    #[test]
    fn what_was_missed_follows_its_policy() {
        // 10, 20, …, 50 passed; it is minute 55.
        let skip = decide("*/10 * * * *", Misfire::Skip, 10, 55);
        assert_eq!((minutes(&skip.fire), skip.missed_count, skip.missed.len()), (vec![], 5, 5));
        let once = decide("*/10 * * * *", Misfire::Once, 10, 55);
        assert_eq!((minutes(&once.fire), once.missed_count), (vec![50], 4));
        // At minute 50 the run that is on time stands for the others.
        let once = decide("*/10 * * * *", Misfire::Once, 10, 50);
        assert_eq!((minutes(&once.fire), once.missed_count), (vec![50], 4));
        let all = decide("*/10 * * * *", Misfire::All, 10, 55);
        assert_eq!((minutes(&all.fire), all.missed_count), (vec![10, 20, 30, 40, 50], 0));
        assert_eq!(all.next, Some(MIDNIGHT + 60 * MINUTE));
    }

    #[test]
    fn making_up_is_bounded() {
        let all = decide("* * * * *", Misfire::All, 1, 14 * 1_440);
        assert_eq!(all.fire.len(), MISFIRES_MAX + 1);
        assert!(all.missed.len() <= MISSED_NOTED_MAX && all.missed_count >= 10 * MISSED_LOOKED_AT_MAX as u64 - 100);
        assert_eq!(minutes(&all.fire).last(), Some(&(14 * 1_440)));
        assert_eq!(all.next, Some(MIDNIGHT + (14 * 1_440 + 1) * MINUTE));
    }

    proptest::proptest! {
        /// Each time fires or is missed, and none does both.
        #[test]
        fn every_time_is_accounted_for(next in 1i64..600, later in 0i64..3_000, policy in 0usize..3, cron in 0usize..3) {
            let misfire = [Misfire::Skip, Misfire::Once, Misfire::All][policy];
            let cron = ["*/7 * * * *", "0 */3 * * *", "30 2 * * *"][cron];
            let timetable = Timetable::new(cron, "UTC").unwrap();
            let first = timetable.next_after_us(MIDNIGHT + next * MINUTE).unwrap();
            let now = first + later * MINUTE;
            let all: Vec<i64> = std::iter::successors(Some(first), |at| timetable.next_after_us(*at)).take_while(|at| *at <= now).collect();
            let due = due(&timetable, misfire, first, now);
            proptest::prop_assert_eq!(due.fire.len() as u64 + due.missed_count, all.len() as u64);
            proptest::prop_assert!(due.fire.iter().all(|at| all.contains(at)));
            proptest::prop_assert!(due.missed.iter().all(|(at, _)| all.contains(at) && !due.fire.contains(at)));
            proptest::prop_assert_eq!(due.next, timetable.next_after_us(now));
        }
    }
}
