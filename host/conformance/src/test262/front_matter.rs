//! What a test of test262 says of itself: the YAML between `/*---` and `---*/` (INTERPRETING.md, "Metadata").

use serde::Deserialize;

/// What a test says of itself.
///
/// ```
/// use belljar_conformance::test262::{FrontMatter, Mode};
///
/// let matter = FrontMatter::of("/*---\nflags: [onlyStrict]\n---*/ 1;").unwrap();
/// assert_eq!(matter.modes(), [Mode::Strict]);
/// ```
#[derive(Debug, Default, Deserialize)]
pub struct FrontMatter {
    #[serde(default)]
    includes: Option<Vec<String>>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    features: Option<Vec<String>>,
    /// The error that it is to end with.
    #[serde(default)]
    pub negative: Option<Negative>,
}

/// The error that a test is to end with.
#[derive(Debug, Deserialize)]
pub struct Negative {
    /// When: `parse`, `resolution` or `runtime`.
    pub phase: String,
    /// The name of its constructor.
    #[serde(rename = "type")]
    pub error: String,
}

/// How a test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a global script.
    Sloppy,
    /// As a global script with `"use strict"` before it.
    Strict,
    /// As a module.
    Module,
    /// As it is: nothing is put before it.
    Raw,
}

impl FrontMatter {
    /// Reads it out of a test; a test without any has none.
    ///
    /// # Errors
    /// Why it is not understood.
    pub fn of(source: &str) -> Result<Self, String> {
        let Some((_, rest)) = source.split_once("/*---") else { return Ok(Self::default()) };
        let Some((yaml, _)) = rest.split_once("---*/") else { return Ok(Self::default()) };
        // Some tests are about line ends, and have theirs in here too.
        let yaml = yaml.replace("\r\n", "\n").replace('\r', "\n");
        serde_saphyr::from_str(&yaml).map_err(|error| {
            let error = error.to_string();
            format!("its front matter is not understood: {}", error.lines().next().unwrap_or_default())
        })
    }

    /// Whether it has a flag.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().flatten().any(|known| known == flag)
    }

    /// Features that it is about.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.iter().flatten().map(String::as_str)
    }

    /// Files of the harness that it needs.
    pub fn includes(&self) -> impl Iterator<Item = &str> {
        self.includes.iter().flatten().map(String::as_str)
    }

    /// The modes it is run in.
    pub fn modes(&self) -> &'static [Mode] {
        match () {
            () if self.has("module") => &[Mode::Module],
            () if self.has("raw") => &[Mode::Raw],
            () if self.has("onlyStrict") => &[Mode::Strict],
            () if self.has("noStrict") => &[Mode::Sloppy],
            () => &[Mode::Sloppy, Mode::Strict],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_lists_are_read() {
        let test = "// c\r\n/*---\r\ndescription: >\r\n  it: is so\r\nflags: [async, onlyStrict]\r\nincludes:\r\n  - a.js\r\n  - b.js\r\n\
                    negative:\r\n  phase: parse\r\n  type: SyntaxError\r\nfeatures: []\r\n---*/\r\n1;";
        let matter = FrontMatter::of(test).expect("it is sound");
        assert_eq!(matter.modes(), [Mode::Strict]);
        assert_eq!(matter.includes().collect::<Vec<_>>(), ["a.js", "b.js"]);
        assert_eq!(matter.features().count(), 0);
        let negative = matter.negative.expect("it is negative");
        assert_eq!((negative.phase.as_str(), negative.error.as_str()), ("parse", "SyntaxError"));
    }

    #[test]
    fn flags_choose_the_modes() {
        for (flags, modes) in [
            ("", &[Mode::Sloppy, Mode::Strict][..]),
            ("raw", &[Mode::Raw]),
            ("module", &[Mode::Module]),
            ("noStrict, generated", &[Mode::Sloppy]),
        ] {
            let matter = FrontMatter::of(&format!("/*---\nflags: [{flags}]\n---*/")).expect("it is sound");
            assert_eq!(matter.modes(), modes, "{flags}");
        }
        assert_eq!(FrontMatter::of("1").expect("there is none").modes().len(), 2);
    }
}
