//! Cron expressions: reading them, and which local minutes they name. It knows no time zone and no clock: when a schedule fires is
//! `host/server/src/cron.rs`.
//!
//! Five fields: minute, hour, day of month, month, day of week. Each is `*`, a number, a range `a-b`, either with a step (`*/n`, `a-b/n`),
//! or several of these with commas. Months and weekdays have English names of three letters; Sunday is 0 or 7. `L` is the last day of a
//! month, `5L` the last Friday of it, `1#2` the second Monday; `?` in a day field is `*`. When both day fields are restricted, a day
//! that fits either is meant (POSIX, crontab).

use std::fmt;

/// Longest expression, bytes.
pub const CRON_BYTES_MAX: usize = 256;

/// What an expression may look like, for whoever wrote another one.
const EXAMPLE: &str = "for example '*/15 * * * *' (every quarter of an hour) or '0 6 * * mon-fri' (6:00 on workdays)";

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A cron expression that has been read.
///
/// ```
/// let cron = belljar_package::Cron::parse("30 6 * * mon-fri").unwrap();
/// assert!(cron.has_time(6, 30));
/// // The first of January 2024 was a Monday.
/// assert!(cron.has_day(belljar_package::CronDay { month: 1, day: 1, last_day: 31, weekday: 1 }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    /// `L` in the day of month.
    last_day: bool,
    months: u64,
    weekdays: u64,
    /// For each weekday: bits 1 to 5 for its occurrences in a month, bit 0 for the last one.
    nth: [u8; 7],
    any_day: bool,
    any_weekday: bool,
}

/// A day, as far as a cron expression looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CronDay {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Days of the month, 28 to 31.
    pub last_day: u8,
    /// 0 (Sunday) to 6.
    pub weekday: u8,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CronProblem {
    /// First byte of what is wrong.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What to do, as a lower-case fragment.
    pub rule: &'static str,
}

impl fmt::Display for CronProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}; {EXAMPLE}", self.start + 1, self.rule)
    }
}

impl std::error::Error for CronProblem {}

/// One field: its numbers, names, and what to say of a number outside.
struct Field {
    low: u32,
    high: u32,
    names: &'static [&'static str],
    range: &'static str,
}

