//! Why the catalog did not do what it was asked, in words for an operator, and what a caller can make of it.

use belljar::package::{ConfigProblem, MigrationProblem, PackageError};
use belljar::{DatabaseFileError, InvalidId, MigrateError};

/// The catalog did not do it. Unless it says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// It is not the time for it: something is there already, or has changed meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// What was given is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The file is no package.
    #[error("the package cannot be installed: {0}")]
    Package(#[from] PackageError),
    /// The package's migrations cannot be read.
    #[error("the package cannot be installed: {}", list(.0))]
    Migrations(Vec<MigrationProblem>),
    /// The configuration does not fit what the applet declares.
    #[error("{}", list(.0))]
    Config(Vec<ConfigProblem>),
    /// Secrets that the applet requires are not set.
    #[error("secrets are missing: {}", .names.join(", "))]
    MissingSecrets {
        /// Their names.
        names: Vec<String>,
    },
    /// A migration failed. The database is as it was.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The applet's top-level code, or its install hook, failed.
    #[error("{0}")]
    Applet(String),
    /// Secrets cannot be encrypted or decrypted.
    #[error("{0}")]
    SecretsKey(String),
    /// The catalog or the disk fails.
    #[error("{0}")]
    Storage(String),
}

/// What a caller can make of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 422: what was given cannot be used.
    Invalid,
    /// 503: the host's own trouble.
    Unavailable,
}

impl CatalogError {
    /// What a caller can make of it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Migrate(MigrateError::Database(_)) | Self::SecretsKey(_) | Self::Storage(_) => ErrorKind::Unavailable,
            Self::Invalid(_)
            | Self::Package(_)
            | Self::Migrations(_)
            | Self::Config(_)
            | Self::MissingSecrets { .. }
            | Self::Migrate(_)
            | Self::Applet(_) => ErrorKind::Invalid,
        }
    }

    pub(super) fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let why = match error.kind() {
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => "the disk is full".to_owned(),
            K::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            _ => error.to_string(),
        };
        Self::Storage(format!("{what}: {why}"))
    }
}

fn list<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        let Some(code) = error.sqlite_error_code() else {
            return Self::Storage(format!("the catalog cannot be used: {error}"));
        };
        let why = match code {
            C::DatabaseBusy | C::DatabaseLocked => "the catalog is locked by another process: end it, and try again",
            C::DiskFull => "the catalog cannot be written: the disk is full",
            C::ReadOnly => "the catalog cannot be written: the file or its file system is read-only",
            C::DatabaseCorrupt | C::NotADatabase => {
                "the catalog is damaged: stop the server and restore a backup of the data directory"
            }
            C::CannotOpen | C::PermissionDenied => {
                "the catalog cannot be opened: look at the owner and the modes of the data directory"
            }
            C::SystemIoFailure => "the catalog cannot be read or written: the disk fails, or is full",
            _ => return Self::Storage(format!("the catalog cannot be used: {error}")),
        };
        Self::Storage(why.into())
    }
}

impl From<InvalidId> for CatalogError {
    fn from(error: InvalidId) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<DatabaseFileError> for CatalogError {
    fn from(error: DatabaseFileError) -> Self {
        match error {
            DatabaseFileError::Io(error) => Self::io("an applet's database", &error),
            DatabaseFileError::Database(text) => Self::Storage(format!("an applet's database: {text}")),
        }
    }
}
