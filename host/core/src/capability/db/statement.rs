//! Runs one statement on one connection: prepares exactly one, binds, steps, and takes rows only as far as they are allowed.
//! It knows nothing of transactions and locks.

use std::collections::HashMap;

use rusqlite::Batch;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::connection::{SQL_BYTES_MAX, SqlConnection};
use super::error::DbError;
use super::value::{Changes, Parameters, Rows, Statement, Value};
use crate::floor::limits::DbLimits;

/// How the outcome of a statement is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Every row.
    Rows,
    /// The first row; the rest is not read.
    FirstRow,
    /// What it changed.
    Changes,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Rows {
        rows: Rows,
        bytes: u64,
    },
    Changes(Changes),
    /// It would write, and the caller does not hold the write lock. Nothing was run.
    NeedsWriteLock,
}

/// Refuses what is too large or cannot be SQL before anything is spent on it.
pub(super) fn admit(statement: &Statement, limits: &DbLimits) -> Result<(), DbError> {
    let sql_bytes = statement.sql.len() as u64;
    if sql_bytes > SQL_BYTES_MAX {
        return Err(DbError::limit("sql_bytes_max", SQL_BYTES_MAX, sql_bytes));
    }
    let bytes = statement.size_bytes();
    if bytes > limits.value_bytes_max {
        return Err(DbError::limit("value_bytes_max", limits.value_bytes_max, bytes));
    }
    // SQLite ends the text there and would silently drop the rest.
    if statement.sql.contains('\0') {
        return Err(DbError::Invalid("the statement holds a NUL character".into()));
    }
    Ok(())
}

/// Prepares and runs `statement`, which [`admit`] let in. Without `may_write` only if it does not write.
pub(super) fn run(
    connection: &mut SqlConnection,
    statement: &Statement,
    want: Want,
    may_write: bool,
    limits: &DbLimits,
) -> Result<Outcome, DbError> {
    let connection = &*connection;
    let prepared = prepare(connection, &statement.sql)?;
    if prepared.readonly() {
        return step(connection, prepared, statement, want, limits);
    }
    if !may_write {
        return Ok(Outcome::NeedsWriteLock);
    }
    if want == Want::Changes || prepared.column_count() == 0 {
        return step(connection, prepared, statement, want, limits);
    }
    // RETURNING: SQLite is done with its changes before the first row, so a row refused as one too many would come too late to
    // undo them without this.
    host(connection, "SAVEPOINT belljar")?;
    let result = step(connection, prepared, statement, want, limits)
        .and_then(|outcome| host(connection, "RELEASE belljar").map(|()| outcome));
    if result.is_err() && !connection.is_idle() {
        let undone = host(connection, "ROLLBACK TO belljar").and_then(|()| host(connection, "RELEASE belljar"));
        // Then the end of the lease rolls everything back.
        undone.or(result.as_ref().map(|_| ()).map_err(Clone::clone))?;
    }
    result
}

/// Runs SQL of our own within the statement's bounds.
fn host(connection: &SqlConnection, sql: &str) -> Result<(), DbError> {
    connection.watch.set_by_applet(false);
    let result = connection.sqlite.execute_batch(sql);
    connection.watch.set_by_applet(true);
    result.map_err(|error| connection.explain(&error))
}

/// Prepares exactly one statement.
fn prepare<'c>(connection: &'c SqlConnection, sql: &str) -> Result<rusqlite::Statement<'c>, DbError> {
    // Not `Connection::prepare`: it looks for a second statement by calling itself for the rest, as deep as there are statements.
    let mut statements = Batch::new(&connection.sqlite, sql);
    let first = statements.next().map_err(|error| connection.explain(&error))?;
    let first = first.ok_or_else(|| DbError::Invalid("there is no statement".into()))?;
    match statements.next() {
        Ok(None) => Ok(first),
        Ok(Some(_)) | Err(_) => Err(DbError::Invalid("there is more than one statement".into())),
    }
}

