//! Pages (`type: render`): what is generated around an author's components. For the browser one bundle and one stylesheet for each page,
//! for the server handlers beside the author's own. The code that does the work is in `pages/*.mjs`; here it is only called.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use belljar_package::{Package, Trigger, rules};

use crate::{
    bundle::{Bundle, BundleRequest, Bundler, Format, Target},
    diagnostic::{BuildError, Problem},
    external,
    manifest::{Manifest, ManifestHandler, ManifestPage, page_export},
};

/// The folder of what is made for browsers.
const FOLDER: &str = "assets/pages";
/// Digits of a file's digest in its name: as many as a server takes for one (docs/http.md).
const DIGEST_DIGITS: usize = 8;
/// The oldest React whose documents can be rendered and brought to life whole.
const REACT_MAJOR_MIN: u64 = 19;
/// The generated module that a bundle starts with.
const ENTRY: &str = "belljar:page/entry";
/// Modules that servers and browsers need, by the names they import each other by.
const DOCUMENT: (&str, &str) = ("belljar:page/document", include_str!("pages/document.mjs"));
const SERVER: [(&str, &str); 3] = [
    ("belljar:page/server", include_str!("pages/server.mjs")),
    ("belljar:page/json", include_str!("pages/json.mjs")),
    ("belljar:page/place", include_str!("pages/place.mjs")),
];
const CLIENT: (&str, &str) = ("belljar:page/client", include_str!("pages/client.mjs"));

/// The pages of an applet, after they have been bundled for the browser.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Scripts and stylesheets, by path in the package.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Every file that was read.
    pub(crate) inputs: Vec<PathBuf>,
    /// What is legal and still worth a look.
    pub(crate) notices: Vec<Problem>,
    /// For each page its export's name and what its handler is told.
    handlers: Vec<(String, String, serde_json::Value)>,
}

/// What the folder lacks to have pages: their files, and React.
pub(crate) fn problems(manifest: &Manifest, folder: &Path) -> Vec<Problem> {
    let pages: Vec<&ManifestPage> = manifest.handlers.iter().filter_map(|handler| handler.page.as_ref()).collect();
    let at = |problem: Problem, page: &ManifestPage| {
        problem.at(&manifest.file, page.component.start, page.component.end, "")
    };
    let mut problems = Vec::new();
    for page in &pages {
        if !folder.join(&page.component.value).is_file() {
            let problem = Problem::error("build.no-component", format!("there is no file '{}'", page.component.value));
            problems.push(at(problem.with_help("a page's component is relative to the manifest's folder"), page));
        }
    }
    if let (Some(page), Some(problem)) = (pages.first(), react(folder)) {
        problems.push(at(problem, page));
    }
    problems
}

/// Why there is no React to render with.
fn react(folder: &Path) -> Option<Problem> {
    let folder = folder.canonicalize().ok()?;
    for name in ["react", "react-dom"] {
        let help = format!(
            "install it in the applet's folder: npm install react@{REACT_MAJOR_MIN} react-dom@{REACT_MAJOR_MIN}"
        );
        let Some(package) = external::find(&folder, name) else {
            return Some(
                Problem::error("build.react", format!("pages are rendered with React, and '{name}' is not installed"))
                    .with_help(help),
            );
        };
        let json = fs::read(package.join("package.json")).ok();
        let json: serde_json::Value = json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let version = json["version"].as_str().and_then(|version| semver::Version::parse(version).ok());
        // Versions 0.0.0 are the builds between releases.
        let is_old = version.as_ref().is_none_or(|version| version.major < REACT_MAJOR_MIN && version.pre.is_empty());
        if is_old {
            let version = version.map_or_else(|| "an unknown one".to_owned(), |version| version.to_string());
            let message = format!(
                "pages need React {REACT_MAJOR_MIN} or later, and the installed version of '{name}' is {version}"
            );
            return Some(Problem::error("build.react", message).with_help(help));
        }
    }
    None
}

