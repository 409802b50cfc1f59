//! SQL functions replaced because SQLite's own take quadratic time within one instruction, where neither time limit nor
//! cancellation reaches them: `instr('aaa…', 'aa…b')` on megabytes runs for minutes. These are linear and answer the same.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memmem;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ffi};

/// Puts the functions in place. A result of `replace` larger than `value_bytes_max` is refused before it is made.
pub(super) fn install(sqlite: &Connection, value_bytes_max: Arc<AtomicU64>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    sqlite.create_scalar_function("instr", 2, flags, |call| Ok(instr(call.get_raw(0), call.get_raw(1))))?;
    sqlite.create_scalar_function("replace", 3, flags, move |call| {
        let bytes_max = value_bytes_max.load(Ordering::Relaxed);
        replace(call.get_raw(0), call.get_raw(1), call.get_raw(2), bytes_max)
    })?;
    for (name, left, right) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        let trimmed = move |call: &rusqlite::functions::Context<'_>| {
            Ok(trim(call.get_raw(0), call.get_raw(1), left, right).map(Bytes::Text))
        };
        sqlite.create_scalar_function(name, 2, flags, trimmed)?;
    }
    sqlite.create_scalar_function("unhex", 2, flags, |call| Ok(unhex(call.get_raw(0), call.get_raw(1))))
}

/// A result; text need not be UTF-8, as SQLite passes bytes through.
enum Bytes {
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl ToSql for Bytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The value's text, as SQLite gives it; `None` for NULL.
fn text(value: ValueRef<'_>) -> Option<Cow<'_, [u8]>> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
        ValueRef::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
        ValueRef::Real(number) => Cow::Owned(real_text(number).into_bytes()),
    })
}

/// A number as SQLite writes it: SQLite itself is asked, through a connection without a file that the thread keeps, because its
/// digits follow no rule of the standard library.
fn real_text(number: f64) -> String {
    thread_local! {
        static WRITER: Option<Connection> = Connection::open_in_memory().ok();
    }
    let ask = |sqlite: &Connection| sqlite.query_row("SELECT CAST(?1 AS TEXT)", [number], |row| row.get(0)).ok();
    WRITER.with(|writer| writer.as_ref().and_then(ask)).unwrap_or_else(|| number.to_string())
}

/// Position of the first occurrence from 1, 0 when there is none; in bytes for blobs, else in characters.
fn instr(hay: ValueRef<'_>, needle: ValueRef<'_>) -> Option<i64> {
    let in_bytes = matches!((hay, needle), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (hay, needle) = (text(hay)?, text(needle)?);
    let Some(at) = memmem::find(&hay, &needle) else { return Some(0) };
    let before = if in_bytes { at } else { hay[..at].iter().filter(|byte| !continues(**byte)).count() };
    i64::try_from(before + 1).ok()
}

fn replace(
    subject: ValueRef<'_>,
    pattern: ValueRef<'_>,
    by: ValueRef<'_>,
    bytes_max: u64,
) -> rusqlite::Result<Option<Bytes>> {
    let (Some(subject), Some(pattern), Some(by)) = (text(subject), text(pattern), text(by)) else { return Ok(None) };
    if pattern.is_empty() {
        return Ok(Some(Bytes::Text(subject.into_owned())));
    }
    let finder = memmem::Finder::new(&*pattern);
    let count = finder.find_iter(&subject).count();
    let size = (subject.len() - count * pattern.len()) as u64 + count as u64 * by.len() as u64;
    if size > bytes_max {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
    }
    let mut result = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut done = 0;
    for at in finder.find_iter(&subject) {
        result.extend_from_slice(&subject[done..at]);
        result.extend_from_slice(&by);
        done = at + pattern.len();
    }
    result.extend_from_slice(&subject[done..]);
    Ok(Some(Bytes::Text(result)))
}

fn trim(subject: ValueRef<'_>, set: ValueRef<'_>, left: bool, right: bool) -> Option<Vec<u8>> {
    let (subject, set) = (text(subject)?, text(set)?);
    let set: HashSet<&[u8]> = Characters(&set).collect();
    let mut rest: &[u8] = &subject;
    if left {
        while let Some(first) = Characters(rest).next().filter(|character| set.contains(character)) {
            rest = &rest[first.len()..];
        }
    }
    while right && !rest.is_empty() {
        let start = rest.iter().rposition(|byte| !continues(*byte)).unwrap_or(rest.len() - 1);
        if !set.contains(&rest[start..]) {
            break;
        }
        rest = &rest[..start];
    }
    Some(rest.to_vec())
}

/// Bytes from hexadecimal digits in pairs; between pairs any character of `skipped` is passed over. NULL when malformed.
fn unhex(digits: ValueRef<'_>, skipped: ValueRef<'_>) -> Option<Bytes> {
    let (digits, skipped) = (text(digits)?, text(skipped)?);
    let skipped: HashSet<&[u8]> = Characters(&skipped).collect();
    // SQLite reads the digits as a C string.
    let mut rest = digits.split(|byte| *byte == 0).next().unwrap_or_default();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut result = Vec::with_capacity(rest.len() / 2);
    while let Some(character) = Characters(rest).next() {
        match digit(rest[0]) {
            None if skipped.contains(character) => rest = &rest[character.len()..],
            None => return None,
            Some(high) => {
                result.push(high << 4 | digit(*rest.get(1)?)?);
                rest = &rest[2..];
            }
        }
    }
    Some(Bytes::Blob(result))
}

fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Characters as SQLite cuts them: a byte, and after a lead byte all that continue it.
struct Characters<'a>(&'a [u8]);

