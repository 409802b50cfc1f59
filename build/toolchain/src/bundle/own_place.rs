//! Packages that ask where they lie (`__dirname`, `__filename`), usually to read files beside them: in a bundle they lie nowhere.

use std::path::Path;

use super::{portable, specifier::package_name};
use crate::diagnostic::{Problem, SourceFile};

/// A notice for each package among a bundle's modules that asks; `modules` are ids and what is in the bundle of each.
pub(crate) fn notices(folder: &Path, modules: impl Iterator<Item = (String, String)>) -> Vec<Problem> {
    let mut told: Vec<String> = Vec::new();
    let mut notices = Vec::new();
    for (id, code) in modules {
        let name = portable::name(folder, Path::new(&id));
        let Some(package) =
            name.rsplit("node_modules/").next().filter(|rest| rest.len() < name.len()).and_then(package_name)
        else {
            continue;
        };
        let Some(word) = ["__dirname", "__filename"].into_iter().find(|word| code.contains(word)) else { continue };
        if told.iter().any(|other| other == package) {
            continue;
        }
        told.push(package.to_owned());
        let message = format!("the package '{package}' uses {word}, which it does not have in a bundle");
        let problem = Problem::notice("bundle.own-place", message).with_help(format!(
            "if it reads files of its own, let it travel beside the bundle: 'external: [{package}]' under 'runtime'"
        ));
        notices.push(match std::fs::read_to_string(&id) {
            Ok(text) => {
                let at = text.find(word).unwrap_or(0);
                problem.at(&SourceFile::new(name, text), at, at + word.len(), "here")
            }
            Err(_) => problem.in_file(name),
        });
    }
    notices
}
