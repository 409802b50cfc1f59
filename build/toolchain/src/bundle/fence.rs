//! What the bundler may read: files of the applet's folder, and packages found through `node_modules`, each within its
//! bounds. It knows paths and sizes, not what the files mean.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rolldown_common::{ImportKind, ResolvedExternal, side_effects::HookSideEffects};

use rolldown::{
    ModuleType,
    plugin::{
        HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput, HookResolveIdReturn,
        HookUsage, Plugin, PluginContext, PluginContextResolveOptions, SharedLoadPluginContext,
    },
};

use super::{
    SOURCE_BYTES_MAX, SOURCES_BYTES_MAX, Target,
    imports::{GENERATED, ImportGraph},
    nesting, node_builtins, portable, server_only,
    specifier::package_name,
    styles,
    target::Outside,
};
use crate::{
    diagnostic::{Problem, SourceFile},
    external,
    testing::is_test_file,
};

/// Extensions that are parsed as JavaScript or TypeScript.
pub(crate) const SCRIPTS: [&str; 8] = ["ts", "tsx", "js", "jsx", "mjs", "mts", "cjs", "cts"];
/// Extensions whose content is imported as a text.
pub(crate) const TEXTS: [&str; 5] = ["txt", "md", "html", "sql", "css"];
/// What begins the names of generated modules that only other generated ones import.
const OURS: &str = "belljar:";
/// Marks module ids that stand for a refused import.
const REFUSED: &str = "\0belljar-refused:";
/// Marks module ids that stand for one of Node's modules that a sandbox has.
const BUILTIN: &str = "\0belljar-node:";
/// Marks the number of a refused import in its module id.
const MARK: &str = "belljar-problem-";

/// The plugin. Clones share what they saw.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    folder: PathBuf,
    target: Target,
    modules: Arc<Vec<(String, String)>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    imports: ImportGraph,
    /// Names that are left to be imported when the bundle runs.
    outside: BTreeSet<String>,
    /// Folders of packages that may be read, outside the applet's own folder.
    packages: BTreeSet<PathBuf>,
    inputs: BTreeSet<PathBuf>,
    bytes: u64,
    /// Imports that were refused, by number.
    refused: Vec<Problem>,
    /// Files that were refused.
    unloadable: BTreeMap<PathBuf, Problem>,
}

impl Fence {
    /// `folder` is canonical.
    pub(crate) fn new(folder: PathBuf, target: Target, modules: Vec<(String, String)>) -> Self {
        Self { folder, target, modules: Arc::new(modules), seen: Arc::default() }
    }

    /// The text of a generated module, by its id.
    fn generated(&self, id: &str) -> Option<&str> {
        let name = id.strip_prefix(GENERATED)?;
        self.modules.iter().find(|(module, _)| module == name).map(|(_, code)| code.as_str())
    }

    /// The name of the generated module that an import means, if it means one.
    fn meant(&self, specifier: &str, importer: Option<&str>) -> Option<String> {
        let by_generated = importer.map(|importer| importer.strip_prefix(GENERATED));
        let name = match (by_generated.flatten().and_then(|name| name.rsplit_once('/')), specifier.strip_prefix("./")) {
            (Some((place, _)), Some(beside)) => format!("{place}/{beside}"),
            _ => specifier.to_owned(),
        };
        let is_for_all = !name.starts_with(OURS);
        let is_one = self.modules.iter().any(|(module, _)| *module == name);
        (is_one && (is_for_all || by_generated != Some(None))).then_some(name)
    }

    /// Whether an import may be left in the bundle.
    pub(crate) fn is_outside(&self, import: &str) -> bool {
        // What CommonJS modules `require` is asked for by a function that Node's own module makes.
        self.seen().outside.contains(import) || import == "node:module" && matches!(self.target, Target::Process { .. })
    }

    /// The stylesheets that the modules of a bundle import, joined.
    pub(crate) fn stylesheet(&self, entry: &str) -> Result<String, Problem> {
        styles::join(&self.folder, entry, &self.seen().imports, |id| self.generated(id))
    }

