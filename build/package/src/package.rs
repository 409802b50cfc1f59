//! The package itself: what it holds, and its one encoding. How entries are laid out in the file is `archive.rs`.

use std::collections::BTreeMap;

use crate::{Descriptor, PackageError, archive, rules};

/// Largest package file, bytes.
pub const PACKAGE_BYTES_MAX: usize = 64 << 20;
/// Largest `belljar.json`, bytes.
pub const DESCRIPTOR_BYTES_MAX: usize = 4 << 20;
/// Most files a package carries beside its bundle and source map.
pub const FILES_MAX: usize = 4096;
/// The first entry: the descriptor, and size and digest of every other entry.
pub const DESCRIPTOR_PATH: &str = "belljar.json";
/// The second entry: one ES module.
pub const BUNDLE_PATH: &str = "bundle.mjs";
/// The third entry: the bundle's source map.
pub const SOURCE_MAP_PATH: &str = "bundle.mjs.map";
/// The last entry: the BLAKE3 of all bytes before it, in hexadecimal, so that damage to any byte is noticed.
pub const SEAL_PATH: &str = "belljar.seal";

/// An applet as it travels from build to host.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let descriptor: belljar_package::Descriptor = serde_json::from_str(r#"{"format":1,"id":"hello","version":"1.0.0",
/// # "name":"Hello","description":null,"runtime":{"engine":"wasm","version":null,"entrypoint":"main.ts","limits":{},
/// # "health_check":null},"handlers":[{"name":"default","export":"default","trigger":{"type":"call"}}],
/// # "permissions":{"db":false,"http":[],"events_publish":[],"events_subscribe":[],"secrets":[],"kv":false,"jobs":false}}"#)?;
/// use belljar_package::Package;
/// let package = Package {
///     descriptor,
///     bundle: "export default () => 'hello';\n".into(),
///     source_map: r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into(),
///     files: Default::default(),
/// };
/// let bytes = package.encode()?;
/// assert_eq!(Package::decode(&bytes)?, package);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The manifest, every default resolved.
    pub descriptor: Descriptor,
    /// One ES module.
    pub bundle: String,
    /// The bundle's source map: JSON, version 3.
    pub source_map: String,
    /// The author's `assets/` and `migrations/`, by path; client code of pages under `assets/pages/`; for process engines npm packages under
    /// `node_modules/`.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// The package's bytes: the same package always gives the same bytes.
    ///
    /// # Errors
    /// [`PackageError::TooLarge`], [`PackageError::TooManyFiles`], [`PackageError::Path`], [`PackageError::Descriptor`]
    /// or [`PackageError::FormatVersion`] when [`Package::decode`] would refuse the result.
    pub fn encode(&self) -> Result<Vec<u8>, PackageError> {
        self.descriptor.validate()?;
        check_files(self.files.keys().map(String::as_str), !self.descriptor.runtime.external.is_empty())?;
        archive::write(self)
    }

    /// Reads a package and verifies all of it: format, order, sizes, digests, paths, end.
    ///
    /// Whatever this accepts, [`Package::encode`] gives back byte for byte.
    ///
    /// # Errors
    /// Every [`PackageError`] but `Write`, each naming the part and, where there is one, the offset.
    pub fn decode(bytes: &[u8]) -> Result<Self, PackageError> {
        archive::read(bytes)
    }

    /// The package's identity: BLAKE3 of its encoded file.
    ///
    /// # Errors
    /// Those of [`Package::encode`].
    pub fn digest(&self) -> Result<blake3::Hash, PackageError> {
        Ok(Self::digest_of(&self.encode()?))
    }

    /// The identity of an encoded package, without reading it.
    pub fn digest_of(encoded: &[u8]) -> blake3::Hash {
        blake3::hash(encoded)
    }
}

/// Checks paths of a package's files, in any order.
pub(crate) fn check_files<'a>(paths: impl ExactSizeIterator<Item = &'a str>, has_externals: bool) -> Result<(), PackageError> {
    if paths.len() > FILES_MAX {
        return Err(PackageError::TooManyFiles { actual: paths.len(), allowed: FILES_MAX });
    }
    for path in paths {
        rules::package_file_path(path, has_externals).map_err(|rule| PackageError::Path { path: path.to_owned(), rule })?;
    }
    Ok(())
}
