//! From the positions in QuickJS's stack texts to the author's files, by the bundle's source map. The map is read when an error
//! needs it, not before.

use std::sync::OnceLock;

use sourcemap::SourceMap;

use crate::floor::fault::Frame;

/// Frames kept of one stack.
const FRAMES_MAX: usize = 32;
/// Names that start so are the engine's own code; authors are not shown them.
const INTERNAL_PREFIX: &str = "belljar:";

/// How the stacks of one bundle are read.
#[derive(Debug)]
pub(crate) struct Positions {
    bundle: &'static str,
    text: String,
    map: OnceLock<Option<SourceMap>>,
}

impl Positions {
    /// Frames in the file named `bundle` are mapped by the source map `text` (JSON).
    pub(crate) fn new(bundle: &'static str, text: &str) -> Self {
        Self { bundle, text: text.to_owned(), map: OnceLock::new() }
    }

    /// Positions are the author's already.
    pub(crate) fn unmapped() -> Self {
        Self { bundle: "", text: String::new(), map: OnceLock::from(None) }
    }

    /// Reads a stack text of QuickJS: lines of `    at function (file:line:column)`, innermost first.
    pub(crate) fn frames(&self, stack: &str) -> Vec<Frame> {
        stack.lines().filter_map(|line| self.frame(line)).take(FRAMES_MAX).collect()
    }

    fn frame(&self, line: &str) -> Option<Frame> {
        let line = line.trim_start().strip_prefix("at ")?;
        let (function, place) = match line.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) {
            Some((function, place)) => (function, place),
            None => ("", line),
        };
        let (rest, column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        let (line, column) = (line.parse().ok()?, column.parse().ok()?);
        if file.starts_with(INTERNAL_PREFIX) {
            return None;
        }
        let function = function.replace("<anonymous>", "");
        if file != self.bundle {
            return Some(Frame { function, file: file.to_owned(), line, column, in_author_file: !file.starts_with('<') });
        }
        Some(self.mapped(&function, line, column).unwrap_or_else(|| Frame {
            function,
            file: file.to_owned(),
            line,
            column,
            in_author_file: false,
        }))
    }

    fn mapped(&self, function: &str, line: u32, column: u32) -> Option<Frame> {
        let map = self.map.get_or_init(|| SourceMap::from_slice(self.text.as_bytes()).ok()).as_ref()?;
        // QuickJS counts from 1, source maps from 0.
        let token = map.lookup_token(line.checked_sub(1)?, column.checked_sub(1)?)?;
        // The token before may belong to an earlier line: then nothing is known of this one.
        if token.get_dst_line() + 1 != line {
            return None;
        }
        let file = token.get_source()?.to_owned();
        let in_author_file = !file.contains("node_modules/") && !file.starts_with(['\0', '<']);
        Some(Frame {
            function: function.to_owned(),
            line: token.get_src_line() + 1,
            column: token.get_src_col() + 1,
            in_author_file,
            file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line of `bundle.mjs` that comes from line 3, column 5 of `src/a.ts`.
    const MAP: &str = r#"{"version":3,"sources":["src/a.ts"],"names":[],"mappings":"AAEI"}"#;

    fn check(stack: &str, expected: &[&str]) {
        let positions = Positions::new("bundle.mjs", MAP);
        let found: Vec<String> = positions.frames(stack).iter().map(|f| format!("{} {f}", f.function)).collect();
        assert_eq!(found, expected, "{stack}");
    }

    #[test]
    fn reads_the_stacks_of_quickjs() {
        check("    at handler (bundle.mjs:1:1)\n    at call (belljar:web:9:9)\n", &["handler src/a.ts:3:5"]);
        check("    at <anonymous> (other.js:2:3)\n", &[" other.js:2:3"]);
        check("    at other.js:2:3\n", &[" other.js:2:3"]);
        check("    at f (bundle.mjs:7:1)\n", &["f bundle.mjs:7:1"]);
        check("    at native\nnonsense\n    at x (y)\n    at (:a:b)\n", &[]);
    }

    #[test]
    fn a_broken_map_leaves_positions_in_the_bundle() {
        let positions = Positions::new("bundle.mjs", "not json");
        assert_eq!(positions.frames("at f (bundle.mjs:1:2)")[0].to_string(), "bundle.mjs:1:2");
    }
}
