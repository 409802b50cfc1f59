//! The package file of a Belljar applet: the only hand-off between building and hosting.
//!
//! A package holds source, never machine code, bytecode or a memory image: those are caches of one host and can be as
//! dangerous as native code when a stranger made them.

mod archive;
mod descriptor;
mod error;
mod package;
pub mod rules;

pub use descriptor::*;
pub use error::PackageError;
pub use package::{
    BUNDLE_PATH, DESCRIPTOR_BYTES_MAX, DESCRIPTOR_PATH, FILES_MAX, PACKAGE_BYTES_MAX, Package, SEAL_PATH,
    SOURCE_MAP_PATH,
};
