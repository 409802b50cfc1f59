//! The build itself: folder in, package out. It knows the order of the steps; each step lives in its own module.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use belljar_package::{COMPONENT_PATH, Descriptor, Engine, FILES_MAX, PACKAGE_BYTES_MAX, Package, rules};

#[cfg(feature = "rolldown")]
use crate::bundle::rolldown::Rolldown;
use crate::{
    bundle::{Bundle, BundleRequest, Bundler, Format, Target},
    component,
    diagnostic::{BuildError, Problem, Severity},
    external, intl,
    manifest::{MANIFEST_BYTES_MAX, MANIFEST_NAMES, Manifest, PAGE_EXPORT},
    migrations,
    pages::{self, Pages},
    testing::{self, TEST_EXPORT, TestFiles},
};

/// Largest file under `assets/` or `migrations/`, bytes.
pub const FILE_BYTES_MAX: u64 = 32 << 20;
/// Deepest nesting of folders under `assets/` and `migrations/`.
const FOLDERS_DEPTH_MAX: usize = 16;

/// A build that succeeded.
#[derive(Debug, Clone)]
pub struct Built {
    /// The package; [`Package::encode`] gives its bytes.
    pub package: Package,
    /// What is legal and still worth a look.
    pub notices: Vec<Problem>,
    /// Every file the build read, absolute and sorted: what a watcher watches.
    pub inputs: Vec<PathBuf>,
}

/// What a check found out.
#[derive(Debug, Clone)]
pub struct Report {
    /// The descriptor, if the manifest could be read.
    pub descriptor: Option<Descriptor>,
    /// Names the entry exports, if it could be bundled.
    pub exports: Vec<String>,
    /// Errors first, then notices.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether the applet can be built.
    pub fn is_ok(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }
}

/// Checks an applet's folder: everything [`build`] would, without making a package.
#[cfg(feature = "rolldown")]
pub fn check(folder: &Path) -> Report {
    check_with(&Rolldown, folder)
}

/// Builds an applet's folder.
///
/// # Errors
/// [`BuildError`] with every problem found.
#[cfg(feature = "rolldown")]
pub fn build(folder: &Path) -> Result<Built, BuildError> {
    build_with(&Rolldown, folder)
}

/// [`check`] with a given bundler.
pub fn check_with(bundler: &dyn Bundler, folder: &Path) -> Report {
    let mut read = None;
    match run(bundler, folder, None, &mut read) {
        Ok(Ran { built, exports, .. }) => {
            Report { descriptor: Some(built.package.descriptor), exports, problems: built.notices }
        }
        Err(error) => Report {
            descriptor: read.map(|m| m.descriptor()),
            exports: Vec::new(),
            problems: error.problems().to_vec(),
        },
    }
}

/// [`build`] with a given bundler.
///
/// # Errors
/// [`BuildError`] with every problem found.
pub fn build_with(bundler: &dyn Bundler, folder: &Path) -> Result<Built, BuildError> {
    run(bundler, folder, None, &mut None).map(|ran| ran.built)
}

/// What comes of the steps.
pub(crate) struct Ran {
    pub(crate) built: Built,
    /// What the author's entry exports.
    pub(crate) exports: Vec<String>,
    /// Lines of statements, by file, where they are counted.
    pub(crate) lines: BTreeMap<String, Vec<u32>>,
}

