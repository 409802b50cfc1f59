//! What a tenant would have set for an applet, from the command line: its configuration, and its secrets.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use belljar::package::SecretRule;
use belljar::{AppletId, SECRET_BYTES_MAX, SecretSource, SecretText, SecretsUnavailable, TenantId};
use serde_json::Value;

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::files::{self, INPUT_BYTES_MAX};

/// The text of `--config`: a JSON object, in place or in a file; empty for none.
///
/// # Errors
/// When it cannot be read, or is no JSON object.
pub(crate) fn config(given: Option<&str>) -> Result<Arc<str>, Failure> {
    let Some(given) = given else { return Ok(Arc::from("")) };
    let text = match given.strip_prefix('@') {
        Some(path) => files::text(files::read(Path::new(path), INPUT_BYTES_MAX)?, path)?,
        None => given.to_owned(),
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_)) => Ok(Arc::from(text)),
        Ok(_) => Err(Failure::usage("--config is no JSON object").hint("such as '{\"currency\": \"EUR\"}'")),
        Err(error) => Err(Failure::usage(format!("--config is not JSON: {error}"))),
    }
}

/// Secrets of one run.
#[derive(Debug)]
pub(crate) struct Secrets(HashMap<String, SecretText>);

impl Secrets {
    /// Reads `--secret` and `--secret-file`, for what the applet asks for.
    ///
    /// # Errors
    /// When one cannot be read, is given twice, is not asked for, or when one that is required is missing.
    pub(crate) fn read(args: &RunArgs, asked: &[SecretRule]) -> Result<Self, Failure> {
        let mut texts = HashMap::new();
        let values =
            args.secret.iter().map(|given| pair("--secret", given).map(|(name, value)| (name, value.to_owned())));
        let files = args.secret_file.iter().map(|given| {
            let (name, path) = pair("--secret-file", given)?;
            let mut text = files::text(files::read(Path::new(path), SECRET_BYTES_MAX + 2)?, path)?;
            if text.ends_with('\n') {
                text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
            }
            Ok((name, text))
        });
        for secret in values.chain(files) {
            let (name, text) = secret?;
            if !asked.iter().any(|rule| rule.name == name) {
                let names: Vec<_> = asked.iter().map(|rule| rule.name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "the applet asks for no secret {name:?}; it asks for: {}",
                    names.join(", ")
                )));
            }
            if texts.insert(name.to_owned(), SecretText::new(text)).is_some() {
                return Err(Failure::usage(format!("secret {name:?} is given twice")));
            }
        }
        match asked.iter().find(|rule| rule.required && !texts.contains_key(&rule.name)) {
            Some(missing) => Err(Failure::usage(format!("the applet requires the secret {:?}", missing.name))
                .hint(format!("give it by --secret-file {}=FILE", missing.name))),
            None => Ok(Self(texts)),
        }
    }
}

impl SecretSource for Secrets {
    fn secret(&self, _: &TenantId, _: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        Ok(self.0.get(name).cloned())
    }
}

fn pair<'a>(flag: &str, given: &'a str) -> Result<(&'a str, &'a str), Failure> {
    match given.split_once('=') {
        Some((name, rest)) if !name.is_empty() => Ok((name, rest)),
        // What was given may be a secret: it is not repeated.
        _ => Err(Failure::usage(format!("{flag} wants NAME=…"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn secrets(line: &[&str], asked: &[(&str, bool)]) -> Result<Secrets, Failure> {
        let rules: Vec<_> = asked
            .iter()
            .map(|&(name, required)| SecretRule { name: name.into(), required, hosts: Vec::new() })
            .collect();
        match Cli::try_parse_from(["belljar", "run", "a"].iter().chain(line)).map(|cli| cli.command) {
            Ok(Command::Run(args)) => Secrets::read(&args, &rules),
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn secrets_are_read_from_both_flags() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("key");
        std::fs::write(&path, "two\nlines\r\n").expect("writes");
        let file = format!("B={}", path.display());
        let read = secrets(&["--secret", "A=x=y", "--secret-file", &file], &[("A", true), ("B", true), ("C", false)])
            .expect("they are read");
        assert_eq!(read.0["A"].expose(), "x=y");
        assert_eq!(read.0["B"].expose(), "two\nlines");
        for (line, asked) in [
            (&["--secret", "hunter2"][..], &[("A", false)][..]),
            (&["--secret", "A=1", "--secret", "A=2"], &[("A", false)]),
            (&["--secret", "B=1"], &[("A", false)]),
            (&[], &[("A", true)]),
            (&["--secret-file", "A=/nonexistent"], &[("A", true)]),
        ] {
            let failure = secrets(line, asked).expect_err("it is refused");
            assert!(!failure.message.contains("hunter2"), "{}", failure.message);
        }
    }

    #[test]
    fn a_configuration_is_an_object() {
        assert_eq!(&*config(None).expect("none"), "");
        assert_eq!(&*config(Some("{\"a\": 1}")).expect("one"), "{\"a\": 1}");
        for wrong in ["[]", "{", "@/nonexistent", "1"] {
            assert!(config(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
