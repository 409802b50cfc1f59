//! The seam to the bundler: what is asked, and what comes back. Which bundler does it is known only below this module.

use std::{collections::BTreeMap, path::PathBuf};

use belljar_package::Engine;

use crate::diagnostic::{BuildError, Problem};

#[cfg(feature = "rolldown")]
mod fence;
#[cfg(feature = "rolldown")]
mod imports;
#[cfg(feature = "rolldown")]
mod lines;
#[cfg(feature = "rolldown")]
mod nesting;
#[cfg(feature = "rolldown")]
mod node_builtins;
#[cfg(feature = "rolldown")]
mod own_place;
#[cfg(feature = "rolldown")]
mod portable;
#[cfg(feature = "rolldown")]
mod problems;
#[cfg(feature = "rolldown")]
pub(crate) mod rolldown;
#[cfg(feature = "rolldown")]
mod server_only;
#[cfg(feature = "rolldown")]
mod specifier;
#[cfg(feature = "rolldown")]
mod styles;
#[cfg(feature = "rolldown")]
mod target;

/// Largest single source file, bytes.
pub const SOURCE_BYTES_MAX: u64 = 5 << 20;
/// All source files of one bundle together, bytes.
pub const SOURCES_BYTES_MAX: u64 = 48 << 20;

/// Turns an entry file and all it imports into one file.
pub trait Bundler {
    /// Bundles.
    ///
    /// # Errors
    /// [`BuildError`] with every problem found: syntax errors, imports that lead nowhere or outside, files that are too
    /// large.
    fn bundle(&self, request: &BundleRequest) -> Result<Bundle, BuildError>;
}

/// What to bundle.
#[derive(Debug, Clone)]
pub struct BundleRequest {
    /// The applet's folder. Only files in it, and packages in `node_modules` of it or of a folder above it, are read.
    pub folder: PathBuf,
    /// The entry file, relative to the folder; or the name of one of `modules`.
    pub entry: String,
    /// What to make.
    pub format: Format,
    /// Where it runs.
    pub target: Target,
    /// Modules that are no files, by name: generated ones. Those whose names begin with `belljar:` are for each other only; what else they import
    /// is found as if they lay in the folder. In one of the name `a/b.ts`, `./c.ts` is the one of the name `a/c.ts`.
    pub modules: Vec<(String, String)>,
    /// Whether to count which lines of the author's files are executed.
    pub counts_lines: bool,
}

/// Where a bundle runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The sandbox: everything is in the bundle.
    Sandbox,
    /// A process.
    Process {
        /// Of this engine: its own modules are left to be imported.
        engine: Engine,
        /// Packages that are left to be imported as well.
        external: Vec<String>,
    },
    /// A browser: minified; what is imported for a name that nobody uses is not in it, whatever it would do; stylesheets are told apart.
    Browser {
        /// Whether it is run at all; else only the stylesheets matter.
        is_run: bool,
    },
}

/// The kind of file a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One ES module with the entry's exports.
    Module,
    /// One classic script whose completion value is the entry's default export.
    Script,
}

/// The outcome.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// JavaScript. Ends with a newline, has no `sourceMappingURL`.
    pub code: String,
    /// Its source map: JSON, version 3, sources relative to the applet's folder, with their content. Empty for browsers.
    pub source_map: String,
    /// For browsers: the stylesheets that its modules import, joined; else empty.
    pub styles: String,
    /// Names the entry exports, sorted.
    pub exports: Vec<String>,
    /// Every file that was read, absolute and sorted: what a watcher watches.
    pub inputs: Vec<PathBuf>,
    /// What is legal and still worth a look.
    pub notices: Vec<Problem>,
    /// Where lines are counted, of each file the line of each statement, from 1.
    pub lines: BTreeMap<String, Vec<u32>>,
}
