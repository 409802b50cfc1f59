//! Tables for people: columns as wide as what is in them, and nothing that disturbs a terminal. Times, sizes and counts as people read them.

use serde_json::Value;

use crate::failure::Failure;
use crate::present::grouped;
use crate::terminal::{self, one_line};

/// Characters of a cell; longer ones are cut.
const CELL_MAX: usize = 120;

/// Rows under headings.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Columns whose cells are numbers: they end at the same place.
    numbers: Vec<bool>,
}

impl Table {
    /// Without rows. A heading that begins with `>` is of numbers.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        let numbers = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let headings = headings.iter().map(|heading| heading.trim_start_matches('>')).collect();
        Self { headings, rows: Vec::new(), numbers }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cut = |cell: String| match cell.char_indices().nth(CELL_MAX) {
            Some((at, _)) => format!("{}…", &cell[..at]),
            None => cell,
        };
        self.rows.push(cells.into_iter().map(|cell| cut(one_line(&cell))).collect());
    }

    /// Writes it on stdout; `empty` on stderr when there are no rows.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn print(&self, empty: &str) -> Result<(), Failure> {
        if self.rows.is_empty() {
            terminal::stderr(&format!("{empty}\n"));
            return Ok(());
        }
        terminal::stdout(self.text().as_bytes())
    }

    fn text(&self) -> String {
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.headings[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width_of).collect();
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(|heading| heading.to_uppercase()).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(cell.chars().count()));
                let is_number = self.numbers.get(column).copied().unwrap_or(false);
                let cell = if is_number { format!("{padding}{cell}") } else { format!("{cell}{padding}") };
                line.push_str(&cell);
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A text of an answer; empty when it is missing.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A count.
pub(crate) fn count(value: &Value) -> String {
    value.as_u64().map(grouped).unwrap_or_default()
}

/// A size in bytes, in the largest unit that keeps three digits.
pub(crate) fn size(value: &Value) -> String {
    let Some(bytes) = value.as_u64() else { return String::new() };
    let (mut size, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        (size, unit) = (size / 1_024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}

/// Microseconds as milliseconds.
pub(crate) fn ms(value: &Value) -> String {
    value.as_u64().map(|us| format!("{:.2}", us as f64 / 1_000.0)).unwrap_or_default()
}

/// Unix microseconds as a time in UTC, to the second.
pub(crate) fn time(value: &Value) -> String {
    value.as_u64().map(|us| utc(us / 1_000_000)).unwrap_or_default()
}

/// Unix seconds as `2026-01-31 12:00:00`.
fn utc(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    // The Gregorian calendar in eras of 400 years, each year beginning in March (so that the leap day comes last).
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// A point in time as the command line says it: `90s`, `15m`, `6h`, `7d` before (or, with `ahead`, after) now, or RFC 3339 in UTC. Unix
/// microseconds.
///
/// # Errors
/// When it is neither.
pub(crate) fn moment(text: &str, now_us: u64, ahead: bool) -> Result<u64, Failure> {
    let wrong = || Failure::usage(format!("{text:?} is no time: 90s, 15m, 6h, 7d, or 2026-01-31T12:00:00Z"));
    let unit_us = match text.chars().last() {
        Some('s') => 1_000_000,
        Some('m') => 60_000_000,
        Some('h') => 3_600_000_000,
        Some('d') => 86_400_000_000_u64,
        _ => return instant(text).ok_or_else(wrong),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let span = number.checked_mul(unit_us).ok_or_else(wrong)?;
    if ahead { now_us.checked_add(span).ok_or_else(wrong) } else { Ok(now_us.saturating_sub(span)) }
}

/// `2026-01-31T12:00:00Z`, or the day alone, in Unix microseconds.
pub(crate) fn instant(text: &str) -> Option<u64> {
    let (date, of_day) = match text.split_once('T') {
        Some((date, rest)) => {
            let mut parts = rest.strip_suffix('Z')?.split(':');
            let mut part = |most: u64| parts.next()?.parse::<u64>().ok().filter(|&part| part <= most);
            let seconds = part(23)? * 3_600 + part(59)? * 60 + part(59)?;
            (date, parts.next().is_none().then_some(seconds)?)
        }
        None => (text, 0),
    };
    let mut parts = date.split('-');
    let mut part = || parts.next()?.parse::<u64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    if parts.next().is_some()
        || !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let year_shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year_shifted / 400, year_shifted % 400);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + of_day;
    // The 31st of a month that has none is another day.
    utc(seconds).starts_with(&format!("{year:04}-{month:02}-{day:02}")).then_some(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(&["name", ">n", "what"]);
        table.row(["a".into(), "1".into(), "x\u{1b}[2J\n".into()]);
        table.row(["größer".into(), "1,000".into(), String::new()]);
        assert_eq!(table.text(), "NAME        N  WHAT\na           1  x\\u001b[2J\\n\ngrößer  1,000\n");
    }

    #[test]
    fn figures_are_as_people_read_them() {
        let sizes = [0_u64, 1_023, 1_024, 1_572_864].map(|bytes| size(&json!(bytes)));
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
        assert_eq!(
            (ms(&json!(1_234)), count(&json!(1_234)), text(&Value::Null)),
            ("1.23".into(), "1,234".into(), String::new())
        );
        assert_eq!(time(&json!(951_782_400_000_000_u64)), "2000-02-29 00:00:00");
    }

    #[test]
    fn times_are_spans_or_instants() {
        let now = 1_000_000_000_000_000;
        let at = |text: &str| moment(text, now, false).ok();
        assert_eq!(
            (at("90s"), at("1d"), moment("2h", now, true).ok()),
            (Some(now - 90_000_000), Some(now - 86_400_000_000), Some(now + 7_200_000_000))
        );
        assert_eq!(at("2000-02-29T00:00:00Z"), Some(951_782_400_000_000));
        assert_eq!((at("2000-03-01"), at("1970-01-01")), (Some(951_868_800_000_000), Some(0)));
        for text in [
            "",
            "x",
            "1",
            "-1d",
            "2001-02-29",
            "2000-13-01",
            "2000-01-01T24:00:00Z",
            "2000-01-01T00:00Z",
            "99999999999999999999d",
        ] {
            assert_eq!(at(text), None, "{text:?}");
        }
    }
}
