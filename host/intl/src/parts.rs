//! Formatted text as the parts of ECMA-402's formatToParts. ICU4X nests its parts; ECMA-402 has them flat.

use std::fmt;

use writeable::{Part, PartsWrite, Writeable};

use crate::json;

/// What the text of a pattern is, between its parts.
pub(crate) const LITERAL: &str = "literal";

/// Narrow no-break space and thin space, which CLDR has before am and pm and in ranges.
pub(crate) const NARROW_SPACES: [char; 2] = ['\u{202f}', '\u{2009}'];

/// Text, part by part.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parts {
    list: Vec<(&'static str, String)>,
    open: Vec<Part>,
    /// Whether the next text begins a part of its own.
    fresh: bool,
}

impl Parts {
    pub(crate) fn of(writeable: &impl Writeable) -> Self {
        let mut parts = Self::default();
        // Writing into memory does not fail.
        let _ = writeable.write_to_parts(&mut parts);
        parts
    }

    pub(crate) fn push(&mut self, kind: &'static str, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.list.last_mut() {
            Some((last, before)) if *last == kind && (kind == LITERAL || !self.fresh) => before.push_str(text),
            _ => self.list.push((kind, text.to_owned())),
        }
        self.fresh = false;
    }

    /// Begins a new part, even of the same kind.
    pub(crate) fn cut(&mut self) {
        self.fresh = true;
    }

    /// Narrow spaces become ordinary ones, as every JavaScript engine has them in dates: programs look for them.
    pub(crate) fn with_plain_spaces(mut self) -> Self {
        for (_, text) in &mut self.list {
            if text.contains(NARROW_SPACES) {
                *text = text.replace(NARROW_SPACES, " ");
            }
        }
        self
    }

    /// Gives all parts of a kind another text.
    pub(crate) fn replace(&mut self, kind: &str, text: &str) {
        self.list.iter_mut().filter(|part| part.0 == kind).for_each(|part| part.1 = text.to_owned());
    }

    pub(crate) fn append(&mut self, other: &Self) {
        for (kind, text) in &other.list {
            self.cut();
            self.push(kind, text);
        }
    }

    pub(crate) fn list(&self) -> &[(&'static str, String)] {
        &self.list
    }

    pub(crate) fn text(&self) -> String {
        self.list.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// `[["integer","1"],…]`
    pub(crate) fn json(&self) -> Result<String, String> {
        json(&self.list)
    }

    fn kind(&self) -> &'static str {
        let inner = self.open.last();
        let date = self.open.iter().find(|part| part.category == "datetime");
        match (date, inner) {
            // A second with its fraction: ECMA-402 has three parts there.
            (Some(date), Some(inner)) if date.value == "second" && inner.value == "decimal" => LITERAL,
            (Some(date), Some(inner)) if date.value == "second" && inner.value == "fraction" => "fractionalSecond",
            (Some(date), _) => date.value,
            (None, Some(inner)) if inner.category == "pattern" => LITERAL,
            (None, Some(inner)) => inner.value,
            (None, None) => LITERAL,
        }
    }
}

/// Parts of a date range, each with the date it is of: `startRange`, `endRange`, or `shared`.
pub(crate) fn ranged(writeable: &impl Writeable) -> Vec<(&'static str, String, &'static str)> {
    let mut parts = Ranged::default();
    let _ = writeable.write_to_parts(&mut parts);
    parts.list
}

#[derive(Default)]
struct Ranged {
    inner: Parts,
    source: Option<&'static str>,
    list: Vec<(&'static str, String, &'static str)>,
}

impl fmt::Write for Ranged {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (kind, source) = (self.inner.kind(), self.source.unwrap_or("shared"));
        let text = text.replace(NARROW_SPACES, " ");
        match self.list.last_mut() {
            Some((last, before, of)) if *last == kind && *of == source => before.push_str(&text),
            _ => self.list.push((kind, text, source)),
        }
        Ok(())
    }
}

impl PartsWrite for Ranged {
    type SubPartsWrite = Self;

    fn with_part(&mut self, part: Part, mut write: impl FnMut(&mut Self) -> fmt::Result) -> fmt::Result {
        if matches!(part.value, "startRange" | "endRange") {
            let outer = self.source.replace(part.value);
            write(self)?;
            self.source = outer;
        } else {
            self.inner.open.push(part);
            write(self)?;
            self.inner.open.pop();
        }
        Ok(())
    }
}

impl fmt::Write for Parts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let kind = self.kind();
        self.push(kind, text);
        Ok(())
    }
}

impl PartsWrite for Parts {
    type SubPartsWrite = Self;

    fn with_part(&mut self, part: Part, mut write: impl FnMut(&mut Self) -> fmt::Result) -> fmt::Result {
        self.cut();
        self.open.push(part);
        write(self)?;
        self.open.pop();
        self.cut();
        Ok(())
    }
}
