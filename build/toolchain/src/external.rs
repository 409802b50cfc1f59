//! npm packages that travel beside the bundle (`runtime.external`): which they are, with all that they depend on. Where their files come
//! to lie is `external/layout.rs`, which files those are is `external/files.rs`. Nothing here runs a script or asks a registry.

mod files;
mod layout;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{diagnostic::Problem, manifest::Manifest};

/// Packages whose only use is to find or build a native add-on.
pub(crate) const NATIVE_LOADERS: [&str; 7] = [
    "bindings",
    "node-gyp-build",
    "node-pre-gyp",
    "@mapbox/node-pre-gyp",
    "prebuild-install",
    "node-gyp",
    "node-gyp-build-optional-packages",
];
/// Most packages that travel with one applet.
pub(crate) const PACKAGES_MAX: usize = 1_000;
/// Largest `package.json`, bytes.
const PACKAGE_JSON_BYTES_MAX: u64 = 1 << 20;
/// Scripts that npm runs when it installs a package.
const INSTALL_SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];
const NATIVE_HELP: &str = "native add-ons and what their installation builds do not travel in a package: use a package that is JavaScript or WebAssembly";

/// What was collected.
#[derive(Debug, Default)]
pub(crate) struct Externals {
    /// By path in the package.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Every `package.json`: what a watcher watches.
    pub(crate) inputs: Vec<PathBuf>,
    /// What is legal and still worth a look.
    pub(crate) notices: Vec<Problem>,
}

/// One installed package.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    /// Its folder, without links.
    pub(crate) folder: PathBuf,
    /// What it finds by which name: indices.
    pub(crate) dependencies: BTreeMap<String, usize>,
    /// Its name and those of the packages that led to it, the manifest's first.
    way: Vec<String>,
}

/// As much of a `package.json` as matters here. What has another shape than npm's counts as left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PackageJson {
    dependencies: Names,
    optional_dependencies: Names,
    peer_dependencies: Names,
    scripts: Names,
    gypfile: serde_json::Value,
}

type Names = BTreeMap<String, serde_json::Value>;

/// The folder of a package, without links, as Node finds it from a folder: in `node_modules` there, or further and further up.
pub(crate) fn find(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors().find_map(|folder| {
        let linked = folder.join("node_modules").join(name).canonicalize().ok()?;
        linked.join("package.json").is_file().then_some(linked)
    })
}

/// Collects the manifest's packages. Problems are added to `problems`, each at the manifest's item that leads to it.
pub(crate) fn collect(folder: &Path, manifest: &Manifest, problems: &mut Vec<Problem>) -> Externals {
    let mut externals = Externals::default();
    if manifest.external.is_empty() {
        return externals;
    }
    let Ok(folder) = folder.canonicalize() else { return externals };
    let before = problems.len();
    let mut graph = Graph::default();
    let mut roots = BTreeMap::new();
    for name in &manifest.external {
        let at = |problem: Problem| problem.at(&manifest.file, name.start, name.end, "");
        let Some(found) = find(&folder, &name.value) else {
            let problem = Problem::error("build.external", format!("the package '{}' is not installed", name.value));
            problems
                .push(at(problem.with_help(format!("install it in the applet's folder: npm install {}", name.value))));
            continue;
        };
        match graph.add(found, vec![name.value.clone()]) {
            Ok(index) => drop(roots.insert(name.value.clone(), index)),
            Err(problem) => problems.push(at(problem)),
        }
    }
    if problems.len() > before {
        return externals;
    }
    externals.inputs = graph.packages.iter().map(|package| package.folder.join("package.json")).collect();
    externals.notices = graph.notices;
    let result = layout::places(&graph.packages, &roots).and_then(|places| files::read(&graph.packages, &places));
    match result {
        Ok(files) => externals.files = files,
        Err((problem, package)) => {
            let first = package.and_then(|index| graph.packages[index].way.first());
            let name =
                manifest.external.iter().find(|name| Some(&name.value) == first).unwrap_or(&manifest.external[0]);
            problems.push(problem.at(&manifest.file, name.start, name.end, ""));
        }
    }
    externals
}

#[derive(Default)]
struct Graph {
    packages: Vec<Installed>,
    known: HashMap<PathBuf, usize>,
    notices: Vec<Problem>,
}

