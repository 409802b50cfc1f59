//! Why a package was refused. It knows nothing of files on disk: whoever read the bytes names the path.

/// A package could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The bytes are something else.
    #[error("not a belljar package: {found}")]
    NotAPackage {
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The package was made for another version of Belljar.
    #[error("package format {found} is not supported, this version reads format {supported}")]
    FormatVersion {
        /// The format the package names.
        found: String,
        /// The only format this version reads.
        supported: u32,
    },
    /// The file ends too early.
    #[error("package is truncated: {what} needs {needed} bytes at offset {offset}, {left} are left")]
    Truncated {
        /// The part that is not whole.
        what: String,
        /// Where the part starts, bytes.
        offset: usize,
        /// Its size, bytes.
        needed: usize,
        /// Bytes from there to the end of the file.
        left: usize,
    },
    /// Bytes are not what they were when the package was made.
    #[error("package is corrupt: {what} at offset {offset}")]
    Corrupt {
        /// What does not match.
        what: String,
        /// Where, bytes from the start of the file.
        offset: usize,
    },
    /// The package, or one part, is bigger than allowed.
    #[error("{what} has {actual} bytes, {allowed} are allowed")]
    TooLarge {
        /// The part.
        what: String,
        /// Its size, bytes.
        actual: u64,
        /// The largest size, bytes.
        allowed: u64,
    },
    /// The package holds more files than allowed.
    #[error("package holds {actual} files, {allowed} are allowed")]
    TooManyFiles {
        /// Files in the package.
        actual: usize,
        /// The most a package may hold.
        allowed: usize,
    },
    /// A file's path is not a plain path under `assets/`, `migrations/` or `node_modules/`.
    #[error("path {path:?} is not allowed in a package: {rule}")]
    Path {
        /// The path.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// `belljar.json` cannot be read.
    #[error("belljar.json cannot be read")]
    DescriptorSyntax(#[source] serde_json::Error),
    /// The descriptor says something no build would write.
    #[error("belljar.json is not valid: {field}: {rule}")]
    Descriptor {
        /// The field, as a path.
        field: String,
        /// The rule it breaks.
        rule: String,
    },
    /// Writing the archive failed; memory is the only medium, so this is a bug or a path the format cannot hold.
    #[error("package cannot be written")]
    Write(#[source] std::io::Error),
}
