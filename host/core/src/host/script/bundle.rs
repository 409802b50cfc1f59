//! A script's source as a module with one handler, and the source map that leads back.

/// How the source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As one expression.
    Expression,
    /// As the body of a function.
    Statements,
}

/// The module, and its source map (JSON). The source stands on lines of its own, from the second on.
pub(super) fn wrap(source: &str, name: &str, form: Form) -> (String, String) {
    let (before, after) = match form {
        Form::Expression => ("export default async (_, context) => (", ");"),
        Form::Statements => ("export default async (_, context) => {", "};"),
    };
    let map = serde_json::json!({ "version": 3, "sources": [name], "names": [], "mappings": mappings(source) });
    (format!("{before}\n{source}\n{after}\n"), map.to_string())
}

/// Each character of the source is its own place; what comes before it is its beginning, what comes after it its end.
fn mappings(source: &str) -> String {
    let mut text = String::from("AAAA;");
    // What the fields of a segment are told against.
    let (mut line, mut column) = (0, 0);
    let mut segment = |text: &mut String, generated: i64, to_line: i64, to_column: i64| {
        for field in [generated, 0, to_line - line, to_column - column] {
            vlq(text, field);
        }
        (line, column) = (to_line, to_column);
    };
    let mut last = (0, 0);
    for (to_line, content) in (0..).zip(source.split('\n')) {
        let mut to_column = 0;
        for _ in content.chars() {
            if to_column > 0 {
                text.push(',');
            }
            segment(&mut text, i64::from(to_column > 0), to_line, to_column);
            to_column += 1;
        }
        last = (to_line, to_column);
        text.push(';');
    }
    segment(&mut text, 0, last.0, last.1);
    text
}

/// One number of a source map: base 64, the lowest five bits first, the sign in the lowest of all.
fn vlq(text: &mut String, number: i64) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut rest = (number.unsigned_abs() << 1) | u64::from(number < 0);
    loop {
        let digit = rest & 31;
        rest >>= 5;
        text.push(char::from(DIGITS[(digit | if rest > 0 { 32 } else { 0 }) as usize]));
        if rest == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::positions::{BUNDLE, Positions};

    fn check(source: &str, line: u32, column: u32, expected: &str) {
        let (_, map) = wrap(source, "rule.js", Form::Expression);
        let positions = Positions::new(BUNDLE, &map);
        assert_eq!(
            positions.frames(&format!("at f ({BUNDLE}:{line}:{column})"))[0].to_string(),
            expected,
            "{source:?}"
        );
    }

    #[test]
    fn every_place_of_the_module_is_one_of_the_source() {
        let source = "context.a +\n\n  (context.list.map((x) => x.y.z))";
        check(source, 2, 1, "rule.js:1:1");
        check(source, 2, 11, "rule.js:1:11");
        check(source, 4, 3, "rule.js:3:3");
        check(source, 4, 30, "rule.js:3:30");
        check(source, 5, 1, "rule.js:3:35");
        check("a", 1, 16, "rule.js:1:1");
        check("a", 3, 1, "rule.js:1:2");
        check(&"x".repeat(5_000), 2, 4_321, "rule.js:1:4321");
        let (module, _) = wrap("1 // one", "rule.js", Form::Statements);
        assert_eq!(module, "export default async (_, context) => {\n1 // one\n};\n");
    }
}
