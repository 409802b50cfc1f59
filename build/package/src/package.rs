//! The package itself: what it holds, and its one encoding. How entries are laid out in the file is `archive.rs`.

use std::collections::BTreeMap;

use crate::{Descriptor, Engine, PackageError, Runtime, archive, rules};

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
/// The component of an applet of engine `component`, among the other files.
pub const COMPONENT_PATH: &str = "component.wasm";
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
    /// One ES module; empty when the applet is a component.
    pub bundle: String,
    /// The bundle's source map: JSON, version 3; empty when the applet is a component.
    pub source_map: String,
    /// The author's `assets/` and `migrations/`, by path; client code of pages under `assets/pages/`; for process engines npm packages under
    /// `node_modules/`; for engine `component` the component, as [`COMPONENT_PATH`].
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
        check_files(self.files.keys().map(String::as_str), &self.descriptor.runtime)?;
        self.check_bundle()?;
        archive::write(self)
    }

    /// A component has no bundle beside it.
    pub(crate) fn check_bundle(&self) -> Result<(), PackageError> {
        let is_component = self.descriptor.runtime.engine == Engine::Component;
        let texts = [(BUNDLE_PATH, &self.bundle), (SOURCE_MAP_PATH, &self.source_map)];
        match texts.into_iter().find(|(_, text)| is_component && !text.is_empty()) {
            None => Ok(()),
            Some((path, _)) => {
                Err(PackageError::Path { path: path.to_owned(), rule: "it is empty when the applet is a component" })
            }
        }
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
pub(crate) fn check_files<'a>(
    paths: impl ExactSizeIterator<Item = &'a str>,
    runtime: &Runtime,
) -> Result<(), PackageError> {
    if paths.len() > FILES_MAX {
        return Err(PackageError::TooManyFiles { actual: paths.len(), allowed: FILES_MAX });
    }
    let (is_component, mut has_component) = (runtime.engine == Engine::Component, false);
    for path in paths {
        if is_component && path == COMPONENT_PATH {
            has_component = true;
            continue;
        }
        rules::package_file_path(path, !runtime.external.is_empty())
            .map_err(|rule| PackageError::Path { path: path.to_owned(), rule })?;
    }
    if is_component && !has_component {
        return Err(PackageError::Path {
            path: COMPONENT_PATH.to_owned(),
            rule: "it is missing, and the applet is a component",
        });
    }
    Ok(())
}