    /// [`server_only::problems`] of a finished bundle.
    pub(crate) fn server_only(&self, entry: &str, code: &str, included: &BTreeSet<&str>) -> Vec<Problem> {
        server_only::problems(&self.folder, &self.seen().imports, entry, code, included)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every file that was read.
    pub(crate) fn inputs(&self) -> Vec<PathBuf> {
        self.seen().inputs.iter().cloned().collect()
    }

    /// The problem a bundler's message "Could not load …" stands for, if it was this plugin that refused. The bundler
    /// does not hand on the error itself, but names the module.
    pub(crate) fn problem(&self, message: &str) -> Option<Problem> {
        let seen = self.seen();
        if let Some((_, rest)) = message.split_once(MARK) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return seen.refused.get(digits.parse::<usize>().ok()?).cloned();
        }
        let module = message.strip_prefix("Could not load ")?;
        let end = module.find(" (imported by ").or_else(|| module.find(" - ")).unwrap_or(module.len());
        seen.unloadable.get(&portable::normal(&self.folder.join(&module[..end]))).cloned()
    }

    /// [`ImportGraph::chain`] of what has been seen.
    pub(crate) fn chain(&self, entry: &str, target: &str) -> Vec<String> {
        self.seen().imports.chain(&self.folder, entry, target)
    }

    fn record(&self, importer: &str, id: &str, specifier: &str) {
        self.seen().imports.record(importer, id, specifier);
    }

    /// Leaves an import in the bundle. Where nobody uses it, it goes: what Node's modules and packages do by being loaded is not missed then.
    fn leave(&self, name: String) -> HookResolveIdOutput {
        self.seen().outside.insert(name.clone());
        HookResolveIdOutput {
            external: Some(ResolvedExternal::Bool(true)),
            normalize_external_id: Some(false),
            ..HookResolveIdOutput::from_id(name)
        }
    }

    /// Whether an importer finds the same package by a name as the applet itself does. Another version of it is bundled.
    fn is_same_package(&self, package: &str, importer: &Path) -> bool {
        let own = external::find(&self.folder, package);
        let found = importer.parent().and_then(|folder| external::find(folder, package));
        own.is_some() && own == found
    }

    /// Whether a file of the author's imports a module for names, not for what it does.
    fn is_for_its_names(&self, importer: &str, specifier: &str) -> bool {
        if let Some(text) = self.generated(importer) {
            return !styles::is_bare(text, specifier);
        }
        let path = Path::new(file_of(importer));
        let name = portable::name(&self.folder, path);
        let is_authors =
            path.starts_with(&self.folder) && !name.starts_with("node_modules/") && !name.contains("/node_modules/");
        is_authors && std::fs::read_to_string(path).is_ok_and(|text| !styles::is_bare(&text, specifier))
    }

    /// Why a file that was found may not be bundled.
    fn refusal(&self, specifier: &str, importer: &Path, file: &Path) -> Option<Problem> {
        if !self.may_read(specifier, importer, file) {
            let problem = Problem::error("bundle.outside", format!("'{specifier}' leads outside the applet's folder"));
            return Some(problem.with_help("copy the file into the folder, or make it a package and install it"));
        }
        let is_loader = package_name(specifier).is_some_and(|package| external::NATIVE_LOADERS.contains(&package));
        if is_loader && matches!(self.target, Target::Process { .. }) {
            let problem = Problem::error("bundle.native-addon", format!("'{specifier}' loads a native add-on"));
            return Some(problem.with_help(
                "machine code of strangers is not loaded: use a package that is JavaScript or WebAssembly",
            ));
        }
        if self.target.is_browser() && specifier.ends_with(".module.css") {
            let problem =
                Problem::error("bundle.css-module", "CSS modules are not there: a page's stylesheet is plain CSS");
            return Some(problem.with_help("import a plain '.css' file, and name its classes in 'className'"));
        }
        None
    }

    fn refuse(&self, problem: Problem) -> HookResolveIdOutput {
        let mut seen = self.seen();
        seen.refused.push(problem);
        HookResolveIdOutput::from_id(format!("{REFUSED}{MARK}{}", seen.refused.len() - 1))
    }

