//! Config and secrets of an applet under development: `.belljar/dev.toml`, with the tables `config` and `secrets`.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Values {
    pub(super) config: Map<String, Value>,
    pub(super) secrets: Map<String, Value>,
}

/// Reads the file; a missing one says nothing.
///
/// # Errors
/// What is wrong with it, with its line.
pub(super) fn read(path: &Path) -> Result<Values, String> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Values::default()),
        read => read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
    };
    let values: Values =
        toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.to_string().trim_end()))?;
    match values.secrets.iter().find(|(_, value)| !value.is_string()) {
        Some((name, _)) => Err(format!("{}: secret {name:?} is no text: put it in quotes", path.display())),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_two_tables() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dev.toml");
        assert!(read(&path).expect("nothing is fine").config.is_empty());
        std::fs::write(&path, "[config]\nlimit = 3\n[secrets]\nKEY = \"k\"\n").expect("written");
        let values = read(&path).expect("it is right");
        assert_eq!((&values.config["limit"], &values.secrets["KEY"]), (&3.into(), &"k".into()));
        for (text, expected) in [("[confg]\n", "confg"), ("[secrets]\nKEY = 3\n", "\"KEY\""), ("[config\n", "dev.toml")]
        {
            std::fs::write(&path, text).expect("written");
            let error = read(&path).expect_err("it is wrong");
            assert!(error.contains(expected), "{error}");
        }
    }
}
