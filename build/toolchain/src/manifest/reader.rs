//! Reading typed values out of the tree: each reader takes what it understands, reports what it does not, and goes on, so
//! that an author sees every error of a manifest at once. It knows YAML's types, not the manifest's fields.

use super::tree::{Key, Node, Value};
use crate::diagnostic::{Problem, SourceFile, nearest};

/// A value and its place in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl<T> At<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), start: self.start, end: self.end }
    }
}

/// Collects problems while reading one file.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, code: &'static str, message: String, span: (usize, usize), help: &str) {
        let mut problem = Problem::error(code, message).at(self.file, span.0, span.1, "");
        if !help.is_empty() {
            problem = problem.with_help(help);
        }
        self.problems.push(problem);
    }

    pub(crate) fn notice(&mut self, code: &'static str, message: String, span: (usize, usize), help: &str) {
        self.problems.push(Problem::notice(code, message).at(self.file, span.0, span.1, "").with_help(help));
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type(&mut self, what: &str, expected: &str, node: &Node) {
        let help = match node.value {
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) if expected.starts_with("text") => {
                "put the value in quotes to make it a text"
            }
            Value::Text(_) if expected.starts_with("a whole number") => {
                "write the number alone, without unit or quotes"
            }
            Value::Null => "write a value after the colon, or leave the key out",
            _ => "",
        };
        let message = format!("{what} is {expected}, but this is {}", node.value.kind());
        self.error("manifest.type", message, (node.start, node.end), help);
    }

    /// Opens a map: reports repeated and unknown keys, and gives the known ones.
    pub(crate) fn map<'n>(&mut self, what: &str, node: &'n Node, known: &[&'static str]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(what, "a map", node);
            return None;
        };
        let mut fields: Vec<(&Key, &Node)> = Vec::new();
        for (key, value) in entries {
            if let Some((first, _)) = fields.iter().find(|(other, _)| other.name == key.name) {
                let (line, column) = self.file.line_column(first.start);
                let message = format!("key '{}' is there twice, first at {line}:{column}", key.name);
                self.error("manifest.duplicate-key", message, (key.start, key.end), "keep one of the two");
            } else if known.contains(&key.name.as_str()) {
                fields.push((key, value));
            } else {
                let help = match nearest(&key.name, known) {
                    Some(name) => format!("did you mean '{name}'?"),
                    None => format!("known keys here: {}", known.join(", ")),
                };
                let message = format!("unknown key '{}' in {what}", key.name);
                self.error("manifest.unknown-key", message, (key.start, key.end), &help);
            }
        }
        Some(Fields { fields, span: (node.start, node.end) })
    }

    pub(crate) fn text(&mut self, what: &str, node: &Node) -> Option<At<String>> {
        match &node.value {
            Value::Text(text) => Some(At { value: text.clone(), start: node.start, end: node.end }),
            _ => {
                self.wrong_type(what, "text", node);
                None
            }
        }
    }

    /// A text that keeps a rule.
    pub(crate) fn text_by(
        &mut self,
        what: &str,
        node: &Node,
        rule: impl Fn(&str) -> belljar_package::rules::Rule,
    ) -> Option<At<String>> {
        let text = self.text(what, node)?;
        match rule(&text.value) {
            Ok(()) => Some(text),
            Err(help) => {
                let shown: String = text.value.chars().take(80).collect();
                self.error("manifest.value", format!("{what} {shown:?} is not valid"), (node.start, node.end), help);
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, what: &str, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong_type(what, "true or false", node);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, what: &str, node: &Node, low: u64, high: u64) -> Option<At<u64>> {
        let Value::Integer(number) = node.value else {
            self.wrong_type(what, "a whole number", node);
            return None;
        };
        match u64::try_from(number) {
            Ok(value) if (low..=high).contains(&value) => Some(At { value, start: node.start, end: node.end }),
            _ => {
                let help = format!("use a number from {low} to {high}");
                self.error("manifest.value", format!("{what} {number} is out of range"), (node.start, node.end), &help);
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&mut self, what: &str, node: &Node, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(what, node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match nearest(&text.value, &names) {
            Some(name) => format!("did you mean '{name}'? (one of {})", names.join(", ")),
            None => format!("use one of {}", names.join(", ")),
        };
        let shown: String = text.value.chars().take(80).collect();
        self.error("manifest.value", format!("{what} {shown:?} is not known"), (node.start, node.end), &help);
        None
    }

    /// A list; with `or_one`, a single value counts as a list of one.
    pub(crate) fn list<'n>(&mut self, what: &str, node: &'n Node, or_one: bool) -> Option<Vec<&'n Node>> {
        match &node.value {
            Value::List(items) if items.len() > belljar_package::rules::LIST_MAX => {
                let message = format!("{what} has {} items", items.len());
                self.error("manifest.value", message, (node.start, node.end), "a list has at most 1024 items");
                None
            }
            Value::List(items) => Some(items.iter().collect()),
            Value::Text(_) if or_one => Some(vec![node]),
            _ => {
                self.wrong_type(what, "a list", node);
                None
            }
        }
    }

    /// A list of texts that keep a rule, without repetition.
    pub(crate) fn texts(
        &mut self,
        what: &str,
        node: &Node,
        rule: impl Fn(&str) -> belljar_package::rules::Rule + Copy,
    ) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for item in self.list(what, node, true).unwrap_or_default() {
            if let Some(text) = self.text_by(what, item, rule) {
                if texts.contains(&text.value) {
                    let message = format!("{what} {:?} is there twice", text.value);
                    self.error("manifest.value", message, (item.start, item.end), "keep one of the two");
                } else {
                    texts.push(text.value);
                }
            }
        }
        texts
    }
}

/// The known keys of one map.
pub(crate) struct Fields<'n> {
    fields: Vec<(&'n Key, &'n Node)>,
    pub(crate) span: (usize, usize),
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.fields.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node)
    }

    /// The key's own place.
    pub(crate) fn key(&self, name: &str) -> Option<(usize, usize)> {
        self.fields.iter().find(|(key, _)| key.name == name).map(|(key, _)| (key.start, key.end))
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, reader: &mut Reader<'_>, what: &str, name: &str, help: &str) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            // The whole map would be a long snippet; its first line says enough.
            let text = reader.file.text();
            let start = self.span.0.min(text.len());
            let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
            reader.error("manifest.missing-key", format!("{what} has no '{name}'"), (start, end), help);
        }
        found
    }
}
