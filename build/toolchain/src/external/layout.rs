//! Where packages come to lie, so that Node finds from each of them exactly what it found where they were installed: whatever the package
//! manager had made of it, links and stores included. It knows names and indices, no files.

use std::collections::{BTreeMap, VecDeque};

use super::Installed;
use crate::diagnostic::Problem;

/// Deepest nesting of packages in packages.
const NESTING_MAX: usize = 10;

/// A problem, and the package that it is about.
pub(crate) type Failure = (Problem, Option<usize>);

/// The folder in the package of each place, `node_modules/a` or `node_modules/a/node_modules/b`, and which package lies there. One package
/// may lie in several places, as npm does it.
///
/// Packages go to the top where nobody else has the name, and else into the package that needs them.
///
/// # Errors
/// When packages of different versions need each other in turn, deeper than [`NESTING_MAX`].
pub(crate) fn places(
    packages: &[Installed],
    roots: &BTreeMap<String, usize>,
) -> Result<BTreeMap<String, usize>, Failure> {
    let mut places: BTreeMap<String, usize> =
        roots.iter().map(|(name, index)| (format!("node_modules/{name}"), *index)).collect();
    let mut queue: VecDeque<(String, usize)> = places.iter().map(|(place, index)| (place.clone(), *index)).collect();
    while let Some((place, index)) = queue.pop_front() {
        for (name, wanted) in &packages[index].dependencies {
            let new = match visible(&places, &place, name) {
                Some(found) if found == *wanted => continue,
                Some(_) => format!("{place}/node_modules/{name}"),
                None => format!("node_modules/{name}"),
            };
            if new.matches("node_modules/").count() > NESTING_MAX {
                let problem =
                    Problem::error("build.external", format!("packages nest deeper than {NESTING_MAX}: {new}"));
                return Err((
                    problem.with_help("install the packages again, so that they share versions"),
                    Some(index),
                ));
            }
            places.insert(new.clone(), *wanted);
            queue.push_back((new, *wanted));
        }
    }
    Ok(places)
}

/// The package that is found by a name from a place: in its own `node_modules`, or further and further up.
fn visible(places: &BTreeMap<String, usize>, place: &str, name: &str) -> Option<usize> {
    let mut folder = Some(place);
    while let Some(inner) = folder {
        if let Some(index) = places.get(&format!("{inner}/node_modules/{name}")) {
            return Some(*index);
        }
        folder = inner.rfind("/node_modules/").map(|at| &inner[..at]);
    }
    places.get(&format!("node_modules/{name}")).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages by what they need; the first `roots` are the manifest's.
    fn check(packages: &[(&str, &[(&str, usize)])], roots: usize, expected: &[(&str, usize)]) {
        let installed = |(_, needs): &(&str, &[(&str, usize)])| Installed {
            dependencies: needs.iter().map(|(name, index)| ((*name).to_owned(), *index)).collect(),
            ..Installed::default()
        };
        let installed: Vec<Installed> = packages.iter().map(installed).collect();
        let roots =
            packages.iter().take(roots).enumerate().map(|(index, (name, _))| ((*name).to_owned(), index)).collect();
        let found = places(&installed, &roots).expect("they can be placed");
        let found: Vec<(&str, usize)> = found.iter().map(|(place, index)| (place.as_str(), *index)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn packages_share_what_they_can() {
        check(
            &[("a", &[("c", 2)]), ("b", &[("c", 2)]), ("c", &[("a", 0)])],
            2,
            &[("node_modules/a", 0), ("node_modules/b", 1), ("node_modules/c", 2)],
        );
    }

    #[test]
    fn versions_are_kept_apart() {
        check(
            &[("a", &[("c", 2)]), ("b", &[("c", 3)]), ("c", &[]), ("c", &[("d", 4)]), ("d", &[("c", 3)])],
            2,
            &[
                ("node_modules/a", 0),
                ("node_modules/b", 1),
                ("node_modules/b/node_modules/c", 3),
                ("node_modules/c", 2),
                ("node_modules/d", 4),
                ("node_modules/d/node_modules/c", 3),
            ],
        );
    }

    #[test]
    fn circles_of_versions_end() {
        // a@1 → b@1 → a@2 → b@2 → a@1: each hides the one that is needed next but one.
        let circle: &[(&str, &[(&str, usize)])] =
            &[("a", &[("b", 1)]), ("b", &[("a", 2)]), ("a", &[("b", 3)]), ("b", &[("a", 0)])];
        let installed: Vec<Installed> = circle
            .iter()
            .map(|(_, needs)| Installed {
                dependencies: needs.iter().map(|(n, i)| ((*n).to_owned(), *i)).collect(),
                ..Installed::default()
            })
            .collect();
        assert!(places(&installed, &BTreeMap::from([("a".to_owned(), 0)])).is_err());
    }
}
