//! YAML as a tree in which every key and value knows its place. It knows nothing of what a manifest may hold; errors are
//! those of YAML itself.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};

use crate::diagnostic::{Problem, SourceFile};

/// Deepest nesting a manifest may have.
const DEPTH_MAX: usize = 24;
/// Most nodes (keys and values, aliases expanded) a manifest may have.
const NODES_MAX: usize = 20_000;

/// A value and its place: bytes `start..end` of the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Value {
    /// What it is, for `expected …, found …`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Parses one YAML document (JSON is YAML).
pub(crate) fn parse(file: &SourceFile) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_documents: 1,
        },
        // Repeated keys are reported by the reader, with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        // `name: no` is a text, as YAML 1.2 has it.
        strict_booleans: true,
        with_snippet: false,
    };
    let parsed: Result<Spanned<Value>, _> = serde_saphyr::from_str_with_options(file.text(), options);
    parsed.map(Node::from).map_err(|error| {
        let plain = error.without_snippet();
        let location = plain.location();
        let (start, end) = location.map_or((0, 0), |location| {
            let span = location.span();
            let start = match span.byte_offset() {
                Some(offset) => to_usize(offset),
                None => offset_of(file.text(), to_usize(location.line()), to_usize(location.column())),
            };
            (start, start + span.byte_len().map_or(0, to_usize))
        });
        let message =
            plain.render_with_options(serde_saphyr::render_options! { snippets: serde_saphyr::SnippetMode::Off });
        Problem::error("manifest.syntax", format!("the manifest is not valid YAML: {}", tidy(&message)))
            .with_help("YAML indents with spaces, and puts texts with ': ', '#' or a leading '*' or '@' in quotes")
            .at(file, start, end, "here")
    })
}

/// The parser's message without the place it appends, which the snippet shows better.
fn tidy(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let cut = line.find(" at line ").unwrap_or(line.len());
    line[..cut].trim_end_matches([',', ':']).to_owned()
}

/// The byte at a line and column, both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn place<T>(spanned: &Spanned<T>) -> (usize, usize) {
    let span = spanned.referenced.span();
    let start = span.byte_offset().map_or(0, to_usize);
    (start, start.saturating_add(span.byte_len().map_or(0, to_usize)))
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let (start, end) = place(&spanned);
        Self { value: spanned.value, start, end }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Value>>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let (start, end) = place(&key);
            let value: Spanned<Value> = access.next_value()?;
            map.push((Key { name: key.value, start, end }, value.into()));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_become_bytes() {
        let check =
            |line, column, expected| assert_eq!(offset_of("äb\ncd\n", line, column), expected, "{line}:{column}");
        check(1, 1, 0);
        check(1, 2, 2);
        check(2, 1, 4);
        check(2, 9, 6);
        check(9, 1, 7);
        check(0, 0, 0);
    }
}