    /// Whether a resolved file may be read, given how it was asked for.
    fn may_read(&self, specifier: &str, importer: &Path, file: &Path) -> bool {
        if file.starts_with(&self.folder) || self.seen().packages.iter().any(|package| file.starts_with(package)) {
            return true;
        }
        let Some(package) = package_name(specifier) else { return false };
        // As Node looks packages up: `node_modules` beside the importer, then further and further up. A link there may
        // lead anywhere, as package managers and workspaces make them, as long as it leads to a package.
        let found = importer.ancestors().skip(1).find_map(|folder| {
            let linked = folder.join("node_modules").join(package).canonicalize().ok()?;
            (linked.join("package.json").is_file() && file.starts_with(&linked)).then_some(linked)
        });
        match found {
            Some(folder) => {
                self.seen().packages.insert(folder);
                true
            }
            None => false,
        }
    }

    fn read(&self, path: &Path, asserted: bool) -> Result<Option<String>, Problem> {
        let name = portable::name(&self.folder, path);
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let script = SCRIPTS.contains(&extension) || extension.is_empty();
        if extension == "node" {
            return Err(Problem::error("bundle.native-addon", format!("{name} is a native add-on")).with_help(
                "machine code of strangers is not loaded: use a package that is JavaScript or WebAssembly",
            ));
        }
        if !script && !asserted && extension != "json" && !TEXTS.contains(&extension) {
            return Err(Problem::error(
                "bundle.unknown-type",
                format!("'.{extension}' files cannot be imported: {name}"),
            )
            .with_help(format!(
                "import code, .json, .{} files, or add \"with {{ type: 'text' }}\" to import it as text",
                TEXTS.join(", .")
            )));
        }
        let Ok(metadata) = path.metadata() else { return Ok(None) };
        if !metadata.is_file() {
            return Ok(None);
        }
        let total = {
            let mut seen = self.seen();
            if seen.inputs.insert(path.to_owned()) {
                seen.bytes = seen.bytes.saturating_add(metadata.len());
            }
            seen.bytes
        };
        if metadata.len() > SOURCE_BYTES_MAX {
            let message = format!("{name} has {} bytes, a source file may have {SOURCE_BYTES_MAX}", metadata.len());
            return Err(Problem::error("bundle.file-too-large", message)
                .with_help("put large data under assets/, or load it at run time"));
        }
        if total > SOURCES_BYTES_MAX {
            let message = format!("the applet's sources have more than {SOURCES_BYTES_MAX} bytes together");
            return Err(Problem::error("bundle.too-large", message).with_help("import less of the packages it uses"));
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Problem::error("bundle.unreadable", format!("{name} cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            Problem::error("bundle.encoding", format!("{name} is not UTF-8 (byte {offset})"))
                .with_help("save the file as UTF-8")
        })?;
        let parsed = (script && !asserted) || extension == "json";
        if let Some(offset) = parsed.then(|| nesting::too_deep(&text)).flatten() {
            let message = format!("{name} nests deeper than {} levels", nesting::NESTING_MAX);
            let file = SourceFile::new(&name, text);
            return Err(Problem::error("bundle.nesting", message)
                .with_help("this is generated code: generate data as JSON text and parse it at run time")
                .at(&file, offset, offset + 1, "here"));
        }
        Ok(Some(text))
    }
}

/// The file of a module id, which may carry a query.
fn file_of(id: &str) -> &str {
    id.split('?').next().unwrap_or(id)
}

impl Plugin for Fence {
    fn name(&self) -> Cow<'static, str> {
        "belljar:fence".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load
    }