fn step(
    connection: &SqlConnection,
    mut prepared: rusqlite::Statement<'_>,
    statement: &Statement,
    want: Want,
    limits: &DbLimits,
) -> Result<Outcome, DbError> {
    let explain = |error: rusqlite::Error| connection.explain(&error);
    bind(&mut prepared, &statement.parameters, explain)?;
    let readonly = prepared.readonly();
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let changed_before = connection.sqlite.total_changes();
    let mut taken = Taken { rows: Vec::new(), bytes: columns.iter().map(|name| name.len() as u64).sum() };
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(explain)? {
        if want == Want::Changes || (want == Want::FirstRow && !taken.rows.is_empty()) {
            continue;
        }
        taken.row(row, &columns, limits)?;
        // A statement that writes is run to its end: its changes can fail there.
        if want == Want::FirstRow && readonly {
            break;
        }
    }
    drop(rows);
    prepared.finalize().map_err(explain)?;
    if want != Want::Changes {
        return Ok(Outcome::Rows { rows: Rows { columns, rows: taken.rows }, bytes: taken.bytes });
    }
    // Both figures of a connection stay those of an earlier statement when this one changes nothing.
    if connection.sqlite.total_changes() == changed_before {
        return Ok(Outcome::Changes(Changes::default()));
    }
    let last_insert_rowid = if connection.watch.inserts() { connection.sqlite.last_insert_rowid() } else { 0 };
    Ok(Outcome::Changes(Changes { changes: connection.sqlite.changes(), last_insert_rowid }))
}

struct Taken {
    rows: Vec<Vec<Value>>,
    bytes: u64,
}

impl Taken {
    /// Copies a row, unless it is one too many or too large.
    fn row(&mut self, row: &rusqlite::Row<'_>, columns: &[String], limits: &DbLimits) -> Result<(), DbError> {
        let count = self.rows.len() as u64 + 1;
        if count > limits.rows_max {
            return Err(DbError::limit("rows_max", limits.rows_max, count));
        }
        let mut values = Vec::with_capacity(columns.len());
        for (index, name) in columns.iter().enumerate() {
            let value = row.get_ref(index).map_err(|_| DbError::Failed("the database failed".into()))?;
            self.bytes += match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
            };
            if self.bytes > limits.result_bytes_max {
                return Err(DbError::limit("result_bytes_max", limits.result_bytes_max, self.bytes));
            }
            values.push(take(value, name)?);
        }
        self.rows.push(values);
        Ok(())
    }
}

/// Text that is not UTF-8 is an error rather than replaced: what is read can be written back unchanged.
fn take(value: ValueRef<'_>, column: &str) -> Result<Value, DbError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                let column: String = column.chars().take(64).collect();
                let hint = "read it with CAST(… AS BLOB)";
                return Err(DbError::Invalid(format!("column {column:?} holds text that is not UTF-8: {hint}")));
            }
        },
    })
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn bind(
    prepared: &mut rusqlite::Statement<'_>,
    parameters: &Parameters,
    explain: impl Fn(rusqlite::Error) -> DbError,
) -> Result<(), DbError> {
    let count = prepared.parameter_count();
    match parameters {
        Parameters::Positional(values) => {
            if values.len() != count {
                let given = values.len();
                return Err(DbError::Invalid(format!("the statement takes {count} parameters, {given} were given")));
            }
            for (index, value) in values.iter().enumerate() {
                prepared.raw_bind_parameter(index + 1, Bound(value)).map_err(&explain)?;
            }
        }
        Parameters::Named(values) => {
            let mut values: HashMap<&str, (&Value, bool)> =
                values.iter().map(|(name, value)| (name.as_str(), (value, false))).collect();
            for index in 1..=count {
                let name = prepared.parameter_name(index).filter(|name| !name.starts_with('?'));
                let Some(name) = name else {
                    return Err(DbError::Invalid(format!("parameter {index} of the statement has no name")));
                };
                let Some((value, used)) = name.get(1..).and_then(|name| values.get_mut(name)) else {
                    return Err(DbError::Invalid(format!("no value was given for parameter {name}")));
                };
                *used = true;
                prepared.raw_bind_parameter(index, Bound(value)).map_err(&explain)?;
            }
            if let Some((name, _)) = values.iter().filter(|(_, (_, used))| !used).min_by_key(|(name, _)| **name) {
                let name: String = name.chars().take(64).collect();
                return Err(DbError::Invalid(format!("the statement has no parameter named {name:?}")));
            }
        }
    }
    Ok(())
}
