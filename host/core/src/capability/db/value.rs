//! What goes into the db capability and what comes out of it: `wit/db.wit` as plain Rust values. It knows nothing of SQLite.

/// A value SQLite knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number, all 64 bits of it.
    Integer(i64),
    /// A floating-point number. SQLite has no NaN: it is stored as NULL. Infinities are kept.
    Real(f64),
    /// Text; NUL characters are kept.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// What the value counts against byte limits: the bytes of a text or blob, else the 8 bytes of a number or NULL.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(text) => text.len() as u64,
            Self::Blob(bytes) => bytes.len() as u64,
        }
    }
}

/// The parameters of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameters {
    /// For `?` and `?1`, in their order; exactly as many as the statement has.
    Positional(Vec<Value>),
    /// For `:name`, `@name` and `$name`, named without the sign; exactly those the statement has.
    Named(Vec<(String, Value)>),
}

impl Default for Parameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

/// Exactly one SQL statement with its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    /// One statement; white space, comments and semicolons may follow it.
    pub sql: String,
    /// Its parameters.
    pub parameters: Parameters,
}

impl Statement {
    /// Bytes of the SQL and of its parameters, names included.
    pub fn size_bytes(&self) -> u64 {
        let parameters: u64 = match &self.parameters {
            Parameters::Positional(values) => values.iter().map(Value::size_bytes).sum(),
            Parameters::Named(values) => {
                values.iter().map(|(name, value)| name.len() as u64 + value.size_bytes()).sum()
            }
        };
        self.sql.len() as u64 + parameters
    }
}

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Names in the order of the statement; a name may occur twice.
    pub columns: Vec<String>,
    /// As many values in each row as there are columns.
    pub rows: Vec<Vec<Value>>,
}

/// What a statement changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows inserted, updated or deleted by the statement itself, without those of triggers and foreign key actions.
    pub changes: u64,
    /// The row id last inserted, when the statement is an INSERT that changed something; else 0.
    pub last_insert_rowid: i64,
}

/// Names an open transaction within its session; counted from 1.
pub type TransactionNumber = u32;

/// One operation of the db capability.
#[derive(Debug, Clone, PartialEq)]
pub enum DbOperation {
    /// Runs a statement and reads every row.
    Query {
        /// What to run.
        statement: Statement,
        /// Within this transaction, or by itself.
        transaction: Option<TransactionNumber>,
    },
    /// Runs a statement and reads at most one row.
    QueryOne {
        /// What to run.
        statement: Statement,
        /// Within this transaction, or by itself.
        transaction: Option<TransactionNumber>,
    },
    /// Runs a statement, drops its rows and tells what it changed.
    Execute {
        /// What to run.
        statement: Statement,
        /// Within this transaction, or by itself.
        transaction: Option<TransactionNumber>,
    },
    /// Executes statements in one transaction: all or none.
    Batch {
        /// What to run, in this order.
        statements: Vec<Statement>,
    },
    /// Opens a transaction that holds the write lock from the start.
    Begin,
    /// Commits a transaction.
    Commit {
        /// Which.
        transaction: TransactionNumber,
    },
    /// Rolls a transaction back.
    Rollback {
        /// Which.
        transaction: TransactionNumber,
    },
}

impl DbOperation {
    /// Its name, as in the SDK.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Query { .. } => "query",
            Self::QueryOne { .. } => "queryOne",
            Self::Execute { .. } => "execute",
            Self::Batch { .. } => "batch",
            Self::Begin => "begin",
            Self::Commit { .. } => "commit",
            Self::Rollback { .. } => "rollback",
        }
    }

    /// Whether it waits for the end of every transaction there is.
    pub fn takes_write_lock(&self) -> bool {
        matches!(self, Self::Execute { transaction: None, .. } | Self::Batch { .. } | Self::Begin)
    }
}

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum DbReply {
    /// Of `Query` and `QueryOne`.
    Rows(Rows),
    /// Of `Execute`.
    Changes(Changes),
    /// Of `Batch`, one for each statement.
    Batch(Vec<Changes>),
    /// Of `Begin`.
    Transaction(TransactionNumber),
    /// Of `Commit` and `Rollback`.
    Ended,
}
