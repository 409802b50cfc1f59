//! From what came of a program to whether the test passed (INTERPRETING.md, "Test Results").

use serde::{Deserialize, Serialize};

use super::front_matter::FrontMatter;
use crate::program::{End, Ran};

/// What `$262` throws for what the host lacks.
const NO_HOST: &str = "Test262NoHostError";

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// As it should.
    Passed,
    /// It did not: what happened.
    Failed(String),
    /// It needs something of `$262` that there is not: which.
    NoHost(String),
    /// A limit ended it: which.
    Limited(String),
    /// The engine failed: how.
    Crashed(String),
}

impl State {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        *self == Self::Passed
    }

    /// What happened, in one line.
    pub fn text(&self) -> String {
        match self {
            Self::Passed => "passed".into(),
            Self::Failed(what) => what.clone(),
            Self::NoHost(what) => format!("needs $262.{what}"),
            Self::Limited(what) => format!("the limit of {what}"),
            Self::Crashed(what) => format!("CRASH: {what}"),
        }
    }
}

/// Judges what came of one of a test's programs.
///
/// ```
/// use belljar_conformance::test262::{FrontMatter, State, judge};
/// use belljar_conformance::{End, Ran};
///
/// let matter = FrontMatter::of("/*---\nnegative: {phase: parse, type: SyntaxError}\n---*/ let let;").unwrap();
/// let ran = Ran { lines: Vec::new(), end: End::Threw("SyntaxError".into(), "unexpected".into()) };
/// assert_eq!(judge(&matter, &ran), State::Passed);
/// ```
pub fn judge(matter: &FrontMatter, ran: &Ran) -> State {
    match &ran.end {
        End::Limit(which) => return State::Limited(which.clone()),
        End::Crashed(what) => return State::Crashed(what.clone()),
        End::Completed | End::Threw(..) => {}
    }
    let texts = ran.lines.iter().map(String::as_str).chain(match &ran.end {
        End::Threw(name, message) => [name.as_str(), message.as_str()],
        _ => ["", ""],
    });
    if let Some(what) = texts.filter(|text| text.contains(NO_HOST)).find_map(missing) {
        return State::NoHost(what);
    }
    match (&matter.negative, &ran.end) {
        (Some(negative), End::Threw(name, message)) => {
            let is_it = *name == negative.error || (name == "Uncaught" && message.starts_with(&negative.error));
            if is_it {
                return State::Passed;
            }
            State::Failed(format!("{} is due ({}), not {}", negative.error, negative.phase, thrown(name, message)))
        }
        (Some(negative), _) => {
            State::Failed(format!("{} is due ({}), and nothing is thrown", negative.error, negative.phase))
        }
        (None, End::Threw(name, message)) => State::Failed(thrown(name, message)),
        (None, _) if matter.has("async") => done(&ran.lines),
        (None, _) => State::Passed,
    }
}

/// What an asynchronous test has printed.
fn done(lines: &[String]) -> State {
    let failure = lines.iter().find(|line| line.starts_with("Test262:AsyncTestFailure"));
    match failure {
        Some(failure) => State::Failed(shorten(failure)),
        None if lines.iter().any(|line| line == "Test262:AsyncTestComplete") => State::Passed,
        None => State::Failed("$DONE() is not called".into()),
    }
}

/// The part of `$262` that is named after the error's name.
fn missing(text: &str) -> Option<String> {
    let rest = text.split_once("$262.")?.1;
    Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect())
}

fn thrown(name: &str, message: &str) -> String {
    shorten(&format!("{name}: {message}"))
}

/// On one line: an object that is no error is shown on several.
fn shorten(text: &str) -> String {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(matter: &str, lines: &[&str], end: End) -> State {
        let matter = FrontMatter::of(&format!("/*---\n{matter}\n---*/")).expect("it is sound");
        judge(&matter, &Ran { lines: lines.iter().map(|line| (*line).to_owned()).collect(), end })
    }

    fn threw(name: &str, message: &str) -> End {
        End::Threw(name.into(), message.into())
    }

    #[test]
    fn a_negative_test_ends_with_its_error() {
        let negative = "negative: {phase: runtime, type: Test262Error}";
        assert!(state(negative, &[], threw("Uncaught", "Test262Error { message: '' }")).passed());
        assert!(state(negative, &[], threw("Test262Error", "")).passed());
        assert!(!state(negative, &[], threw("TypeError", "Test262Error")).passed());
        assert!(!state(negative, &[], End::Completed).passed());
    }

    #[test]
    fn what_was_thrown_is_told_on_one_line() {
        let thrown = state("", &[], threw("Uncaught", "Test262Error {\n  message: 'one is two'\n}"));
        assert_eq!(thrown.text(), "Uncaught: Test262Error { message: 'one is two' }");
    }

    #[test]
    fn an_asynchronous_test_says_that_it_is_done() {
        let matter = "flags: [async]";
        assert!(state(matter, &["x", "Test262:AsyncTestComplete"], End::Completed).passed());
        assert!(!state(matter, &["Test262:AsyncTestComplete", "Test262:AsyncTestFailure:x"], End::Completed).passed());
        assert!(!state(matter, &[], End::Completed).passed());
        assert!(!state(matter, &["Test262:AsyncTestComplete"], threw("Error", "")).passed());
    }

    #[test]
    fn what_the_host_lacks_limits_and_crashes_are_kept_apart() {
        let lacking = threw("Test262Error", "expected a TypeError, got Test262NoHostError: $262.createRealm");
        assert_eq!(state("", &[], lacking), State::NoHost("createRealm".into()));
        assert_eq!(state("", &[], End::Limit("fuel".into())), State::Limited("fuel".into()));
        assert_eq!(state("", &[], End::Crashed("trap".into())), State::Crashed("trap".into()));
        assert!(state("", &[], End::Completed).passed());
    }
}