impl<'a> Iterator for Characters<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        let more = self.0[1..].iter().take_while(|byte| first >= 0xc0 && continues(**byte)).count();
        let (character, rest) = self.0.split_at(1 + more);
        self.0 = rest;
        Some(character)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::types::Value;

    fn ask(replaced: bool, sql: &str) -> Value {
        let sqlite = Connection::open_in_memory().expect("opens");
        if replaced {
            install(&sqlite, Arc::new(AtomicU64::new(1 << 20))).expect("installs");
        }
        sqlite.query_row(&format!("SELECT {sql}"), [], |row| row.get(0)).expect("answers")
    }

    /// Ours must answer what SQLite's own answers.
    fn check(sql: &str) {
        assert_eq!(ask(true, sql), ask(false, sql), "{sql}");
    }

    #[test]
    fn answers_are_those_of_sqlite() {
        for sql in [
            "instr('haystack','st')",
            "instr('grüße','ße')",
            "instr('abc','')",
            "instr('','a')",
            "instr(NULL,'a')",
            "instr('abc',NULL)",
            "instr(x'ff00ab',x'ab')",
            "instr('a'||char(0)||'b','b')",
            "instr(12345,34)",
            "instr(1.5,'.')",
            "replace('aaaa','aa','b')",
            "replace('grüße','ü','ue')",
            "replace('abc','','x')",
            "replace(1.5,'.',',')",
            "replace(-12,'-','+')",
            "replace(NULL,'a','b')",
            "replace('abc','b',NULL)",
            "replace(x'616263','b','x')",
            "trim('xxaxx','x')",
            "trim('üüaüü','ü')",
            "trim('  a  ',' ')",
            "ltrim('xyxa','xy')",
            "rtrim('axyx','xy')",
            "trim('aaa','a')",
            "trim('abc','')",
            "trim(NULL,'a')",
            "trim('a',NULL)",
            "trim(1.10,'1')",
            "unhex('0a 0B-0c',' -')",
            "unhex('0a0',' ')",
            "unhex('0 a',' ')",
            "unhex('zz','')",
            "unhex('0aé','é')",
            "unhex('','')",
            "unhex(NULL,'')",
        ] {
            check(sql);
        }
    }

    #[test]
    fn numbers_are_written_as_sqlite_writes_them() {
        for number in [
            "0.0",
            "-0.0",
            "1.0",
            "-1.5",
            "0.1",
            "0.1+0.2",
            "1e15",
            "1e16",
            "1e17",
            "123456789012345678.0",
            "1.5e300",
            "1e-4",
            "1e-5",
            "2.5e-7",
            "1e100",
            "9007199254740993.0",
            "1.0/3",
            "100.0",
            "1e400",
            "-1e400",
            "5e-324",
            "1.7976931348623157e308",
            "99999999999999999.0",
            "12345678901234567.0",
            "0.00012345",
        ] {
            check(&format!("replace({number},'x','y')"));
        }
    }

    #[test]
    fn a_large_replacement_is_refused_before_it_is_made() {
        let sqlite = Connection::open_in_memory().expect("opens");
        install(&sqlite, Arc::new(AtomicU64::new(1000))).expect("installs");
        let sql = "SELECT replace(hex(zeroblob(100)),'0',hex(zeroblob(100)))";
        let error = sqlite.query_row(sql, [], |row| row.get::<_, String>(0)).expect_err("is refused");
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::TooBig));
    }
}
