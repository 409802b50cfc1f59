//! What imports say: the package that a specifier names, and where in a text it is imported. It knows text, not syntax.

/// `name` or `@scope/name` of a bare specifier.
pub(crate) fn package_name(specifier: &str) -> Option<&str> {
    if specifier.starts_with(['.', '/', '#', '\0']) || specifier.contains(['\\', ':']) {
        return None;
    }
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier.match_indices('/').nth(parts - 1).map_or(specifier.len(), |(index, _)| index);
    let name = &specifier[..end];
    (!name.is_empty() && name.split('/').all(|part| !matches!(part, "" | "." | ".."))).then_some(name)
}

/// The byte of the quote before a specifier that is imported: where it stands in quotes behind `from`, `import` or `require`.
pub(crate) fn import_offset(text: &str, specifier: &str) -> Option<usize> {
    let imports = |before: &str| {
        let before = before.trim_end().trim_end_matches('(').trim_end();
        ["from", "import", "require"].iter().any(|word| before.ends_with(word))
    };
    let at = text.match_indices(specifier).map(|(at, _)| at).filter(|at| *at > 0).find(|at| {
        let quote = text[..*at].chars().next_back();
        let closing = text[at + specifier.len()..].chars().next();
        matches!(quote, Some('\'' | '"' | '`')) && closing == quote && imports(&text[..at - 1])
    })?;
    Some(at - 1)
}

/// Line and column, from 1, of the import of a specifier.
pub(crate) fn import_place(text: &str, specifier: &str) -> Option<(usize, usize)> {
    let at = import_offset(text, specifier)?;
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some((text[..at].matches('\n').count() + 1, text[start..at].chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_imports() {
        let check = |text: &str, expected| assert_eq!(import_place(text, "dep"), expected, "{text}");
        check("import x from 'dep';", Some((1, 15)));
        check("// dep\nlet d = 'dep';\nconst x = require( \"dep\" );", Some((3, 20)));
        check("ü; await import('dep')", Some((1, 17)));
        check("import 'deps'; import 'dep'", Some((1, 23)));
        check("'dep'", None);
        check("dep", None);
    }

    #[test]
    fn package_names() {
        let check =
            |specifier: &str, expected: Option<&str>| assert_eq!(package_name(specifier), expected, "{specifier}");
        check("left-pad", Some("left-pad"));
        check("left-pad/lib/x.js", Some("left-pad"));
        check("@scope/name/sub", Some("@scope/name"));
        check("./x", None);
        check("/x", None);
        check("#x", None);
        check("node:fs", None);
        check("@scope/../..", None);
        check("..", None);
        check("", None);
    }
}