/// The steps, in order. The manifest is handed out as soon as it is read, for what a check tells in spite of errors. With `tests` the bundle has
/// them too.
pub(crate) fn run(
    bundler: &dyn Bundler,
    folder: &Path,
    tests: Option<&TestFiles>,
    read: &mut Option<Manifest>,
) -> Result<Ran, BuildError> {
    let (path, text) = manifest_text(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (manifest, mut notices) = Manifest::parse(&name, text)?;
    let manifest = &*read.insert(manifest);

    let mut problems = entry_problems(manifest, folder);
    problems.extend(tests.and_then(|_| testing::engine_problem(manifest)));
    let mut files = author_files(folder, &mut problems);
    problems.extend(migrations::problems(&files, manifest.permissions.db));
    if !problems.is_empty() {
        return Err(BuildError::new(problems.into_iter().chain(notices).collect()));
    }
    if manifest.engine == Engine::Component {
        let built = component(folder, manifest, files, (path, notices))?;
        return Ok(Ran { built, exports: vec![component::HANDLE.to_owned()], lines: BTreeMap::new() });
    }
    let mut externals = external::collect(folder, manifest, &mut problems);
    if !problems.is_empty() {
        return Err(BuildError::new(problems.into_iter().chain(notices).collect()));
    }
    notices.append(&mut externals.notices);
    let mut pages = pages::bundle(bundler, folder, manifest, &files)?;
    notices.append(&mut pages.notices);
    let bundle = server(bundler, folder, manifest, &pages, tests)?;
    let Bundle { code, source_map, mut exports, mut inputs, notices: more, lines, .. } = bundle;
    notices.extend(more);
    if manifest.engine == Engine::Wasm {
        let locales: Vec<&str> = manifest.locales.iter().map(|locale| locale.value.as_str()).collect();
        notices.extend(intl::notices(&code, &source_map, &locales));
    }
    exports.retain(|export| !export.starts_with(PAGE_EXPORT) && export != TEST_EXPORT);
    let missing = manifest.missing_exports(&exports);
    if !missing.is_empty() {
        return Err(BuildError::new(missing.into_iter().chain(notices).collect()));
    }
    inputs.push(path);
    inputs.extend(files.keys().map(|name| folder.join(name)));
    inputs.append(&mut pages.inputs);
    inputs.append(&mut externals.inputs);
    inputs.sort_unstable();
    inputs.dedup();
    files.append(&mut pages.files);
    files.append(&mut externals.files);
    let package = Package { descriptor: manifest.descriptor(), bundle: code, source_map, files };
    // Encoding checks what reading would refuse; better told to the author than to the operator.
    package.encode().map_err(|error| Problem::error("build.package", error.to_string()))?;
    Ok(Ran { built: Built { package, notices, inputs }, exports, lines })
}

/// What is built of a component: it is there already.
fn component(
    folder: &Path,
    manifest: &Manifest,
    mut files: BTreeMap<String, Vec<u8>>,
    (path, notices): (PathBuf, Vec<Problem>),
) -> Result<Built, BuildError> {
    let component = component::read(folder, manifest)
        .map_err(|problems| BuildError::new(problems.into_iter().chain(notices.clone()).collect()))?;
    let mut inputs: Vec<_> = files.keys().map(|name| folder.join(name)).collect();
    inputs.extend([path, folder.join(&manifest.entrypoint.value)]);
    inputs.sort_unstable();
    files.insert(COMPONENT_PATH.to_owned(), component);
    let package =
        Package { descriptor: manifest.descriptor(), bundle: String::new(), source_map: String::new(), files };
    package.encode().map_err(|error| Problem::error("build.package", error.to_string()))?;
    Ok(Built { package, notices, inputs })
}

/// Bundles what runs on the server: the author's entry, around it the handlers of pages, and around all the tests.
fn server(
    bundler: &dyn Bundler,
    folder: &Path,
    manifest: &Manifest,
    pages: &Pages,
    tests: Option<&TestFiles>,
) -> Result<Bundle, BuildError> {
    let target = if manifest.engine.is_process() {
        let external = manifest.external.iter().map(|name| name.value.clone()).collect();
        Target::Process { engine: manifest.engine, external }
    } else {
        Target::Sandbox
    };
    let entry = manifest.entrypoint.value.clone();
    let counts_lines = tests.is_some_and(|tests| tests.counts_lines);
    let request = BundleRequest {
        folder: folder.to_owned(),
        entry,
        format: Format::Module,
        target,
        modules: Vec::new(),
        counts_lines,
    };
    if pages.is_empty() && tests.is_none() {
        return bundler.bundle(&request);
    }
    let around = |has_default: bool| {
        let (mut entry, mut modules) = (request.entry.clone(), Vec::new());
        if !pages.is_empty() {
            (entry, modules) = pages.server_modules(&entry, has_default);
        }
        if let Some(tests) = tests {
            (entry, modules) = testing::modules(tests, &manifest.descriptor(), &entry, modules, has_default);
        }
        bundler.bundle(&BundleRequest { entry, modules, ..request.clone() })
    };
    // Whether there is a default export to hand on is only known when it has been asked for.
    match around(true) {
        Err(error)
            if error
                .problems()
                .iter()
                .any(|problem| pages::is_missing_default(problem) || testing::is_missing_default(problem)) =>
        {
            around(false)
        }
        result => result,
    }
}

/// Finds and reads the manifest.
fn manifest_text(folder: &Path) -> Result<(PathBuf, String), Problem> {
    if !folder.is_dir() {
        return Err(Problem::error("build.folder", format!("{} is not a folder", folder.display())));
    }
    let found: Vec<&str> = MANIFEST_NAMES.into_iter().filter(|name| folder.join(name).is_file()).collect();
    let name = match found.as_slice() {
        [name] => *name,
        [] => {
            let message = format!("there is no manifest.yaml in {}", folder.display());
            return Err(Problem::error("build.no-manifest", message)
                .with_help("the smallest one has the keys id, version, name and runtime.entrypoint"));
        }
        [first, second, ..] => {
            let message = format!("there are two manifests, {first} and {second}");
            return Err(Problem::error("build.two-manifests", message).with_help("keep one of the two"));
        }
    };
    let path = folder.join(name);
    let unreadable =
        |error: std::io::Error| Problem::error("build.unreadable", format!("it cannot be read: {error}")).in_file(name);
    let size = path.metadata().map_err(unreadable)?.len();
    if size > MANIFEST_BYTES_MAX {
        let message = format!("the manifest has {size} bytes, it may have {MANIFEST_BYTES_MAX}");
        return Err(Problem::error("manifest.too-large", message).in_file(name));
    }
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    Ok((path, text))
}

/// Files the manifest names and the folder lacks.
fn entry_problems(manifest: &Manifest, folder: &Path) -> Vec<Problem> {
    let (entry, file) = (&manifest.entrypoint, &manifest.file);
    let mut problems = Vec::new();
    if !folder.join(&entry.value).is_file() {
        let problem = Problem::error("build.no-entrypoint", format!("there is no file '{}'", entry.value))
            .with_help("runtime.entrypoint is relative to the manifest's folder");
        problems.push(problem.at(file, entry.start, entry.end, ""));
    }
    problems.extend(pages::problems(manifest, folder));
    problems
}

/// Reads `assets/` and `migrations/`.
fn author_files(folder: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut total = 0_u64;
    for top in ["assets", "migrations"] {
        // A link in place of the folder is refused below like any other.
        if folder.join(top).symlink_metadata().is_ok() {
            collect(folder, top, 0, &mut total, &mut files, problems);
        }
    }
    files
}

fn collect(
    folder: &Path,
    name: &str,
    depth: usize,
    total: &mut u64,
    files: &mut BTreeMap<String, Vec<u8>>,
    problems: &mut Vec<Problem>,
) {
    let path = folder.join(name);
    let result = (|| {
        let fail = |message: String| Problem::error("build.asset", message).in_file(name);
        let io = |error: std::io::Error| fail(format!("it cannot be read: {error}"));
        let metadata = path.symlink_metadata().map_err(io)?;
        if metadata.is_dir() {
            if depth > FOLDERS_DEPTH_MAX {
                return Err(fail(format!("folders nest deeper than {FOLDERS_DEPTH_MAX}")));
            }
            let mut children = Vec::new();
            for entry in path.read_dir().map_err(io)?.take(FILES_MAX + 1) {
                let child = entry.map_err(io)?.file_name().into_string();
                children.push(child.map_err(|_| fail("it holds a file whose name is not UTF-8".into()))?);
            }
            children.sort_unstable();
            return Ok(children);
        }
        if !metadata.is_file() {
            return Err(fail("only plain files are packed".into()).with_help("copy the file instead of linking it"));
        }
        rules::package_file_path(name, false).map_err(|rule| fail(format!("its path is not allowed: {rule}")))?;
        *total = total.saturating_add(metadata.len());
        if metadata.len() > FILE_BYTES_MAX || *total > PACKAGE_BYTES_MAX as u64 || files.len() >= FILES_MAX {
            let message = format!(
                "assets and migrations may be {FILES_MAX} files, {FILE_BYTES_MAX} bytes each and {PACKAGE_BYTES_MAX} together"
            );
            return Err(fail(message));
        }
        files.insert(name.to_owned(), fs::read(&path).map_err(io)?);
        Ok(Vec::new())
    })();
    match result {
        Ok(children) => {
            for child in children {
                if problems.len() >= 20 {
                    return;
                }
                collect(folder, &format!("{name}/{child}"), depth + 1, total, files, problems);
            }
        }
        Err(problem) => problems.push(problem),
    }
}
