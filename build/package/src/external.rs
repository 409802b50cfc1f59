//! npm packages that travel beside the bundle: their names, and where their files lie. How they are found is the build's
//! business, how they are unpacked the host's.

use crate::{Engine, rules::Rule};

/// Most packages that `runtime.external` names.
pub const EXTERNALS_MAX: usize = 64;
/// The folder they travel in; what lies in it is laid out as Node looks packages up.
pub const EXTERNALS_FOLDER: &str = "node_modules";

impl Engine {
    /// Whether it runs applets as processes: there are files and Node's own modules then.
    pub fn is_process(self) -> bool {
        matches!(self, Self::Bun | Self::Node | Self::Deno)
    }
}

/// A package's name, as npm has them: `name` or `@scope/name`.
///
/// # Errors
/// The rule it breaks.
pub fn package_name(value: &str) -> Rule {
    const RULE: &str = "use a package's name, such as 'sharp' or '@scope/name': letters, digits, '-', '_', '.' and '~'";
    let name = match value.strip_prefix('@').map(|rest| rest.split_once('/')) {
        None => value,
        Some(Some((scope, name))) if is_part(scope) => name,
        Some(_) => return Err(RULE),
    };
    if value.len() <= 214 && is_part(name) && name != EXTERNALS_FOLDER { Ok(()) } else { Err(RULE) }
}

/// A scope, or a name without one. None begins with a dot: those are a package manager's own folders.
fn is_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '~' | '-'))
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
}

/// The path of a file of a package that travels beside the bundle: `node_modules/NAME/…`. The caller has seen to it that it is a relative
/// path that stays inside.
///
/// # Errors
/// The rule it breaks.
pub(crate) fn file_path(value: &str) -> Rule {
    const RULE: &str = "a package's file is node_modules/NAME/…, and no part of it begins with a dot";
    let mut parts = value.split('/');
    while let Some(part) = parts.next() {
        if part.starts_with('.') {
            return Err(RULE);
        }
        if part != EXTERNALS_FOLDER {
            continue;
        }
        let first = parts.next().unwrap_or_default();
        let has_file = if first.starts_with('@') {
            let name = parts.next().unwrap_or_default();
            package_name(&format!("{first}/{name}")).is_ok()
        } else {
            package_name(first).is_ok()
        };
        // At least a file's name follows the package's.
        if !has_file || parts.clone().next().is_none() {
            return Err(RULE);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |value: &str, expected: bool| assert_eq!(package_name(value).is_ok(), expected, "{value:?}");
        check("left-pad", true);
        check("lodash.merge", true);
        check("JSONStream", true);
        check("@scope/name", true);
        check("@scope/name.x", true);
        for bad in [
            "",
            "@scope",
            "@scope/",
            "@/name",
            "a/b",
            "@a/b/c",
            ".bin",
            "@scope/.bin",
            "../x",
            "node:fs",
            "a b",
            "node_modules",
            "ü",
        ] {
            check(bad, false);
        }
        check(&"a".repeat(215), false);
    }

    #[test]
    fn paths() {
        let check = |value: &str, expected: bool| assert_eq!(file_path(value).is_ok(), expected, "{value:?}");
        check("node_modules/a/package.json", true);
        check("node_modules/@s/a/lib/x.js", true);
        check("node_modules/a/node_modules/b.c/i.js", true);
        check("node_modules/a", false);
        check("node_modules/@s/a", false);
        check("node_modules/.bin/a", false);
        check("node_modules/a/.env", false);
        check("node_modules/a/node_modules/.bin/b", false);
        check("node_modules/a/node_modules/b", false);
    }
}