    async fn resolve_id(&self, context: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        let specifier = args.specifier;
        let generated = self.meant(specifier, args.importer).map(|name| format!("{GENERATED}{name}"));
        let Some(importer) = args.importer else { return Ok(generated.map(HookResolveIdOutput::from_id)) };
        let by_generated = importer.starts_with(GENERATED);
        if let Some(id) = generated {
            self.record(importer, &id, specifier);
            return Ok(Some(HookResolveIdOutput::from_id(id)));
        }
        let remote = ["http://", "https://", "//"].iter().any(|scheme| specifier.starts_with(scheme));
        if remote {
            let problem = Problem::error("bundle.remote-import", format!("'{specifier}' is on the network"))
                .with_help("install it as a package, or copy it into the applet: a bundle never downloads code");
            return Ok(Some(self.refuse(problem)));
        }
        // What a generated module imports is found as if it lay in the folder.
        let beside = self.folder.join("belljar").to_string_lossy().into_owned();
        let from = if by_generated { beside.as_str() } else { importer };
        match self.target.outside(specifier) {
            Some(Outside::Builtin(name)) => return Ok(Some(self.leave(name))),
            Some(Outside::Package(package)) if self.is_same_package(&package, Path::new(file_of(from))) => {
                return Ok(Some(self.leave(specifier.to_owned())));
            }
            _ => {}
        }
        if self.target == Target::Sandbox
            && let Some(name) = node_builtins::provided(specifier)
        {
            return Ok(Some(HookResolveIdOutput {
                // What nobody uses of it does not keep it in the bundle.
                side_effects: Some(HookSideEffects::False),
                ..HookResolveIdOutput::from_id(format!("{BUILTIN}{name}"))
            }));
        }
        let options = PluginContextResolveOptions {
            import_kind: args.kind,
            skip_self: true,
            ..PluginContextResolveOptions::default()
        };
        let Ok(Ok(resolved)) = context.resolve(specifier, Some(from), Some(options)).await else {
            let is_required = args.kind == ImportKind::Require;
            let stand_in =
                server_only::stand_in(specifier, is_required).filter(|_| self.target.is_browser() && !by_generated);
            if let Some(id) = stand_in {
                self.record(importer, &id, specifier);
                return Ok(Some(HookResolveIdOutput {
                    side_effects: Some(HookSideEffects::False),
                    ..HookResolveIdOutput::from_id(id)
                }));
            }
            // What does not resolve is left to the bundler, which reports it with its place.
            return Ok(None);
        };
        let id = resolved.id.as_str().to_owned();
        let file = Path::new(file_of(&id));
        if resolved.external.is_external() || !file.is_absolute() {
            return Ok(None);
        }
        if let Some(problem) = self.refusal(specifier, Path::new(file_of(from)), file) {
            return Ok(Some(self.refuse(problem)));
        }
        self.record(importer, &id, specifier);
        if self.target.is_browser() && args.kind == ImportKind::Import && self.is_for_its_names(importer, specifier) {
            return Ok(Some(HookResolveIdOutput {
                side_effects: Some(HookSideEffects::False),
                ..HookResolveIdOutput::from_resolved_id(resolved)
            }));
        }
        if by_generated && is_test_file(specifier) {
            // Its tests are what it does, whatever the package says of itself.
            return Ok(Some(HookResolveIdOutput {
                side_effects: Some(HookSideEffects::True),
                ..HookResolveIdOutput::from_resolved_id(resolved)
            }));
        }
        Ok(by_generated.then(|| HookResolveIdOutput::from_resolved_id(resolved)))
    }

    async fn load(&self, _context: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        if let Some(mark) = args.id.strip_prefix(REFUSED) {
            return Err(anyhow::anyhow!(mark.to_owned()));
        }
        if let Some(name) = args.id.strip_prefix(BUILTIN) {
            let code = node_builtins::source(name).into();
            return Ok(Some(HookLoadOutput { code, module_type: Some(ModuleType::Js), ..HookLoadOutput::default() }));
        }
        if let Some(code) = self.generated(args.id) {
            let module_type = if args.id.ends_with(".ts") { ModuleType::Ts } else { ModuleType::Js };
            return Ok(Some(HookLoadOutput {
                code: code.into(),
                module_type: Some(module_type),
                ..HookLoadOutput::default()
            }));
        }
        if let Some(code) = server_only::code(args.id) {
            return Ok(Some(HookLoadOutput {
                code: code.into(),
                module_type: Some(ModuleType::Js),
                ..HookLoadOutput::default()
            }));
        }
        let path = Path::new(args.id);
        if !path.is_absolute() {
            return Ok(None);
        }
        let asserted = args.asserted_module_type.is_some_and(|kind| *kind != ModuleType::Js);
        match self.read(path, asserted) {
            Ok(code) => Ok(code.map(|code| HookLoadOutput { code: code.into(), ..HookLoadOutput::default() })),
            Err(problem) => {
                let message = problem.message.clone();
                self.seen().unloadable.insert(path.to_owned(), problem);
                Err(anyhow::anyhow!(message))
            }
        }
    }
}
