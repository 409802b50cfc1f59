//! Patterns with placeholders, filled with parts.

use icu_pattern::{DoublePlaceholderKey, DoublePlaceholderPattern, PatternItem, SinglePlaceholderPattern};

use crate::parts::{LITERAL, Parts};

/// Fills the one placeholder; `text` is called for what stands around it.
pub(crate) fn fill_one(
    pattern: &SinglePlaceholderPattern,
    value: &Parts,
    mut text: impl FnMut(&mut Parts, &str),
) -> Parts {
    let mut parts = Parts::default();
    for item in pattern.iter() {
        match item {
            PatternItem::Literal(literal) => text(&mut parts, literal),
            PatternItem::Placeholder(_) => parts.append(value),
        }
    }
    parts
}

/// Fills both placeholders.
pub(crate) fn fill_two(
    pattern: &DoublePlaceholderPattern,
    values: (&Parts, &Parts),
    mut text: impl FnMut(&mut Parts, &str),
) -> Parts {
    let mut parts = Parts::default();
    for item in pattern.iter() {
        match item {
            PatternItem::Literal(literal) => text(&mut parts, literal),
            PatternItem::Placeholder(DoublePlaceholderKey::Place0) => parts.append(values.0),
            PatternItem::Placeholder(DoublePlaceholderKey::Place1) => parts.append(values.1),
        }
    }
    parts
}

/// Text that stands for nothing else.
pub(crate) fn literal(parts: &mut Parts, text: &str) {
    parts.push(LITERAL, text);
}

/// Text that is a part of its own kind, but for the spaces around it.
pub(crate) fn symbol(kind: &'static str) -> impl FnMut(&mut Parts, &str) {
    move |parts, text| {
        // Marks of direction belong to the space.
        let space = |c: char| c.is_whitespace() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}');
        let trimmed = text.trim_matches(space);
        let Some(at) = text.find(trimmed).filter(|_| !trimmed.is_empty()) else {
            return parts.push(LITERAL, text);
        };
        parts.push(LITERAL, &text[..at]);
        parts.push(kind, trimmed);
        parts.push(LITERAL, &text[at + trimmed.len()..]);
    }
}
