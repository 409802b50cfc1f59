//! From defaults, file, environment and flags to the settings in force, and where each came from.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use super::kind::Given;
use super::{Setting, SettingArgs, Settings, TABLE, file};

/// Name of the file that is looked for.
const FILE_NAME: &str = "belljar.toml";

/// What settings are made of.
pub struct Layers<'a> {
    /// The file that was named, if one was.
    pub file: Option<&'a Path>,
    /// Looks a variable of the environment up.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Flags.
    pub flags: &'a SettingArgs,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Origin {
    Default,
    File,
    Environment,
    Flag,
}

/// Settings, and where they come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    origins: BTreeMap<&'static str, Origin>,
}

/// Settings cannot be used: everything that is wrong, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// Lines with place, what is wrong and what to do.
    pub problems: Vec<String>,
}

impl SettingsError {
    pub(super) fn one(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for SettingsError {}

impl Layers<'_> {
    /// Reads all layers.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        let mut settings = Settings::default();
        let mut origins = BTreeMap::new();
        let mut problems = Vec::new();
        let data_dir = self.data_dir();
        let path = match self.file {
            Some(path) => Some(path.to_owned()),
            None => [data_dir.join(FILE_NAME), PathBuf::from(FILE_NAME)].into_iter().find(|path| path.is_file()),
        };
        if let Some(path) = &path {
            match std::fs::read_to_string(path) {
                Err(error) => problems.push(format!("{}: the settings file cannot be read: {error}", path.display())),
                Ok(text) => match file::read(&mut settings, path, &text) {
                    Err(wrong) => problems.extend(wrong),
                    Ok(set) => origins.extend(set.into_iter().map(|name| (name, Origin::File))),
                },
            }
            let is_found_by_it = self.file.is_none() && *path == data_dir.join(FILE_NAME);
            if is_found_by_it && origins.contains_key("data_dir") {
                let told =
                    "data_dir cannot be set in the file that is found in it: use the environment, a flag, or --config";
                problems.push(format!("{}: {told}", path.display()));
            }
        }
        for setting in TABLE {
            let variable = setting.variable();
            // What is set to nothing is not set, as in files that only list the names.
            let text = (self.environment)(&variable).filter(|text| !text.is_empty());
            let layers = [
                (Origin::Environment, variable, text.map(|text| vec![text])),
                (Origin::Flag, format!("--{}", setting.flag()), self.flags.get(setting.name)),
            ];
            for (origin, place, texts) in layers {
                let Some(texts) = texts else { continue };
                match settings.set(setting, &Given::Text(texts)) {
                    Ok(()) => drop(origins.insert(setting.name, origin)),
                    Err(problem) => problems.push(format!("{place} {problem}")),
                }
            }
        }
        if problems.is_empty() {
            problems = settings.problems();
        }
        if problems.is_empty() { Ok(Loaded { settings, file: path, origins }) } else { Err(SettingsError { problems }) }
    }

    /// Where the file is looked for: by then only flags and environment are known.
    fn data_dir(&self) -> PathBuf {
        let flag = self.flags.get("data_dir").and_then(|texts| texts.into_iter().next());
        let variable = Setting::named("data_dir").map(Setting::variable).unwrap_or_default();
        flag.or_else(|| (self.environment)(&variable).filter(|text| !text.is_empty()))
            .map_or_else(|| Settings::default().data_dir, PathBuf::from)
    }
}

impl Loaded {
    /// Where a setting comes from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }

