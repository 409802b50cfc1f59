//! Tests (`*.test.ts`): the package that `belljar test` runs. It is the applet's own, with the test files and the library they import in its
//! bundle, and one handler more. The library is guest-js/test; here it is only put together. What becomes of the tests is not known here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use belljar_package::{Descriptor, Engine, Handler, Package, Trigger};
use serde_json::json;

#[cfg(feature = "rolldown")]
use crate::bundle::rolldown::Rolldown;
use crate::{
    build,
    bundle::Bundler,
    diagnostic::{BuildError, Problem},
    manifest::Manifest,
    pages::quoted,
};

/// The handler that lists the tests and runs one of them.
pub const TEST_HANDLER: &str = "belljar-test";
/// The name of the event by which a test asks its host; guest-js/test/src/host.ts has it too.
pub const TEST_CHANNEL: &str = "belljar.test";
/// Its export: an identifier that no page has.
pub(crate) const TEST_EXPORT: &str = "belljar$test";
/// The generated module that the bundle starts with. It is in no folder of names, so that what it imports is the author's.
const ENTRY: &str = "belljar:tests";
/// What test files import.
const LIBRARY: &str = "@belljar/sdk/test";
/// Extensions of test files.
const EXTENSIONS: [&str; 6] = ["ts", "tsx", "mts", "js", "jsx", "mjs"];

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        [$((concat!("belljar:test/", $name), include_str!(concat!("../../../guest-js/test/src/", $name)))),*]
    };
}

/// The library, module by module.
const SOURCES: &[(&str, &str)] = &sources![
    "assertion.ts",
    "asymmetric.ts",
    "call.ts",
    "clock.ts",
    "coverage.ts",
    "custom.ts",
    "diff.ts",
    "driver.ts",
    "equal.ts",
    "expect.ts",
    "format.ts",
    "host.ts",
    "http.ts",
    "index.ts",
    "mock.ts",
    "mocked.ts",
    "recorded.ts",
    "run.ts",
    "sinks.ts",
    "suite.ts",
];

/// Whether a file has tests, by its name: `x.test.ts`, and the same with `tsx`, `mts`, `js`, `jsx` and `mjs`.
///
/// ```
/// assert!(belljar_build::is_test_file("src/price.test.ts"));
/// assert!(!belljar_build::is_test_file("src/test.ts"));
/// ```
pub fn is_test_file(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let stem = name.rsplit_once('.').filter(|(_, extension)| EXTENSIONS.contains(extension)).map(|(stem, _)| stem);
    stem.and_then(|stem| stem.strip_suffix(".test")).is_some_and(|stem| !stem.is_empty())
}

/// The tests that are built.
#[derive(Debug, Clone, Default)]
pub struct TestFiles {
    /// The files, relative to the applet's folder with `/` between parts, in the order in which their tests are listed.
    pub files: Vec<String>,
    /// Whether to count which lines of the applet's files are executed.
    pub counts_lines: bool,
}

/// Tests, ready to be run.
#[derive(Debug, Clone)]
pub struct BuiltTests {
    /// The package: the applet's, with the handler [`TEST_HANDLER`]. It may publish the event [`TEST_CHANNEL`], and limits of a single call
    /// (memory, time, fuel, its answer) are not in it: a test makes several.
    pub package: Package,
    /// Where lines are counted, of each file the line of each statement, from 1.
    pub lines: BTreeMap<String, Vec<u32>>,
    /// What is legal and still worth a look.
    pub notices: Vec<Problem>,
    /// Every file the build read, absolute and sorted: what a watcher watches.
    pub inputs: Vec<PathBuf>,
}

/// Builds the tests of an applet's folder.
///
/// # Errors
/// [`BuildError`] with every problem found; `build.test-engine` when the applet does not run in the sandbox.
#[cfg(feature = "rolldown")]
pub fn build_tests(folder: &Path, tests: &TestFiles) -> Result<BuiltTests, BuildError> {
    build_tests_with(&Rolldown, folder, tests)
}

