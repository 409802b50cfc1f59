//! The secrets that an invocation has asked for: what it was given instead of them, where they may be sent, and how they are kept out of
//! what is written down.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use belljar_package::SecretRule;
use memchr::memmem;
use serde_json::Value;
use zeroize::Zeroizing;

use super::SecretText;
use crate::floor::clock::Source;
use crate::floor::fault::Fault;
use crate::recording::{StandIn, instead_of};

/// Shorter texts are not redacted: they would be found in what has nothing to do with them.
pub const REDACTED_BYTES_MIN: usize = 6;

/// How a placeholder begins.
const PLACEHOLDER: &str = "belljar-secret-";

/// Draws a placeholder: 128 random bits, so that none can be guessed.
pub(super) fn placeholder(random: &dyn Source) -> String {
    let mut bytes = [0; 16];
    random.random(&mut bytes);
    let mut text = PLACEHOLDER.to_owned();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// One secret that was asked for.
struct Known {
    rule: SecretRule,
    text: SecretText,
    /// Other ways in which it is written: as in JSON, without the quotes, and as `console` shows it, which escapes no double quotes.
    written: Vec<Zeroizing<String>>,
    /// What the applet has of a secret that is bound to hosts.
    placeholder: Option<String>,
}

impl Known {
    /// What the applet is given.
    fn given(&self) -> String {
        self.placeholder.clone().unwrap_or_else(|| self.text.expose().to_owned())
    }
}

/// The secrets of one invocation that it has asked for.
#[derive(Default)]
pub(crate) struct InUse {
    /// The longest first: one that is part of another must not spoil it.
    known: Mutex<Vec<Known>>,
}

/// Puts it behind all that are as long.
fn insert(known: &mut Vec<Known>, one: Known) {
    let at = known.partition_point(|other| other.text.expose().len() >= one.text.expose().len());
    known.insert(at, one);
}

/// How a text is written in JSON, without the quotes, and by `console`, which escapes no double quotes.
fn forms(text: &str) -> [Zeroizing<String>; 2] {
    let json = serde_json::to_string(text).map(Zeroizing::new).unwrap_or_default();
    let escaped = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    [Zeroizing::new(escaped.to_owned()), Zeroizing::new(escaped.replace("\\\"", "\""))]
}

/// A secret may not go where it was about to.
pub(crate) struct Misplaced {
    /// Its name.
    pub(crate) name: String,
}

impl InUse {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the applet was given for a secret before.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        self.known().iter().find(|known| known.rule.name == name).map(Known::given)
    }

    /// Remembers a secret; answers what the applet is given, the same each time.
    pub(super) fn give(&self, rule: SecretRule, text: SecretText, placeholder: Option<String>) -> String {
        let mut written: Vec<Zeroizing<String>> = Vec::new();
        for form in forms(text.expose()) {
            if !form.is_empty() && *form != text.expose() && written.iter().all(|other| *other != form) {
                written.push(form);
            }
        }
        let mut known = self.known();
        if let Some(before) = known.iter().find(|known| known.rule.name == rule.name) {
            return before.given();
        }
        let one = Known { rule, text, written, placeholder };
        let given = one.given();
        insert(&mut known, one);
        given
    }

    /// Knows, for [`Self::redact`], what another one knows too.
    pub(crate) fn learn(&self, other: &Self) {
        let mut mine = self.known();
        for Known { rule, text, written, .. } in other.known().iter() {
            if mine.iter().any(|known| known.rule.name == rule.name && known.text.expose() == text.expose()) {
                continue;
            }
            let (rule, text) = (rule.clone(), SecretText::new(text.expose().to_owned()));
            insert(&mut mine, Known { rule, text, written: written.clone(), placeholder: None });
        }
    }

    /// Whether none was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// For recordings: what is written instead of each secret, in each form it is written in; the longest first.
    pub(crate) fn stand_ins(&self) -> Vec<StandIn> {
        let known = self.known();
        let long = known.iter().filter(|known| known.text.expose().len() >= REDACTED_BYTES_MIN);
        let mut stand_ins: Vec<StandIn> = Vec::new();
        for Known { rule, text, .. } in long {
            let instead = instead_of(text.expose(), &rule.name);
            let plain = (Zeroizing::new(text.expose().to_owned()), instead.clone());
            let written = forms(text.expose())
                .into_iter()
                .zip(forms(&instead))
                .map(|(secret, instead)| (secret, instead.to_string()));
            for (secret, instead) in std::iter::once(plain).chain(written) {
                if stand_ins.iter().all(|other| other.secret.as_slice() != secret.as_bytes()) {
                    stand_ins.push(StandIn {
                        secret: Zeroizing::new(secret.as_bytes().to_vec()),
                        instead: instead.into_bytes(),
                    });
                }
            }
        }
        stand_ins.sort_by_key(|stand_in| std::cmp::Reverse(stand_in.secret.len()));
        stand_ins
    }

    /// Whether a text has the placeholder of a secret in it, and of which.
    pub(crate) fn placeholder_in(&self, text: &str) -> Option<String> {
        memmem::find(text.as_bytes(), PLACEHOLDER.as_bytes())?;
        let known = self.known();
        let found = known
            .iter()
            .find(|known| known.placeholder.as_ref().is_some_and(|placeholder| text.contains(placeholder.as_str())));
        found.map(|known| known.rule.name.clone())
    }

    /// A header's value with secrets in the place of their placeholders; `None` when it has none. `may_have` says of a secret's hosts
    /// whether the receiver is one of them.
    ///
    /// # Errors
    /// The first secret that the receiver may not have.
    pub(crate) fn fill(
        &self,
        value: &[u8],
        may_have: impl Fn(&[String]) -> bool,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Misplaced> {
        if memmem::find(value, PLACEHOLDER.as_bytes()).is_none() {
            return Ok(None);
        }
        let mut filled: Option<Zeroizing<Vec<u8>>> = None;
        for Known { rule, text, placeholder, .. } in self.known().iter() {
            let Some(placeholder) = placeholder else { continue };
            let current = filled.as_ref().map_or(value, |filled| filled.as_slice());
            if memmem::find(current, placeholder.as_bytes()).is_none() {
                continue;
            }
            if !may_have(&rule.hosts) {
                return Err(Misplaced { name: rule.name.clone() });
            }
            filled = Some(Zeroizing::new(replaced(current, placeholder.as_bytes(), text.expose().as_bytes())));
        }
        Ok(filled)
    }

    /// A text without any secret that this invocation knows.
    pub(crate) fn redact(&self, text: String) -> String {
        let known = self.known();
        let mut redacted = text;
        for Known { rule, text, written, .. } in known.iter() {
            if text.expose().len() < REDACTED_BYTES_MIN {
                continue;
            }
            for form in std::iter::once(text.expose()).chain(written.iter().map(|form| form.as_str())) {
                if redacted.contains(form) {
                    redacted = redacted.replace(form, &format!("[secret {}]", rule.name));
                }
            }
        }
        redacted
    }

    /// A fault without any secret in its texts.
    pub(crate) fn redact_fault(&self, fault: Fault) -> Fault {
        if self.known().is_empty() {
            return fault;
        }
        let frames = |frames: &mut Vec<crate::floor::fault::Frame>| {
            for frame in frames {
                frame.function = self.redact(std::mem::take(&mut frame.function));
                frame.file = self.redact(std::mem::take(&mut frame.file));
            }
        };
        let mut fault = fault;
        fault.message = self.redact(fault.message);
        frames(&mut fault.frames);
        for error in &mut fault.errors {
            error.name = self.redact(std::mem::take(&mut error.name));
            error.message = self.redact(std::mem::take(&mut error.message));
            error.code = error.code.take().map(|code| self.redact(code));
            error.details = error.details.take().map(|details| self.redact_json(details));
            frames(&mut error.frames);
        }
        fault
    }

    fn redact_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.redact_json(item)).collect()),
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(name, value)| (self.redact(name), self.redact_json(value))).collect(),
            ),
            other => other,
        }
    }
}