impl Graph {
    /// Adds a package and all it depends on, breadth first, so that the way to each is the shortest.
    fn add(&mut self, folder: PathBuf, way: Vec<String>) -> Result<usize, Problem> {
        let (first, mut at) = (self.index(folder, way), 0);
        let mut queue = Vec::from_iter(first.1.then_some(first.0));
        while let Some(&index) = queue.get(at) {
            at += 1;
            if self.packages.len() > PACKAGES_MAX {
                let message =
                    format!("the packages of runtime.external are more than {PACKAGES_MAX}, with all they depend on");
                return Err(
                    Problem::error("build.external", message).with_help("name less, and let the rest be bundled")
                );
            }
            let (folder, way) = (self.packages[index].folder.clone(), self.packages[index].way.clone());
            let json = read(&folder, &way)?;
            check_native(&folder, &json, &way)?;
            let required = json.dependencies.keys().filter(|name| !json.optional_dependencies.contains_key(*name));
            // npm itself lists optional ones among the others too; peers may be missing, and the package says so when it needs them.
            let all = required.map(|name| (name, true));
            let others = json.optional_dependencies.keys().chain(json.peer_dependencies.keys());
            let all: Vec<(String, bool)> =
                all.chain(others.map(|name| (name, false))).map(|(name, needed)| (name.clone(), needed)).collect();
            let mut taken = BTreeSet::new();
            for (name, is_needed) in all {
                if !taken.insert(name.clone()) || belljar_package::package_name(&name).is_err() {
                    continue;
                }
                let Some(found) = find(&folder, &name) else {
                    if is_needed {
                        let message =
                            format!("the package '{name}' is not installed, which '{}' needs", way.join("' > '"));
                        return Err(Problem::error("build.external", message)
                            .with_help("install the packages again, for example with 'npm ci'"));
                    }
                    continue;
                };
                let mut longer = way.clone();
                longer.push(name.clone());
                if !is_needed && let Some(reason) = self.native_reason(&found, &longer) {
                    let message = format!("the optional package '{}' is left out: {reason}", longer.join("' > '"));
                    self.notices.push(Problem::notice("build.external-optional", message).with_help(NATIVE_HELP));
                    continue;
                }
                let (dependency, is_new) = self.index(found, longer);
                self.packages[index].dependencies.insert(name, dependency);
                queue.extend(is_new.then_some(dependency));
            }
        }
        Ok(first.0)
    }

    /// The index of a package, and whether it is new.
    fn index(&mut self, folder: PathBuf, way: Vec<String>) -> (usize, bool) {
        if let Some(index) = self.known.get(&folder) {
            return (*index, false);
        }
        let index = self.packages.len();
        self.known.insert(folder.clone(), index);
        self.packages.push(Installed { folder, way, dependencies: BTreeMap::new() });
        (index, true)
    }

    /// Why a package that is not known yet cannot travel.
    fn native_reason(&self, folder: &Path, way: &[String]) -> Option<String> {
        if self.known.contains_key(folder) {
            return None;
        }
        native(folder, &read(folder, way).ok()?)
    }
}

fn read(folder: &Path, way: &[String]) -> Result<PackageJson, Problem> {
    let path = folder.join("package.json");
    let fail =
        |why: String| Problem::error("build.external", format!("the package.json of '{}' {why}", way.join("' > '")));
    let size = path.metadata().map_err(|error| fail(format!("cannot be read: {error}")))?.len();
    if size > PACKAGE_JSON_BYTES_MAX {
        return Err(fail(format!("has {size} bytes, it may have {PACKAGE_JSON_BYTES_MAX}")));
    }
    let text = fs::read_to_string(&path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| fail(format!("is not npm's JSON: {error}")))
}

fn check_native(folder: &Path, json: &PackageJson, way: &[String]) -> Result<(), Problem> {
    let Some(reason) = native(folder, json) else { return Ok(()) };
    let message = format!("the package '{}' cannot travel beside the bundle: {reason}", way.join("' > '"));
    Err(Problem::error("build.native-addon", message).with_help(NATIVE_HELP))
}

/// What about a package says that it is machine code, or is built when it is installed.
fn native(folder: &Path, json: &PackageJson) -> Option<String> {
    if json.gypfile == serde_json::Value::Bool(true) || folder.join("binding.gyp").exists() {
        return Some("it is a native add-on (binding.gyp)".to_owned());
    }
    if let Some(loader) = NATIVE_LOADERS.iter().find(|loader| json.dependencies.contains_key(**loader)) {
        return Some(format!("it loads a native add-on (it depends on '{loader}')"));
    }
    if let Some(script) = INSTALL_SCRIPTS.iter().find(|script| json.scripts.contains_key(**script)) {
        return Some(format!("it runs a script when it is installed ('{script}')"));
    }
    let has_addon = files::names(folder).ok()?.into_iter().find(|name| name.ends_with(".node"));
    has_addon.map(|name| format!("it has a native add-on ({name})"))
}