/// [`build_tests`] with a given bundler.
///
/// # Errors
/// As there.
pub fn build_tests_with(bundler: &dyn Bundler, folder: &Path, tests: &TestFiles) -> Result<BuiltTests, BuildError> {
    let build::Ran { built, lines, .. } = build::run(bundler, folder, Some(tests), &mut None)?;
    let mut package = built.package;
    let descriptor = &mut package.descriptor;
    descriptor.handlers.push(Handler {
        name: TEST_HANDLER.to_owned(),
        export: TEST_EXPORT.to_owned(),
        trigger: Trigger::Call {},
    });
    descriptor.permissions.events_publish.push(TEST_CHANNEL.to_owned());
    let limits = &mut descriptor.runtime.limits;
    (limits.max_memory_mb, limits.max_execution_ms, limits.fuel_max, limits.response_bytes_max) =
        (None, None, None, None);
    // A handler, or an event, of these names is the author's.
    package.encode().map_err(|error| Problem::error("build.package", error.to_string()))?;
    Ok(BuiltTests { package, lines, notices: built.notices, inputs: built.inputs })
}

/// Why there are no tests of such an applet.
pub(crate) fn engine_problem(manifest: &Manifest) -> Option<Problem> {
    let (message, help) = match manifest.engine {
        Engine::Wasm => return None,
        Engine::Component => (
            "tests are JavaScript, and this applet is a component",
            "test it with the tools of its language, and call it with `belljar run`",
        ),
        Engine::Bun | Engine::Node | Engine::Deno => (
            "tests run in the sandbox, and this applet runs in a process",
            "test it with the runtime's own tests (`bun test`, `node --test`, `deno test`), or leave 'runtime.engine' out",
        ),
    };
    let problem = Problem::error("build.test-engine", message).with_help(help);
    Some(problem.at(&manifest.file, manifest.entrypoint.start, manifest.entrypoint.end, ""))
}

/// The modules of the bundle, the entry's name first: around `entry` (and the modules it is made of) the test files, each told by its name
/// before its tests are declared.
pub(crate) fn modules(
    tests: &TestFiles,
    descriptor: &Descriptor,
    entry: &str,
    mut modules: Vec<(String, String)>,
    has_default: bool,
) -> (String, Vec<(String, String)>) {
    let is_generated = modules.iter().any(|(name, _)| name == entry);
    let entry = quoted(&if is_generated { entry.to_owned() } else { format!("./{entry}") });
    // What counts lines is there before the first line.
    let mut code = format!("import \"belljar:test/coverage.ts\";\nexport * from {entry};\n");
    if has_default {
        code.push_str(&format!("export {{ default }} from {entry};\n"));
    }
    for (index, file) in tests.files.iter().enumerate() {
        let marker = format!("belljar:test/file/{index}");
        code.push_str(&format!("import {};\nimport {};\n", quoted(&marker), quoted(&format!("./{file}"))));
        let begin = format!("import {{ beginFile }} from \"belljar:test/suite.ts\";\nbeginFile({});\n", quoted(file));
        modules.push((marker, begin));
    }
    code.push_str(&format!(
        "import {{ makeRunner }} from \"belljar:test/run.ts\";\nexport const {TEST_EXPORT} = makeRunner({});\n",
        json!({ "handlers": descriptor.handlers.iter().map(told).collect::<Vec<_>>(), "custom": descriptor.permissions.custom })
    ));
    modules.push((ENTRY.to_owned(), code));
    modules.push((LIBRARY.to_owned(), "export * from \"belljar:test/index.ts\";\n".to_owned()));
    modules.extend(SOURCES.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())));
    (ENTRY.to_owned(), modules)
}

/// What the library is told of a handler.
fn told(handler: &Handler) -> serde_json::Value {
    let kind = serde_json::to_value(&handler.trigger).ok().and_then(|trigger| trigger.get("type").cloned());
    let mut told = json!({ "name": handler.name, "export": handler.export, "type": kind });
    if let Some(route) = handler.trigger.route() {
        told["path"] = route.path.into();
    }
    if let Trigger::Schedule { cron, .. } = &handler.trigger {
        told["cron"] = cron.as_str().into();
    }
    told
}

