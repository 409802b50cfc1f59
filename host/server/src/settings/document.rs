//! `docs/settings.md`, made from the table.

use std::fmt::Write as _;

use super::TABLE;

const HEAD: &str = "\
# Settings

What `belljar serve` can be told. Each setting has one name: `grace_ms` in the file, `BELLJAR_GRACE_MS` in the environment, `--grace-ms` on the command line. Flags win over
the environment, the environment over the file, the file over the defaults. `belljar serve --print-config` prints what is in force and where it came from, secrets masked.

The file is TOML: the one that `--config` names, else `belljar.toml` in the data directory, else in the working directory. Paths in it are relative to its folder. A name that is
no setting is an error. Lists are arrays in the file, and separated by commas elsewhere.

Made from `host/server/src/settings.rs`: `BELLJAR_UPDATE=1 cargo nextest run -E 'test(settings_are_documented)'`.
";

/// The page.
pub fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for setting in TABLE {
        // Writing to a string cannot fail.
        if setting.group != group {
            group = setting.group;
            let _ = write!(text, "\n## {group}\n\n| setting | default | range | what it does |\n|---|---|---|---|\n");
        }
        let range = match (setting.about.range, setting.about.is_secret) {
            (Some((min, max)), _) => format!("{min} to {max}"),
            (None, true) => "no flag".to_owned(),
            (None, false) => String::new(),
        };
        let what = setting.text().replace("\n\n", ". ").replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {range} | {what} |", setting.name, setting.default_text());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn settings_are_documented() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
        if std::env::var_os("BELLJAR_UPDATE").is_some() {
            std::fs::write(&path, document()).expect("written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == document(), "docs/settings.md is out of date: run this test with BELLJAR_UPDATE=1");
    }
}
