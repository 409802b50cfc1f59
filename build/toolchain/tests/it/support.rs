//! Folders to build, and diagnostics as text.

use std::path::{Path, PathBuf};

use belljar_build::{BuildError, Problem};

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// With these files; a content of `-> x` makes a symbolic link to `x`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        for (path, content) in files {
            folder.write(path, content);
        }
        folder
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).expect("a link"),
            None => std::fs::write(path, content).expect("a file"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }
}

/// The smallest manifest, for `main.ts`.
pub(crate) const MANIFEST: &str = "id: hello\nversion: 1.0.0\nname: Hello\nruntime:\n  entrypoint: main.ts\n";

/// Diagnostics as an author sees them, without colour.
pub(crate) fn render(error: &BuildError) -> String {
    error.problems().iter().map(render_one).collect()
}

/// One diagnostic, without colour.
pub(crate) fn render_one(problem: &Problem) -> String {
    let mut text = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false);
    handler.render_report(&mut text, problem).expect("it renders");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