/// Whether a problem is that the generated entry asks the author's for a default export.
pub(crate) fn is_missing_default(problem: &Problem) -> bool {
    let (file, _) = problem.location();
    problem.code == "bundle.missing-export" && file.is_some_and(|file| file.contains(ENTRY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_are_known_by_their_names() {
        let check = |name: &str, expected: bool| assert_eq!(is_test_file(name), expected, "{name}");
        check("a.test.ts", true);
        check("src/deep/a.b.test.tsx", true);
        check("a.test.mjs", true);
        check("test.ts", false);
        check(".test.ts", false);
        check("a.test.json", false);
        check("a.tests.ts", false);
        check("a.test.ts/b.ts", false);
    }

    #[test]
    fn the_whole_library_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-js/test/src");
        let files =
            std::fs::read_dir(folder).expect("the library").map(|entry| entry.expect("it can be listed").file_name());
        // It is for the library's own tests.
        let mut files: Vec<String> =
            files.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "whole.ts").collect();
        files.sort_unstable();
        let mut names: Vec<&str> = SOURCES.iter().map(|(name, _)| name.trim_start_matches("belljar:test/")).collect();
        names.sort_unstable();
        assert_eq!(names, files);
    }

    #[cfg(feature = "rolldown")]
    fn build(files: &[(&str, &str)], tests: &[&str], counts_lines: bool) -> Result<BuiltTests, BuildError> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            std::fs::write(path, text).expect("it can be written");
        }
        let files = tests.iter().map(|name| (*name).to_owned()).collect();
        build_tests(folder.path(), &TestFiles { files, counts_lines })
    }

    #[cfg(feature = "rolldown")]
    const MANIFEST: &str = "id: demo\nversion: 1.0.0\nname: Demo\nruntime:\n  entrypoint: run.ts\n  limits: { max_memory_mb: 8 }\nhandlers:\n  - { name: main, export: main }\n";

    #[test]
    #[cfg(feature = "rolldown")]
    fn the_package_has_the_tests_and_one_handler_more() {
        // Named as a module of the library is.
        let entry = "export const main = () => 1;\n";
        let test =
            "import { it } from '@belljar/sdk/test';\nimport { main } from './run.ts';\nit('works', () => main());\n";
        for entry in [entry, format!("{entry}export default main;\n").as_str()] {
            let built =
                build(&[("manifest.yaml", MANIFEST), ("run.ts", entry), ("a.test.ts", test)], &["a.test.ts"], false)
                    .expect("it builds");
            let names: Vec<&str> =
                built.package.descriptor.handlers.iter().map(|handler| handler.name.as_str()).collect();
            assert_eq!(names, ["main", TEST_HANDLER]);
            assert_eq!(built.package.descriptor.runtime.limits.max_memory_mb, None);
            assert!(
                built.package.bundle.contains(TEST_EXPORT) && built.package.bundle.contains("beginFile(\"a.test.ts\")")
            );
            assert!(built.lines.is_empty());
        }
    }

    #[test]
    #[cfg(feature = "rolldown")]
    fn lines_are_counted_in_the_authors_files_only() {
        let entry = "export const main = (n: number) => {\n  if (n > 1) return 'many';\n  return 'one';\n};\n";
        let test = "import { it } from '@belljar/sdk/test';\nit('works', () => 1);\n";
        let files = [("manifest.yaml", MANIFEST), ("run.ts", entry), ("a.test.ts", test)];
        let built = build(&files, &["a.test.ts"], true).expect("it builds");
        assert_eq!(built.lines, BTreeMap::from([("run.ts".to_owned(), vec![1, 2, 2, 3])]));
        assert!(built.package.bundle.contains("__belljarHit(\"run.ts\", 3)"), "{}", built.package.bundle);
        // Positions are the author's, as they are without counting.
        let map = sourcemap::SourceMap::from_slice(built.package.source_map.as_bytes()).expect("a source map");
        let (line, text) =
            built.package.bundle.lines().enumerate().find(|(_, text)| text.contains("\"one\"")).expect("the line");
        let column = text.find("\"one\"").expect("the column");
        let token = map
            .lookup_token(u32::try_from(line).expect("small"), u32::try_from(column).expect("small"))
            .expect("a token");
        assert_eq!((token.get_source(), token.get_src_line(), token.get_src_col()), (Some("run.ts"), 2, 9));
    }

    #[test]
    #[cfg(feature = "rolldown")]
    fn the_library_is_there_in_tests_only() {
        let entry = "import { it } from '@belljar/sdk/test';\nexport const main = () => it;\n";
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("manifest.yaml"), MANIFEST).expect("it can be written");
        std::fs::write(folder.path().join("run.ts"), entry).expect("it can be written");
        assert!(crate::build(folder.path()).is_err());
        let processes = MANIFEST.replace("runtime:\n", "runtime:\n  engine: bun\n");
        let error = build(&[("manifest.yaml", &processes), ("run.ts", "export const main = () => 1;\n")], &[], false)
            .expect_err("no tests");
        assert_eq!(error.problems()[0].code, "build.test-engine");
    }
}