const FIELDS: [Field; 5] = [
    Field { low: 0, high: 59, names: &[], range: "a minute is 0 to 59" },
    Field { low: 0, high: 23, names: &[], range: "an hour is 0 to 23" },
    Field { low: 1, high: 31, names: &[], range: "a day of the month is 1 to 31" },
    Field { low: 1, high: 12, names: &MONTHS, range: "a month is 1 to 12, or jan to dec" },
    Field { low: 0, high: 7, names: &WEEKDAYS, range: "a weekday is 0 to 7 (Sunday is 0 and 7), or sun to sat" },
];
const DAY: usize = 2;
const WEEKDAY: usize = 4;

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`CronProblem`] with the place of what cannot be read.
    pub fn parse(text: &str) -> Result<Self, CronProblem> {
        if text.len() > CRON_BYTES_MAX {
            return Err(CronProblem {
                start: CRON_BYTES_MAX,
                end: text.len(),
                rule: "an expression has at most 256 bytes",
            });
        }
        let trimmed = text.trim();
        if trimmed.starts_with('@') {
            let start = text.len() - text.trim_start().len();
            let known = NICKNAMES.iter().find(|(name, _)| trimmed.eq_ignore_ascii_case(name));
            let rule = "use @hourly, @daily, @midnight, @weekly, @monthly or @yearly";
            let (_, expression) = known.ok_or(CronProblem { start, end: start + trimmed.len(), rule })?;
            return Self::parse(expression);
        }
        let fields = fields(text);
        if fields.len() != FIELDS.len() {
            let (start, end) = fields.get(FIELDS.len()).copied().unwrap_or((text.len(), text.len()));
            return Err(CronProblem {
                start,
                end,
                rule: "use five fields: minute, hour, day of month, month, day of week",
            });
        }
        let mut cron = Self {
            minutes: 0,
            hours: 0,
            days: 0,
            last_day: false,
            months: 0,
            weekdays: 0,
            nth: [0; 7],
            any_day: false,
            any_weekday: false,
        };
        for (index, (start, end)) in fields.iter().copied().enumerate() {
            cron.field(index, text, start, end)?;
        }
        // Sunday is 0 from here on.
        cron.weekdays = (cron.weekdays | cron.weekdays >> 7) & 0x7f;
        cron.can_happen().map_err(|rule| CronProblem { start: fields[DAY].0, end: fields[DAY].1, rule })?;
        Ok(cron)
    }

    /// Whether a time of the day is named.
    pub fn has_time(&self, hour: u8, minute: u8) -> bool {
        self.hours >> hour & 1 == 1 && self.minutes >> minute & 1 == 1
    }

    /// Whether a day is named.
    pub fn has_day(&self, day: CronDay) -> bool {
        if self.months >> day.month & 1 == 0 {
            return false;
        }
        let by_day = self.days >> day.day & 1 == 1 || self.last_day && day.day == day.last_day;
        let nth = self.nth[usize::from(day.weekday % 7)];
        let by_weekday = self.weekdays >> day.weekday & 1 == 1
            || nth >> ((day.day - 1) / 7 + 1) & 1 == 1
            || nth & 1 == 1 && day.day + 7 > day.last_day;
        match (self.any_day, self.any_weekday) {
            (true, true) => true,
            (true, false) => by_weekday,
            (false, true) => by_day,
            (false, false) => by_day || by_weekday,
        }
    }

    /// Whether every hour of the day is named: such a schedule follows elapsed time where clocks are changed, any other the clock on the
    /// wall.
    pub fn has_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    fn field(&mut self, index: usize, text: &str, start: usize, end: usize) -> Result<(), CronProblem> {
        let whole = &text[start..end];
        if whole == "*" || (whole == "?" && matches!(index, DAY | WEEKDAY)) {
            match index {
                DAY => self.any_day = true,
                WEEKDAY => self.any_weekday = true,
                _ => {}
            }
        }
        let mut at = start;
        for part in whole.split(',') {
            let to = at + part.len();
            match index {
                DAY if part.eq_ignore_ascii_case("l") => self.last_day = true,
                WEEKDAY if self.nth_weekday(part, at)? => {}
                _ => {
                    let bits = part_bits(&FIELDS[index], matches!(index, DAY | WEEKDAY), part, at)?;
                    match index {
                        0 => self.minutes |= bits,
                        1 => self.hours |= bits,
                        DAY => self.days |= bits,
                        3 => self.months |= bits,
                        _ => self.weekdays |= bits,
                    }
                }
            }
            at = to + 1;
        }
        Ok(())
    }

    /// `1#2` and `5L`; `false` for anything else.
    fn nth_weekday(&mut self, part: &str, at: usize) -> Result<bool, CronProblem> {
        let (day, bit) = if let Some((day, nth)) = part.split_once('#') {
            let start = at + day.len() + 1;
            let rule = "after '#' stands 1 to 5: the first to the fifth such weekday of a month";
            let nth = nth.parse::<u8>().ok().filter(|nth| (1..=5).contains(nth));
            (day, nth.ok_or(CronProblem { start, end: at + part.len(), rule })?)
        } else if let Some(day) = part.strip_suffix(['l', 'L']).filter(|day| !day.is_empty()) {
            (day, 0)
        } else {
            return Ok(false);
        };
        let weekday = number(&FIELDS[WEEKDAY], day, at)? % 7;
        self.nth[weekday as usize] |= 1 << bit;
        Ok(true)
    }

    /// A day that no year has is a mistake.
    fn can_happen(&self) -> Result<(), &'static str> {
        if self.any_day || self.last_day || !self.any_weekday {
            return Ok(());
        }
        const LONGEST: [u32; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let happens = (1..=12).any(|month: u32| {
            self.months >> month & 1 == 1 && (1..=LONGEST[month as usize]).any(|day| self.days >> day & 1 == 1)
        });
        if happens { Ok(()) } else { Err("none of these months has such a day, so it would never run") }
    }
}