fn replaced(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(text.len() + by.len());
    let mut from = 0;
    for at in memmem::find_iter(text, what) {
        whole.extend_from_slice(&text[from..at]);
        whole.extend_from_slice(by);
        from = at + what.len();
    }
    whole.extend_from_slice(&text[from..]);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::clock::Seeded;
    use crate::floor::fault::{ErrorRole, FaultCode, Frame, ThrownError};

    fn in_use(secrets: &[(&str, &str, &[&str])]) -> (InUse, Vec<String>) {
        let random = Seeded::new(0, 1);
        let in_use = InUse::default();
        let given = secrets.iter().map(|(name, text, hosts)| {
            let rule = SecretRule {
                name: (*name).into(),
                required: false,
                hosts: hosts.iter().map(|host| (*host).into()).collect(),
            };
            let placeholder = (!hosts.is_empty()).then(|| placeholder(&random));
            in_use.give(rule, SecretText::new((*text).into()), placeholder)
        });
        let given = given.collect();
        (in_use, given)
    }

    #[test]
    fn secrets_are_redacted_in_every_form_they_are_written_in() {
        let (in_use, _) = in_use(&[
            ("SHORT", "12345", &[]),
            ("PART", "abcdef", &[]),
            ("WHOLE", "abcdef\nghi\"", &[]),
            ("BOUND", "bound-text", &["a.example"]),
        ]);
        let check = |text: &str, expected: &str| assert_eq!(in_use.redact(text.to_owned()), expected);
        check("nothing", "nothing");
        check("12345 is too short", "12345 is too short");
        check("xabcdefx", "x[secret PART]x");
        check("<abcdef\nghi\">", "<[secret WHOLE]>");
        check(r#"{"a":"abcdef\nghi\""}"#, r#"{"a":"[secret WHOLE]"}"#);
        check("{ a: 'abcdef\\nghi\"' }", "{ a: '[secret WHOLE]' }");
        check("bound-text bound-text", "[secret BOUND] [secret BOUND]");
    }

    #[test]
    fn what_another_one_knows_is_redacted_too() {
        let (first, _) = in_use(&[("A", "first-secret", &[]), ("B", "second", &["b.example"])]);
        let (later, _) = in_use(&[("A", "rotated-secret", &[])]);
        let seen = InUse::default();
        for one in [&first, &later, &first] {
            seen.learn(one);
        }
        assert_eq!(seen.known().len(), 3);
        let shown = seen.redact("first-secret, rotated-secret, second".into());
        assert_eq!(shown, "[secret A], [secret A], [secret B]");
    }

    #[test]
    fn all_of_a_fault_is_redacted() {
        let (in_use, _) = in_use(&[("KEY", "hunter22", &[])]);
        let frame =
            Frame { function: "hunter22".into(), file: "hunter22".into(), line: 1, column: 1, in_author_file: true };
        let error = ThrownError {
            role: ErrorRole::Thrown,
            parent: 0,
            name: "hunter22".into(),
            message: "is hunter22".into(),
            code: Some("hunter22".into()),
            details: Some(serde_json::json!({ "hunter22": ["hunter22", 1] })),
            frames: vec![frame.clone()],
        };
        let fault = Fault {
            code: FaultCode::Threw,
            message: "hunter22!".into(),
            limit: None,
            errors: vec![error],
            frames: vec![frame],
        };
        let redacted = in_use.redact_fault(fault);
        assert!(!format!("{redacted:?}").contains("hunter22"), "{redacted:?}");
        assert_eq!(redacted.message, "[secret KEY]!");
    }

    #[test]
    fn a_placeholder_is_filled_where_the_secret_may_go() {
        let (in_use, given) =
            in_use(&[("A", "first", &["a.example"]), ("B", "second", &["b.example"]), ("OPEN", "open-text", &[])]);
        assert_eq!(given[2], "open-text");
        let value = format!("Bearer {}:{}", given[0], given[0]);
        let to = |host: &'static str| move |hosts: &[String]| hosts.iter().any(|one| one == host);
        let filled = in_use.fill(value.as_bytes(), to("a.example")).ok().flatten().expect("it is filled");
        assert_eq!(filled.as_slice(), b"Bearer first:first");
        assert_eq!(in_use.fill(value.as_bytes(), to("b.example")).expect_err("it is refused").name, "A");
        let both = format!("{} {}", given[0], given[1]);
        assert_eq!(in_use.fill(both.as_bytes(), to("a.example")).expect_err("it is refused").name, "B");
        let forged = format!("{PLACEHOLDER}{}", "0".repeat(32));
        assert!(in_use.fill(forged.as_bytes(), to("a.example")).ok().flatten().is_none());
        assert_eq!(in_use.placeholder_in(&format!("https://x/?k={}", given[1])), Some("B".into()));
        assert_eq!(in_use.placeholder_in(&forged), None);
    }
}