/// Bundles each page for the browser.
///
/// # Errors
/// [`BuildError`] of the bundler; also when a component's file has no default export, or the author has a file of the same name.
pub(crate) fn bundle(
    bundler: &dyn Bundler,
    folder: &Path,
    manifest: &Manifest,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Pages, BuildError> {
    let mut pages = Pages::default();
    for handler in &manifest.handlers {
        let (Some(page), Trigger::Render { path, .. }) = (&handler.page, &handler.trigger) else { continue };
        let made = browser(bundler, folder, manifest, page)?;
        pages.inputs.extend(made.inputs);
        pages.notices.extend(made.notices);
        let script = page.hydrate.then(|| pages.add(handler, manifest, files, "js", made.code)).transpose()?;
        let has_styles = !made.styles.trim().is_empty();
        let styles = has_styles.then(|| pages.add(handler, manifest, files, "css", made.styles)).transpose()?;
        let locales: Vec<&str> = manifest.locales.iter().map(|locale| locale.value.as_str()).collect();
        let mut told =
            serde_json::json!({ "name": handler.name.value, "locales": locales, "styles": Vec::from_iter(styles) });
        // What is left out is undefined for the handler.
        if let Some(path) = path {
            told["route"] = path.as_str().into();
        }
        if let Some(script) = script {
            told["script"] = script.into();
        }
        pages.handlers.push((page_export(&handler.name.value), page.component.value.clone(), told));
    }
    Ok(pages)
}

impl Pages {
    pub(crate) fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    /// Adds a file, named by what is in it: servers may let it be kept for ever.
    fn add(
        &mut self,
        handler: &ManifestHandler,
        manifest: &Manifest,
        authors: &BTreeMap<String, Vec<u8>>,
        extension: &str,
        text: String,
    ) -> Result<String, Problem> {
        let name = &handler.name.value;
        let digest = Package::digest_of(text.as_bytes()).to_hex();
        let path = format!("{FOLDER}/{name}-{}.{extension}", &digest[..DIGEST_DIGITS]);
        rules::package_file_path(&path, false)
            .map_err(|rule| Problem::error("build.asset", format!("{path}: {rule}")))?;
        // Any file there of this page's, whatever its digest: it would be taken for ours.
        let is_same = |other: &&String| {
            let rest = other.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['-', '.'])))
        };
        if let Some(other) = authors.keys().find(is_same) {
            let problem = Problem::error("build.asset", format!("'{other}' has the place of the page '{name}'"));
            let problem = problem.with_help(format!("rename it: {FOLDER}/{name}-… is made by the build"));
            return Err(problem.at(&manifest.file, handler.name.start, handler.name.end, ""));
        }
        self.files.insert(path.clone(), text.into_bytes());
        Ok(path)
    }

    /// The modules of the server's bundle, the entry's name first: all exports of the author's entry, and one for each page.
    /// `has_default` is whether the author's entry has a default export.
    pub(crate) fn server_modules(&self, entry: &str, has_default: bool) -> (String, Vec<(String, String)>) {
        let author = quoted(&format!("./{entry}"));
        let mut code = format!("export * from {author};\n");
        if has_default {
            code.push_str(&format!("export {{ default }} from {author};\n"));
        }
        code.push_str("import { handler } from \"belljar:page/server\";\n");
        for (index, (export, component, told)) in self.handlers.iter().enumerate() {
            let component = quoted(&format!("./{component}"));
            code.push_str(&format!(
                "import * as page{index} from {component};\nexport const {export} = handler(page{index}, {told});\n"
            ));
        }
        let modules = SERVER.into_iter().chain([DOCUMENT]).map(|(name, code)| (name.to_owned(), code.to_owned()));
        (ENTRY.to_owned(), std::iter::once((ENTRY.to_owned(), code)).chain(modules).collect())
    }
}

/// Bundles one page for the browser.
fn browser(
    bundler: &dyn Bundler,
    folder: &Path,
    manifest: &Manifest,
    page: &ManifestPage,
) -> Result<Bundle, BuildError> {
    let component = quoted(&format!("./{}", page.component.value));
    // A page that does not come to life has a stylesheet all the same, and nothing in it need run in a browser.
    let entry = if page.hydrate {
        format!("import Page from {component};\nimport {{ hydrate }} from \"belljar:page/client\";\nhydrate(Page);\n")
    } else {
        format!("export {{ default }} from {component};\n")
    };
    let modules = [(ENTRY, entry.as_str()), CLIENT, DOCUMENT];
    let request = BundleRequest {
        folder: folder.to_owned(),
        entry: ENTRY.to_owned(),
        format: Format::Module,
        target: Target::Browser { is_run: page.hydrate },
        modules: modules.map(|(name, code)| (name.to_owned(), code.to_owned())).into(),
        counts_lines: false,
    };
    bundler.bundle(&request).map_err(|error| {
        // The import of the default export is ours; what it lacks is the author's.
        let translate = |problem: &Problem| {
            if !is_missing_default(problem) {
                return problem.clone();
            }
            Problem::error("build.page", format!("'{}' has no default export to render", page.component.value))
                .with_help("write 'export default function Page(props) { … }' in it")
                .at(&manifest.file, page.component.start, page.component.end, "")
        };
        BuildError::new(error.problems().iter().map(translate).collect())
    })
}

/// Whether a problem is that a generated module asks the author's for a default export.
pub(crate) fn is_missing_default(problem: &Problem) -> bool {
    let (file, _) = problem.location();
    problem.code == "bundle.missing-export" && file.is_some_and(|file| file.contains(ENTRY))
}

/// A text as JavaScript has it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
