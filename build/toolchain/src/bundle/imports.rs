//! Who imports what, and by which words, as the bundler has asked: for messages that lead from the author's entry to the import that is wrong.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::Path,
};

use super::{
    portable,
    specifier::{import_offset, import_place},
};
use crate::diagnostic::{Problem, SourceFile};

/// Marks module ids of generated modules: the author has not written them.
pub(crate) const GENERATED: &str = "\0belljar-module:";

/// Ids of modules: absolute paths, and names that begin with a zero byte.
#[derive(Debug, Default)]
pub(crate) struct ImportGraph {
    /// By importer, then by what is imported: the words.
    imports: BTreeMap<String, BTreeMap<String, String>>,
}

impl ImportGraph {
    pub(crate) fn record(&mut self, importer: &str, id: &str, specifier: &str) {
        let imports = self.imports.entry(importer.to_owned()).or_default();
        imports.entry(id.to_owned()).or_insert_with(|| specifier.to_owned());
    }

    /// What one module imports, and by which words.
    pub(crate) fn of(&self, importer: &str) -> impl Iterator<Item = (&str, &str)> {
        self.imports.get(importer).into_iter().flatten().map(|(id, specifier)| (id.as_str(), specifier.as_str()))
    }

    /// Every import: importer, what is imported, words.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.imports
            .keys()
            .flat_map(|importer| self.of(importer).map(move |(id, specifier)| (importer.as_str(), id, specifier)))
    }

    /// The shortest way from the entry to a file, entry first, both included; empty when there is none. The author's own files are named
    /// with the line and column of the import that leads on; generated ones are left out.
    pub(crate) fn chain(&self, folder: &Path, entry: &str, target: &str) -> Vec<String> {
        let mut from: HashMap<&str, &str> = HashMap::new();
        let mut queue = VecDeque::from([entry]);
        while let Some(current) = queue.pop_front() {
            if current == target {
                let mut chain = vec![self.step(folder, current, None)];
                let mut at = current;
                while let Some(importer) = from.get(at).filter(|_| at != entry) {
                    chain.push(self.step(folder, importer, Some(at)));
                    at = importer;
                }
                chain.reverse();
                chain.retain(|step| !step.is_empty());
                return chain;
            }
            for (next, _) in self.of(current) {
                if next != entry && !from.contains_key(next) {
                    from.insert(next, current);
                    queue.push_back(next);
                }
            }
        }
        Vec::new()
    }

    /// A file of a chain, with the place of its import of the next one.
    fn step(&self, folder: &Path, importer: &str, next: Option<&str>) -> String {
        if importer.starts_with(GENERATED) {
            return String::new();
        }
        let name = portable::name(folder, Path::new(importer));
        if name.starts_with("node_modules/") || name.contains("/node_modules/") {
            return name;
        }
        let specifier = next.and_then(|next| self.imports.get(importer)?.get(next));
        let place = specifier.and_then(|specifier| import_place(&std::fs::read_to_string(importer).ok()?, specifier));
        place.map_or(name.clone(), |(line, column)| format!("{name}:{line}:{column}"))
    }
}

/// Puts a problem at the import of a specifier in a file.
pub(crate) fn at_import(folder: &Path, problem: Problem, importer: &str, specifier: &str) -> Problem {
    let path = Path::new(importer);
    let name = portable::name(folder, path);
    let Ok(text) = std::fs::read_to_string(path) else { return problem.in_file(name) };
    match import_offset(&text, specifier) {
        Some(at) => problem.at(&SourceFile::new(name, text), at, at + specifier.len() + 2, "imported here"),
        None => problem.in_file(name),
    }
}
