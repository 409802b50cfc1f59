//! Migrations as the author wrote them: what the package's rules find, told at the line and column.

use std::collections::BTreeMap;

use belljar_package::{MIGRATIONS_FOLDER, migrations};

use crate::diagnostic::{Problem, SourceFile};

/// What is wrong with the migrations among `files`; `has_db` is whether the manifest asks for a database.
pub(crate) fn problems(files: &BTreeMap<String, Vec<u8>>, has_db: bool) -> Vec<Problem> {
    let found = match migrations(files) {
        Ok(found) => found.len(),
        Err(problems) => {
            let problem = |problem: belljar_package::MigrationProblem| {
                let text = files.get(&problem.path).and_then(|data| std::str::from_utf8(data).ok());
                let told = Problem::error("build.migration", problem.message).with_help(problem.help);
                match (problem.offset, text) {
                    (Some(offset), Some(text)) => {
                        let end = text[offset..]
                            .find(|c: char| !c.is_ascii_alphanumeric())
                            .map_or(text.len(), |at| offset + at.max(1));
                        told.at(&SourceFile::new(&problem.path, text), offset, end, "")
                    }
                    _ => told.in_file(problem.path),
                }
            };
            return problems.into_iter().map(problem).collect();
        }
    };
    if found > 0 && !has_db {
        let problem =
            Problem::error("build.migration", "the applet has migrations and no database").in_file(MIGRATIONS_FOLDER);
        return vec![problem.with_help("add 'db: true' to 'permissions' in the manifest")];
    }
    Vec::new()
}