/// Where the fields are.
fn fields(text: &str) -> Vec<(usize, usize)> {
    let mut fields = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_whitespace(), start) {
            (true, Some(from)) => {
                fields.push((from, at));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    fields
}

/// Bits of `*`, `a`, `a-b`, `*/n` and `a-b/n`.
fn part_bits(field: &Field, is_day: bool, part: &str, at: usize) -> Result<u64, CronProblem> {
    let end = at + part.len();
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let (low, high) = if range == "*" || (range == "?" && is_day) {
        (field.low, if field.high == 7 { 6 } else { field.high })
    } else if let Some((low, high)) = range.split_once('-') {
        let low_at = at + low.len() + 1;
        let (low, mut high) = (number(field, low, at)?, number(field, high, low_at)?);
        if field.high == 7 && high == 0 && low > 0 {
            // fri-sun
            high = 7;
        }
        if low > high {
            let rule = "a range goes upwards: write two, such as '22-23,0-5'";
            return Err(CronProblem { start: at, end: at + range.len(), rule });
        }
        (low, high)
    } else {
        let number = number(field, range, at)?;
        if step.is_some() {
            return Err(CronProblem {
                start: at,
                end,
                rule: "a step needs '*' or a range before it, such as '*/10' or '5-59/10'",
            });
        }
        (number, number)
    };
    let step = match step {
        None => 1,
        Some(step) => {
            let start = at + range.len() + 1;
            let rule = "a step is a number from 1 to the size of the field";
            let value = digits(step).filter(|step| (1..=field.high.max(1)).contains(step));
            value.ok_or(CronProblem { start, end, rule })?
        }
    };
    Ok((low..=high).step_by(step as usize).fold(0, |bits, number| bits | 1 << number))
}

fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A number of a field, or one of its names.
fn number(field: &Field, text: &str, at: usize) -> Result<u32, CronProblem> {
    let named = || {
        let index = field.names.iter().position(|name| text.eq_ignore_ascii_case(name))?;
        u32::try_from(index).ok().map(|index| index + if field.high == 12 { 1 } else { 0 })
    };
    let number = digits(text).or_else(named).filter(|number| (field.low..=field.high).contains(number));
    // What cannot be shown has to have a place all the same.
    number.ok_or(CronProblem { start: at, end: at + text.len().max(1), rule: field.range })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str) -> Vec<(u8, u8)> {
        let cron = Cron::parse(text).unwrap();
        let all = (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
        all.filter(|(hour, minute)| cron.has_time(*hour, *minute)).collect()
    }

    /// Days of a month that begins with `weekday`.
    fn days(text: &str, month: u8, last_day: u8, weekday: u8) -> Vec<u8> {
        let cron = Cron::parse(text).unwrap();
        let day = |day: u8| CronDay { month, day, last_day, weekday: (weekday + day - 1) % 7 };
        (1..=last_day).filter(|at| cron.has_day(day(*at))).collect()
    }

    #[test]
    fn times_of_a_day() {
        assert_eq!(times("*/20 5,7-8 * * *").len(), 9);
        assert_eq!(times("5-59/27 23 * * *"), [(23, 5), (23, 32), (23, 59)]);
        assert_eq!(times("@hourly").len(), 24);
        assert_eq!(times("  0 0  * * * "), [(0, 0)]);
        assert!(Cron::parse("0 */1 * * *").unwrap().has_every_hour());
        assert!(Cron::parse("0 0-23 * * *").unwrap().has_every_hour());
        assert!(!Cron::parse("0 */2 * * *").unwrap().has_every_hour());
    }

    #[test]
    fn days_of_a_month() {
        // January 2024 began with a Monday.
        assert_eq!(days("0 0 13 * fri", 1, 31, 1), [5, 12, 13, 19, 26]);
        assert_eq!(days("0 0 * * 1#2,5L", 1, 31, 1), [8, 26]);
        assert_eq!(days("0 0 L feb ?", 2, 29, 4), [29]);
        assert_eq!(days("0 0 * * fri-sun", 1, 31, 1), [5, 6, 7, 12, 13, 14, 19, 20, 21, 26, 27, 28]);
        assert_eq!(days("0 0 * * 7", 1, 31, 1), days("0 0 * * 0", 1, 31, 1));
        assert_eq!(days("0 0 ? JAN 0#5", 1, 31, 1), [0_u8; 0]);
        assert_eq!(days("0 0 1 2 *", 1, 31, 1), [0_u8; 0]);
        assert_eq!(days("@weekly", 1, 31, 1), [7, 14, 21, 28]);
        assert_eq!(days("0 0 * * */2", 1, 31, 1).len(), 17);
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at, rule) in [
            ("61 * * * *", "61", "a minute is 0 to 59"),
            ("* 24 * * *", "24", "an hour is 0 to 23"),
            ("* * 0 * *", "0", "a day of the month is 1 to 31"),
            ("* * * 13 *", "13", "a month is 1 to 12, or jan to dec"),
            ("* * * * 1-8", "8", "a weekday is 0 to 7"),
            ("* * * * moon", "moon", "a weekday is 0 to 7"),
            ("5/10 * * * *", "5/10", "a step needs"),
            ("*/0 * * * *", "0", "a step is a number"),
            ("*/x * * * *", "x", "a step is a number"),
            ("* 22-2 * * *", "22-2", "a range goes upwards"),
            ("* * * * 1#6", "6", "after '#'"),
            ("* * 30 2 *", "30", "none of these months"),
            ("* * 31 4,6,9,11 *", "31", "none of these months"),
            ("* * * *", "", "use five fields"),
            ("* * * * * *", "*", "use five fields"),
            ("", "", "use five fields"),
            ("@often", "@often", "use @hourly"),
            ("1,,2 * * * *", ",", "a minute is 0 to 59"),
            ("a;b * * * *", "a;b", "a minute is 0 to 59"),
            ("+5 * * * *", "+5", "a minute is 0 to 59"),
            ("* * * * 5W", "5W", "a weekday is 0 to 7"),
            ("L * * * *", "L", "a minute is 0 to 59"),
            ("* * L-3 * *", "L", "a day of the month"),
        ] {
            let problem = Cron::parse(text).expect_err(text);
            assert_eq!(text.get(problem.start..problem.end), Some(at), "{text:?}: {problem}");
            assert!(problem.rule.starts_with(rule), "{text:?}: {problem}");
        }
        let told = Cron::parse("* 24 * * *").unwrap_err().to_string();
        assert!(told.starts_with("at character 3: an hour is 0 to 23; for example '*/15"), "{told}");
        assert!(Cron::parse(&"*".repeat(300)).is_err());
        assert!(Cron::parse("* * * * ü").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-*,/#?@0-9a-zA-ZLü ]{0,40}") {
            if let Err(problem) = Cron::parse(&text) {
                proptest::prop_assert!(problem.start <= problem.end || problem.end == text.len());
            }
        }
    }
}
