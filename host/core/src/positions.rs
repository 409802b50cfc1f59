//! From the positions in the stack texts of JavaScript engines (QuickJS; V8 and JavaScriptCore, which write the same with paths) to the
//! author's files, by the bundle's source map. The map is read when an error needs it, not before.

use std::sync::OnceLock;

use sourcemap::SourceMap;

use crate::floor::fault::Frame;

/// The name under which an applet's bundle is evaluated; stacks carry it, and the source map leads from there.
pub(crate) const BUNDLE: &str = "bundle.mjs";
/// Frames kept of one stack.
const FRAMES_MAX: usize = 32;
/// Names that start so are the engine's own code, or that of a process's runtime; authors are not shown them.
const INTERNAL: [&str; 4] = ["belljar:", "node:", "bun:", "ext:"];

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

    /// A text of the applet's in which stacks may stand, with the author's positions in them and without the engine's own frames.
    pub(crate) fn in_text(&self, text: String) -> String {
        self.in_lines(text, "\n", str::to_owned)
    }

    /// The same in JSON text, where the end of a line is an escape.
    pub(crate) fn in_json(&self, json: String) -> String {
        self.in_lines(json, "\\n", |file| {
            let quoted = serde_json::Value::from(file).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        })
    }

    fn in_lines(&self, text: String, line_end: &str, escaped: impl Fn(&str) -> String) -> String {
        if !text.contains("  at ") {
            return text;
        }
        let mut shown = String::with_capacity(text.len());
        for (index, line) in text.split(line_end).enumerate() {
            let end = if index > 0 { line_end } else { "" };
            // A text may begin with a stack, and what follows the last frame ends the JSON around it.
            let (before, stacked) = line.split_at(line.find("    at ").map_or(0, |at| at + 4));
            let (stacked, rest) = stacked.split_at(stacked.rfind(')').map_or(0, |at| at + 1));
            match Stacked::read(stacked) {
                Some(Stacked { file, .. }) if is_internal(file) => {
                    shown.push_str(if before.trim().is_empty() { "" } else { end });
                    shown.push_str(before.trim_end());
                }
                Some(stacked) if stacked.file == self.bundle => {
                    let at = self.author(&stacked);
                    let place = format!("{}:{}:{}", escaped(&at.file), at.line, at.column);
                    let place = if at.function.is_empty() { place } else { format!("{} ({place})", at.function) };
                    shown.push_str(&format!("{end}{before}at {place}"));
                }
                // The engine's own functions, and those of QuickJS.
                None if stacked.starts_with("at ") && stacked.ends_with(" (native)") => {}
                _ => shown.push_str(&format!("{end}{before}{stacked}")),
            }
            shown.push_str(rest);
        }
        shown
    }

    fn frame(&self, line: &str) -> Option<Frame> {
        let stacked = Stacked::read(line)?;
        (!is_internal(stacked.file)).then(|| self.author(&stacked))
    }

    /// A frame in the author's file.
    fn author(&self, stacked: &Stacked<'_>) -> Frame {
        let Stacked { function, file, line, column } = *stacked;
        let function = own_name(function, file == self.bundle);
        if file != self.bundle {
            return Frame {
                function,
                file: file.to_owned(),
                line,
                column,
                in_author_file: !file.starts_with(['<', '/']) && !file.starts_with("node_modules/"),
            };
        }
        self.mapped(&function, line, column).unwrap_or_else(|| Frame {
            function,
            file: file.to_owned(),
            line,
            column,
            in_author_file: false,
        })
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

/// Whether a file is none of the applet's.
fn is_internal(file: &str) -> bool {
    INTERNAL.iter().any(|prefix| file.starts_with(prefix)) || file.ends_with("/runtime.mjs")
}

/// A function's name as the author knows it: the bundler calls a default export without a name after its file.
fn own_name(function: &str, is_bundled: bool) -> String {
    match function {
        "<anonymous>" => String::new(),
        function if is_bundled && function.ends_with("_default") => "default".to_owned(),
        function => function.to_owned(),
    }
}

/// One line of a stack as QuickJS writes it.
struct Stacked<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Stacked<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_start().strip_prefix("at ")?;
        let (function, place) = match line.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) {
            Some((function, place)) => (function, place),
            None => ("", line),
        };
        let (rest, column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        let function = function.strip_prefix("async ").unwrap_or(function);
        let file = file.strip_prefix("async ").unwrap_or(file);
        let file = file.strip_prefix("file://").unwrap_or(file);
        // A process knows where its files are; authors know what is in them.
        let file = match file.rsplit_once('/') {
            Some((folder, BUNDLE)) if folder.starts_with('/') && !folder.contains("/node_modules/") => BUNDLE,
            _ => file.find("/node_modules/").filter(|_| file.starts_with('/')).map_or(file, |at| &file[at + 1..]),
        };
        Some(Self { function, file, line: line.parse().ok()?, column: column.parse().ok()? })
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
    fn reads_the_stacks_of_processes() {
        check(
            "    at handler (file:///c/bundles/0a/bundle.mjs:1:1)\n    at async run (file:///c/s/1/runtime.mjs:9:9)\n    at process.x (node:internal/a:1:2)\n",
            &["handler src/a.ts:3:5"],
        );
        check(
            "    at async <anonymous> (/c/bundle.mjs:1:1)\n    at async file:///c/bundle.mjs:1:1",
            &[" src/a.ts:3:5", " src/a.ts:3:5"],
        );
        check(
            "    at f (/c/0a/node_modules/p/bundle.mjs:1:1)\n    at Promise.all (index 0)",
            &["f node_modules/p/bundle.mjs:1:1"],
        );
    }

    #[test]
    fn stacks_in_log_lines_have_the_authors_positions() {
        let positions = Positions::new("bundle.mjs", MAP);
        let check = |text: &str, expected: &str| assert_eq!(positions.in_text(text.to_owned()), expected);
        let stack =
            "Error: no\n    at f (bundle.mjs:1:1)\n    at <anonymous> (bundle.mjs:1:2)\n    at call (belljar:web:9:9)";
        check(stack, "Error: no\n    at f (src/a.ts:3:5)\n    at src/a.ts:3:5");
        check(
            &format!("{stack}\n  [cause]: x"),
            "Error: no\n    at f (src/a.ts:3:5)\n    at src/a.ts:3:5\n  [cause]: x",
        );
        check("it failed:     at f (bundle.mjs:1:1)\n    at apply (native)\n", "it failed:     at f (src/a.ts:3:5)\n");
        check("a\n    at main_default (bundle.mjs:1:1)", "a\n    at default (src/a.ts:3:5)");
        for plain in ["", "at f (bundle.mjs:1:1)", "look    at this", "one\n    at two\n", "a)\n  at x (y)"] {
            check(plain, plain);
        }
        let json = serde_json::json!({ "error": stack, "n": "\n" }).to_string();
        let shown = r#"{"error":"Error: no\n    at f (src/a.ts:3:5)\n    at src/a.ts:3:5","n":"\n"}"#;
        assert_eq!(positions.in_json(json), shown);
        assert_eq!(
            Positions::unmapped().in_text("E\n    at f (belljar:web:1:1)\n    at g (x.js:1:1)".into()),
            "E\n    at g (x.js:1:1)"
        );
    }

    #[test]
    fn a_broken_map_leaves_positions_in_the_bundle() {
        let positions = Positions::new("bundle.mjs", "not json");
        assert_eq!(positions.frames("at f (bundle.mjs:1:2)")[0].to_string(), "bundle.mjs:1:2");
    }
}
