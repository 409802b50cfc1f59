//! A bound on how deep source may nest. Parsers and transformers recurse; on source nested deep enough they run out of
//! stack, which no caller can catch, so such source is refused before it is parsed.

/// Deepest nesting of brackets, and longest run of prefix operators, that is still bundled.
pub(crate) const NESTING_MAX: usize = 5_000;

/// Whether a text may nest deeper than [`NESTING_MAX`], and the byte where it does.
///
/// Brackets in strings, comments and regular expressions count as well: telling them apart needs the parser this
/// protects. Source that people write stays two orders of magnitude below the bound either way.
pub(crate) fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut prefixes = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match byte {
            b'!' | b'~' | b'-' | b'+' => prefixes += 1,
            byte if byte.is_ascii_whitespace() => {}
            _ => prefixes = 0,
        }
        if depth > NESTING_MAX || prefixes > NESTING_MAX {
            return Some(index);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_place() {
        let check = |text: String, expected: Option<usize>| assert_eq!(too_deep(&text), expected);
        check("f([{}])".repeat(NESTING_MAX), None);
        check("(".repeat(NESTING_MAX), None);
        check("(".repeat(NESTING_MAX + 1), Some(NESTING_MAX));
        check("[{(".repeat(NESTING_MAX), Some(NESTING_MAX));
        check("! ".repeat(NESTING_MAX + 1), Some(2 * NESTING_MAX));
        check("a-".repeat(3 * NESTING_MAX), None);
    }
}
