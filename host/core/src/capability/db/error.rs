//! Why an operation failed, told to an applet without host detail, and how SQLite's result codes become that. Messages of
//! SQLite are passed on only where they speak of the applet's own SQL; paths and system errors are not.

use rusqlite::ffi;

use super::watch::{Stop, Watch};
use crate::floor::limits::LimitHit;

/// Bytes kept of a message: SQLite quotes whole tokens of the statement.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Why an operation failed. The cases are those of `wit/db.wit`, but for `not-granted`, which is decided before there is a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// Not allowed in an applet's database.
    #[error("not allowed in an applet's database: {0}")]
    Denied(String),
    /// The statement or its parameters are wrong.
    #[error("{0}")]
    Invalid(String),
    /// A constraint refused the change.
    #[error("{0}")]
    Constraint(String),
    /// Another transaction holds the write lock.
    #[error("another transaction holds the write lock")]
    Busy,
    /// A limit was hit.
    #[error("{0}")]
    Limit(LimitHit),
    /// The transaction is not open: committed, rolled back, or over its time.
    #[error("the transaction is not open")]
    NoTransaction,
    /// The database failed; what the applet may know of it.
    #[error("{0}")]
    Failed(String),
}

impl DbError {
    pub(super) fn limit(name: &'static str, allowed: u64, used: u64) -> Self {
        Self::Limit(LimitHit { name, allowed, used })
    }

    pub(super) fn cancelled() -> Self {
        Self::Failed("the operation was cancelled".into())
    }

    /// Says which statement of a batch it was (counted from 1), where a message can say it.
    pub(super) fn of_statement(self, number: usize) -> Self {
        let mark = |text: String| format!("{text} (statement {number} of the batch)");
        match self {
            Self::Denied(text) => Self::Denied(mark(text)),
            Self::Invalid(text) => Self::Invalid(mark(text)),
            Self::Constraint(text) => Self::Constraint(mark(text)),
            other => other,
        }
    }
}

impl From<Stop> for DbError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(hit) => Self::Limit(hit),
            Stop::Cancelled => Self::cancelled(),
        }
    }
}

/// The bounds an error message names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) value_bytes_max: u64,
    pub(super) database_bytes_max: u64,
}

/// What SQLite's error means to an applet. `watch` knows whether we stopped the statement and why, and what was refused.
pub(super) fn from_sqlite(error: &rusqlite::Error, watch: &Watch, bounds: Bounds) -> DbError {
    if let Some(stop) = watch.stopped() {
        return stop.into();
    }
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, message) => (code, message.clone().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => (error, format!("{msg} (at byte {offset})")),
        rusqlite::Error::MultipleStatement => return DbError::Invalid("more than one statement in a call".into()),
        _ => return DbError::Failed("the database failed".into()),
    };
    from_code(code.extended_code, message, watch.denied(), bounds)
}

fn from_code(extended: i32, message: String, denied: Option<String>, bounds: Bounds) -> DbError {
    let failed = |text: &str| DbError::Failed(text.to_owned());
    match extended & 0xff {
        ffi::SQLITE_AUTH => DbError::Denied(denied.unwrap_or_else(|| cut(message))),
        // An authorizer's refusal inside a nested statement (VACUUM) surfaces as a plain error.
        ffi::SQLITE_ERROR => denied.map_or_else(|| DbError::Invalid(cut(message)), DbError::Denied),
        ffi::SQLITE_RANGE => DbError::Invalid(cut(message)),
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH => DbError::Constraint(cut(message)),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => DbError::Busy,
        // SQLite does not say how long the value would have been: at least one byte more.
        ffi::SQLITE_TOOBIG => DbError::limit("value_bytes_max", bounds.value_bytes_max, bounds.value_bytes_max + 1),
        ffi::SQLITE_FULL => {
            DbError::limit("database_bytes_max", bounds.database_bytes_max, bounds.database_bytes_max + 1)
        }
        ffi::SQLITE_NOMEM => failed("the host's memory for databases is used up"),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => failed("the database is damaged"),
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_IOERR | ffi::SQLITE_PERM => {
            failed("the database cannot be read or written: the disk fails, or is full")
        }
        ffi::SQLITE_READONLY => failed("the database cannot be written"),
        ffi::SQLITE_INTERRUPT => DbError::cancelled(),
        _ => failed("the database failed"),
    }
}

/// Cuts at a character boundary.
fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(extended: i32, expected: DbError) {
        let bounds = Bounds { value_bytes_max: 10, database_bytes_max: 20 };
        assert_eq!(from_code(extended, "message".into(), None, bounds), expected, "code {extended}");
    }

    #[test]
    fn codes_become_cases() {
        check(ffi::SQLITE_CONSTRAINT_UNIQUE, DbError::Constraint("message".into()));
        check(ffi::SQLITE_ERROR, DbError::Invalid("message".into()));
        check(ffi::SQLITE_BUSY_SNAPSHOT, DbError::Busy);
        check(ffi::SQLITE_TOOBIG, DbError::limit("value_bytes_max", 10, 11));
        check(ffi::SQLITE_FULL, DbError::limit("database_bytes_max", 20, 21));
        check(ffi::SQLITE_AUTH, DbError::Denied("message".into()));
        check(
            ffi::SQLITE_IOERR_WRITE,
            DbError::Failed("the database cannot be read or written: the disk fails, or is full".into()),
        );
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let text = cut("é".repeat(2000));
        assert!(text.len() <= MESSAGE_BYTES_MAX + '…'.len_utf8());
        assert!(text.ends_with('…'));
    }
}