    /// The settings as a file that says the same, with every setting in it; secrets are masked.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut group = "";
        // Writing to a string cannot fail.
        for setting in TABLE {
            if setting.group != group {
                group = setting.group;
                let _ = writeln!(text, "{}# {group}", if text.is_empty() { "" } else { "\n" });
            }
            let origin = match self.origin(setting.name) {
                Origin::Default => String::new(),
                Origin::File => self.file.as_ref().map(|path| format!("  # {}", path.display())).unwrap_or_default(),
                Origin::Environment => format!("  # {}", setting.variable()),
                Origin::Flag => format!("  # --{}", setting.flag()),
            };
            let value = self.settings.get(setting.name).map(|value| match value {
                // Elsewhere a relative path would be another one.
                toml::Value::String(path) if setting.kind == "PATH" => {
                    let path = std::path::absolute(&path).map_or(path, |path| path.display().to_string());
                    toml::Value::String(path)
                }
                value => value,
            });
            let _ = match value {
                Some(value) => writeln!(text, "{} = {value}{origin}", setting.name),
                None => writeln!(text, "# {} =", setting.name),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        file: Option<&Path>,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<Loaded, SettingsError> {
        let environment =
            |name: &str| environment.iter().find(|(has, _)| *has == name).map(|(_, value)| (*value).to_owned());
        let flags = SettingArgs::of(flags);
        Layers { file, environment: &environment, flags: &flags }.load()
    }

    #[test]
    fn each_layer_is_over_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.toml");
        std::fs::write(&path, "grace_ms = 1\nqueue_max = 2\nheaders_max = 30\n").expect("written");
        let loaded = load(
            Some(&path),
            &[("BELLJAR_QUEUE_MAX", "3"), ("BELLJAR_HEADERS_MAX", "40"), ("BELLJAR_CACHE", "/c")],
            &[("headers_max", "50")],
        )
        .expect("they are right");
        let Settings { grace_ms, queue_max, headers_max, queue_ms_max, .. } = loaded.settings;
        assert_eq!((grace_ms, queue_max, headers_max, queue_ms_max), (1, 3, 50, 10_000));
        let origins = ["grace_ms", "queue_max", "headers_max", "queue_ms_max"].map(|name| loaded.origin(name));
        assert_eq!(origins, [Origin::File, Origin::Environment, Origin::Flag, Origin::Default]);
    }

    #[test]
    fn the_file_of_the_data_directory_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().display().to_string();
        std::fs::write(folder.path().join(FILE_NAME), "grace_ms = 7\n").expect("written");
        assert_eq!(load(None, &[], &[("data_dir", &data)]).expect("right").settings.grace_ms, 7);
        assert_eq!(load(None, &[("BELLJAR_DATA_DIR", &data)], &[]).expect("right").settings.grace_ms, 7);
        std::fs::write(folder.path().join(FILE_NAME), "data_dir = \"/elsewhere\"\n").expect("written");
        assert!(
            load(None, &[("BELLJAR_DATA_DIR", &data)], &[])
                .expect_err("a circle")
                .to_string()
                .contains("data_dir cannot be set")
        );
    }

    #[test]
    fn all_errors_are_told_with_their_place() {
        let error = load(
            Some(Path::new("/nowhere/s.toml")),
            &[("BELLJAR_GRACE_MS", "soon"), ("BELLJAR_LISTEN", "80")],
            &[("queue_max", "-1")],
        )
        .expect_err("everything is wrong")
        .problems;
        assert_eq!(error.len(), 4, "{error:#?}");
        assert!(error[1].starts_with("BELLJAR_LISTEN is \"80\", not an address with a port"), "{error:#?}");
        assert!(error[2].starts_with("BELLJAR_GRACE_MS is \"soon\", not a whole number from 0 to"), "{error:#?}");
        assert!(error[3].starts_with("--queue-max is \"-1\""), "{error:#?}");
    }

    #[test]
    fn what_is_printed_reads_back_and_hides_secrets() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = "0123456789abcdef-token";
        let loaded = load(
            None,
            &[("BELLJAR_ADMIN_TOKEN", token), ("BELLJAR_OTLP_HEADERS", "a=secret-value"), ("BELLJAR_LISTEN", "[::]:1")],
            &[("slots", "3"), ("trusted_proxies", "10.0.0.0/8,::1")],
        )
        .expect("they are right");
        let text = loaded.to_toml();
        assert!(!text.contains(token) && !text.contains("secret-value"), "{text}");
        assert!(
            text.contains("listen = \"[::]:1\"  # BELLJAR_LISTEN\n") && text.contains("slots = 3  # --slots\n"),
            "{text}"
        );
        let path = folder.path().join("printed.toml");
        std::fs::write(&path, text.replace("********", "a=0123456789abcdef")).expect("written");
        let again = load(Some(&path), &[], &[]).expect("it reads back").settings;
        assert_eq!(again.trusted_proxies, loaded.settings.trusted_proxies);
        let data_dir = std::path::absolute(&loaded.settings.data_dir).expect("there is a working directory");
        let expected = Settings { admin_token: None, otlp_headers: vec![], data_dir, ..loaded.settings };
        assert_eq!(Settings { admin_token: None, otlp_headers: vec![], ..again }, expected);
    }
}
