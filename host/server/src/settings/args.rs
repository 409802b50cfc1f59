//! Settings as flags of a command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::builder::{PossibleValuesParser, StyledStr};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::{Setting, TABLE};

/// Flags as they were given, not yet understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingArgs {
    given: BTreeMap<String, Vec<String>>,
}

impl SettingArgs {
    /// What was given for a setting.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<String>> {
        self.given.get(name).cloned()
    }

    /// Gives a setting, unless a flag has: for commands that know better than the default.
    #[must_use]
    pub fn or(mut self, name: &str, value: impl Into<String>) -> Self {
        self.given.entry(name.to_owned()).or_insert_with(|| vec![value.into()]);
        self
    }

    #[cfg(test)]
    pub(crate) fn of(flags: &[(&'static str, &str)]) -> Self {
        Self { given: flags.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect() }
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = BTreeMap::new();
        for setting in TABLE.iter().filter(|setting| !setting.about.is_secret) {
            if matches.value_source(setting.name) != Some(ValueSource::CommandLine) {
                continue;
            }
            let values = matches.get_many::<String>(setting.name).into_iter().flatten().cloned().collect();
            given.insert(setting.name.to_owned(), values);
        }
        Ok(Self { given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given.extend(Self::from_arg_matches(matches)?.given);
        Ok(())
    }
}

impl Args for SettingArgs {
    fn augment_args(mut command: Command) -> Command {
        for setting in TABLE.iter().filter(|setting| !setting.about.is_secret) {
            command = command.arg(arg(setting));
        }
        let secrets = TABLE.iter().filter(|setting| setting.about.is_secret);
        let mut told = String::from("Settings without a flag, because other users can read command lines:\n");
        for setting in secrets {
            // Writing to a string cannot fail.
            let _ = writeln!(
                told,
                "  {}\n          {}",
                setting.variable(),
                setting.text().replace("\n\n", "\n\n          ")
            );
            let _ = writeln!(told, "          [default: {}]", setting.default_text());
        }
        told.push_str(
            "\nAll of these can be set in the file as well, by their names with underscores (grace_ms = 10000).",
        );
        command.after_long_help(StyledStr::from(told))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn arg(setting: &'static Setting) -> Arg {
    let first = setting.doc.first().map(|line| line.trim()).unwrap_or_default();
    let notes = format!("[env: {}] [default: {}]", setting.variable(), setting.default_text());
    let range = setting.about.range.map(|(min, max)| format!(" [range: {min} to {max}]")).unwrap_or_default();
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.kind)
        .help(format!("{first} {notes}"))
        .long_help(format!("{}\n\n{notes}{range}", setting.text()))
        .help_heading(setting.group)
        .action(if setting.is_list { ArgAction::Append } else { ArgAction::Set });
    if setting.is_switch {
        let values = PossibleValuesParser::new(["true", "false"]);
        arg.value_parser(values)
            .hide_possible_values(true)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        arg.allow_hyphen_values(setting.about.range.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        SettingArgs::augment_args(Command::new("serve"))
    }

    #[test]
    fn flags_are_kept_as_given() {
        let matches = command()
            .try_get_matches_from([
                "serve",
                "--grace-ms",
                "5",
                "--audit=false",
                "--usage-headers",
                "--trusted-proxies",
                "::1",
                "--trusted-proxies",
                "10.0.0.0/8",
            ])
            .expect("it parses");
        let args = SettingArgs::from_arg_matches(&matches).expect("they are there");
        assert_eq!(args.get("grace_ms"), Some(vec!["5".to_owned()]));
        assert_eq!(args.get("audit"), Some(vec!["false".to_owned()]));
        assert_eq!(args.get("usage_headers"), Some(vec!["true".to_owned()]));
        assert_eq!(args.get("trusted_proxies"), Some(vec!["::1".to_owned(), "10.0.0.0/8".to_owned()]));
        assert_eq!(args.get("listen"), None);
        assert_eq!(args.clone().or("listen", "x").or("grace_ms", "9").get("grace_ms"), args.get("grace_ms"));
    }

    #[test]
    fn help_shows_every_setting_with_default_and_unit() {
        command().debug_assert();
        let help = command().term_width(0).render_long_help().to_string();
        for setting in TABLE {
            assert!(help.contains(&setting.variable()), "{} is missing", setting.name);
            assert_eq!(
                help.contains(&format!("--{} ", setting.flag())) || help.contains(&format!("--{}[", setting.flag())),
                !setting.about.is_secret,
                "{}",
                setting.name
            );
            assert!(help.contains(&format!("[default: {}]", setting.default_text())), "{}", setting.name);
        }
        assert!(help.contains("[default: 10000 ms]"), "{help}");
    }
}
