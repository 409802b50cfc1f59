//! Lists of names with reasons: what is not run, and what is known to fail.

use std::collections::BTreeMap;

/// Names with reasons: `NAME REASON` a line, `#` begins a comment.
#[derive(Debug, Default, Clone)]
pub struct Listed(BTreeMap<String, String>);

impl Listed {
    /// Reads a list.
    ///
    /// # Errors
    /// The line, when a name is listed twice or has no reason.
    ///
    /// ```
    /// use belljar_conformance::Listed;
    ///
    /// let list = Listed::parse("# why\na/*.js  needs a server\n").unwrap();
    /// assert_eq!(list.matching("a/b.js"), Some("needs a server"));
    /// assert!(Listed::parse("a.js").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, reason)) = line.split_once(char::is_whitespace) else {
                return Err(format!("line {number}: {line} has no reason"));
            };
            if names.insert(name.to_owned(), reason.trim().to_owned()).is_some() {
                return Err(format!("line {number}: {name} is listed twice"));
            }
        }
        Ok(Self(names))
    }

    /// The reason, if the name is listed.
    pub fn reason(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The reason of the first entry that the name matches: an entry with `*` matches whatever is in its place.
    pub fn matching(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(pattern, _)| matches(pattern, name)).map(|(_, reason)| reason.as_str())
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_names_with_reasons() {
        let list = Listed::parse("# why\n\na/b.js   it is so\nc/*.js another\n").expect("it is sound");
        assert_eq!((list.reason("a/b.js"), list.reason("c")), (Some("it is so"), None));
        assert_eq!((list.matching("c/d/e.js"), list.matching("c/d/e.ts")), (Some("another"), None));
        assert!(Listed::parse("a").is_err());
        assert!(Listed::parse("a 1\na 2").is_err());
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b*", "abc", true),
            ("*.sub.any.js", "x/y.sub.any.js", true),
            ("*b", "abc", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
