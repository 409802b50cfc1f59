//! JSON text for people: line breaks and indentation only. It works on the text, so numbers keep every digit and depth has no bound;
//! what is not JSON comes out unharmed.

/// Indents JSON text by two spaces.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut chars = text.chars().filter(|c| !c.is_control()).peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' => {}
            '{' | '[' => {
                out.push(c);
                while chars.peek() == Some(&' ') {
                    chars.next();
                }
                if let Some(close) = chars.next_if(|&next| next == '}' || next == ']') {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                out.push(c);
                in_string = c == '"';
            }
        }
    }
    out
}

/// Beyond some depth nobody reads indentation, and a hostile answer would make it quadratic.
fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(40)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn indents_and_changes_nothing_else() {
        for (text, expected) in [
            ("1e400", "1e400"),
            ("{}", "{}"),
            ("[ ]", "[]"),
            (
                r#"{"a":[1,{"b":"x,{}\"\\"}],"c":[]}"#,
                "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{}\\\"\\\\\"\n    }\n  ],\n  \"c\": []\n}",
            ),
            ("[123456789012345678901234567890.000]", "[\n  123456789012345678901234567890.000\n]"),
        ] {
            assert_eq!(super::json(text), expected);
        }
    }
}
