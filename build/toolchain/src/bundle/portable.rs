//! Names of source files that are the same on every machine: no absolute path reaches a package, neither for privacy nor
//! for the digest.

use std::path::{Component, Path, PathBuf};

/// The name of a source file: relative to the folder; for a package elsewhere `node_modules/…`, as if it were installed
/// there; for anything else its file name under `external/`.
pub(crate) fn name(folder: &Path, file: &Path) -> String {
    let file = normal(file);
    let slashed = |path: &Path| {
        let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    };
    if let Ok(inside) = file.strip_prefix(folder) {
        return slashed(inside);
    }
    let whole = slashed(&file);
    match whole.rsplit_once("/node_modules/") {
        Some((_, package)) => format!("node_modules/{package}"),
        None => format!("external/{}", file.file_name().unwrap_or_default().to_string_lossy()),
    }
}

/// Takes `.` and `..` out of a path, without looking at the disk.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Makes a source map portable: sources get their portable names, and nothing else of the machine stays.
pub(crate) fn source_map(folder: &Path, json: &str) -> Result<String, serde_json::Error> {
    let mut map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)?;
    map.retain(|key, _| !matches!(key.as_str(), "file" | "sourceRoot" | "debugId"));
    if let Some(serde_json::Value::Array(sources)) = map.get_mut("sources") {
        for source in sources {
            if let serde_json::Value::String(path) = source
                && !path.starts_with('\0')
            {
                *path = name(folder, &folder.join(&*path));
            }
        }
    }
    serde_json::to_string(&map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check =
            |file: &str, expected: &str| assert_eq!(name(Path::new("/a/b"), Path::new(file)), expected, "{file}");
        check("/a/b/src/main.ts", "src/main.ts");
        check("/a/b/src/../main.ts", "main.ts");
        check("/a/node_modules/x/i.js", "node_modules/x/i.js");
        check("/a/node_modules/.pnpm/x@1/node_modules/x/i.js", "node_modules/x/i.js");
        check("/home/ada/secret/lib.ts", "external/lib.ts");
    }

    #[test]
    fn maps_lose_what_is_of_the_machine() {
        let json = r#"{"version":3,"file":"x","sourceRoot":"/a","sources":["src/a.ts","../node_modules/p/i.js"],"mappings":""}"#;
        let expected = r#"{"version":3,"sources":["src/a.ts","node_modules/p/i.js"],"mappings":""}"#;
        assert_eq!(source_map(Path::new("/a/b"), json).expect("it parses"), expected);
    }
}
