//! From an author's folder to a package: manifest, bundle, package file.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let built = belljar_build::build("examples/pricing".as_ref())?;
//! std::fs::write("pricing.belljar", built.package.encode()?)?;
//! # Ok(()) }
//! ```
//!
//! Everything here reads the author's input and reports [`Problem`]s at the author's file, line and column. Nothing here
//! runs the author's code.

mod build;
mod bundle;
mod component;
mod diagnostic;
mod external;
mod intl;
pub mod manifest;
mod migrations;
mod pages;
mod testing;

pub use build::{Built, FILE_BYTES_MAX, Report, build_with, check_with};
#[cfg(feature = "rolldown")]
pub use build::{build, check};
#[cfg(feature = "rolldown")]
pub use bundle::rolldown::{Rolldown, bundle_script};
pub use bundle::{Bundle, BundleRequest, Bundler, Format, SOURCE_BYTES_MAX, SOURCES_BYTES_MAX, Target};
pub use diagnostic::{BuildError, Place, Problem, Severity, SourceFile};
pub use manifest::Manifest;
#[cfg(feature = "rolldown")]
pub use testing::build_tests;
pub use testing::{BuiltTests, TEST_CHANNEL, TEST_HANDLER, TestFiles, build_tests_with, is_test_file};
