//! The author's lines, from the source map that a package carries. Read only when a fault is shown to people.

use belljar::Frame;
use serde::Deserialize;

use crate::terminal::{Paint, one_line};

/// Characters of a line that are shown.
const WIDTH: usize = 110;
/// Characters shown before the position, in a longer line.
const BEFORE: usize = 60;

/// Texts of source files by name.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<(String, String)>);

#[derive(Deserialize)]
struct Map {
    sources: Vec<Option<String>>,
    #[serde(rename = "sourcesContent", default)]
    contents: Vec<Option<String>>,
}

impl Sources {
    /// Those of a source map; none when it has none, or cannot be read.
    pub(crate) fn of_map(json: &str) -> Self {
        let Ok(map) = serde_json::from_str::<Map>(json) else { return Self::default() };
        Self(map.sources.into_iter().zip(map.contents).filter_map(|(name, text)| Some((name?, text?))).collect())
    }

    /// One text.
    pub(crate) fn of_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self(vec![(name.into(), text.into())])
    }

    /// The line of a frame, and a mark under its column, as two lines that are indented further.
    pub(crate) fn snippet(&self, frame: &Frame, indent: &str, paint: Paint) -> Option<String> {
        let (_, text) = self.0.iter().find(|(name, _)| *name == frame.file)?;
        let line: Vec<char> = text.lines().nth(frame.line.checked_sub(1)? as usize)?.chars().collect();
        let column = characters(&line, frame.column.saturating_sub(1) as usize);
        let from = if line.len() > WIDTH { column.saturating_sub(BEFORE) } else { 0 };
        let shown =
            |part: &[char]| one_line(&part.iter().map(|&c| if c == '\t' { ' ' } else { c }).collect::<String>());
        let before = shown(&line[from..column]);
        let after = shown(&line[column..line.len().min(from + WIDTH)]);
        let number = frame.line.to_string();
        let gutter = " ".repeat(number.len());
        let margin = " ".repeat(before.chars().count());
        let (number, gutter) = (paint.dim(&format!("{number} |")), paint.dim(&format!("{gutter} |")));
        Some(format!("{indent}    {number} {before}{after}\n{indent}    {gutter} {margin}{}\n", paint.error("^")))
    }
}

/// Characters before a column: JavaScript counts UTF-16 units.
fn characters(line: &[char], units: usize) -> usize {
    let ends = line.iter().scan(0, |end, c| {
        *end += c.len_utf16();
        Some(*end)
    });
    ends.take_while(|end| *end <= units).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: u32, column: u32, expected: Option<&str>) {
        let json = serde_json::json!({ "version": 3, "sources": ["a.ts", null], "sourcesContent": [text, null] });
        let frame = Frame { function: String::new(), file: "a.ts".into(), line, column, in_author_file: true };
        assert_eq!(Sources::of_map(&json.to_string()).snippet(&frame, "", Paint { on: false }).as_deref(), expected);
    }

    #[test]
    fn the_line_and_its_column_are_marked() {
        check("a\n\tthrow x;\n", 2, 8, Some("    2 |  throw x;\n      |        ^\n"));
        check("ö\u{1b}b", 1, 3, Some("    1 | ö\\u001bb\n      |        ^\n"));
        check("😀b", 1, 3, Some("    1 | 😀b\n      |  ^\n"));
        check("ab", 1, 99, Some("    1 | ab\n      |   ^\n"));
        check("ab", 2, 1, None);
        check("ab", 0, 0, None);
        assert!(Sources::of_map("{").0.is_empty());
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let text = "x".repeat(100_000);
        let json = serde_json::json!({ "sources": ["a.ts"], "sourcesContent": [text] });
        let frame =
            Frame { function: String::new(), file: "a.ts".into(), line: 1, column: 5_000, in_author_file: true };
        let shown =
            Sources::of_map(&json.to_string()).snippet(&frame, "", Paint { on: false }).expect("there is a line");
        assert!(shown.len() < 300, "{shown}");
    }
}
