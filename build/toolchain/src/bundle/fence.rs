//! What the bundler may read: files of the applet's folder, and packages found through `node_modules`, each within its
//! bounds. It knows paths and sizes, not what the files mean.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rolldown_common::side_effects::HookSideEffects;

use rolldown::{
    ModuleType,
    plugin::{
        HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput, HookResolveIdReturn,
        HookUsage, Plugin, PluginContext, PluginContextResolveOptions, SharedLoadPluginContext,
    },
};

use super::{SOURCE_BYTES_MAX, SOURCES_BYTES_MAX, nesting, node_builtins, portable};
use crate::diagnostic::{Problem, SourceFile};

/// Extensions that are parsed as JavaScript or TypeScript.
const SCRIPTS: [&str; 8] = ["ts", "tsx", "js", "jsx", "mjs", "mts", "cjs", "cts"];
/// Extensions whose content is imported as a text.
pub(crate) const TEXTS: [&str; 5] = ["txt", "md", "html", "sql", "css"];
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
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Who imports what, and by which words: absolute paths.
    imports: BTreeMap<String, BTreeMap<String, String>>,
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
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, seen: Arc::default() }
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

    /// The shortest way from the entry to a file, entry first, both included; empty when there is none. The author's own files are named
    /// with the line and column of the import that leads on.
    pub(crate) fn chain(&self, entry: &str, target: &str) -> Vec<String> {
        let seen = self.seen();
        let mut from: HashMap<&str, &str> = HashMap::new();
        let mut queue = VecDeque::from([entry]);
        while let Some(current) = queue.pop_front() {
            if current == target {
                let mut chain = vec![self.step(&seen, current, None)];
                let mut at = current;
                while let Some(importer) = from.get(at).filter(|_| at != entry) {
                    chain.push(self.step(&seen, importer, Some(at)));
                    at = importer;
                }
                chain.reverse();
                return chain;
            }
            for next in seen.imports.get(current).into_iter().flat_map(BTreeMap::keys) {
                if next != entry && !from.contains_key(next.as_str()) {
                    from.insert(next, current);
                    queue.push_back(next);
                }
            }
        }
        Vec::new()
    }

    /// A file of a chain, with the place of its import of the next one.
    fn step(&self, seen: &Seen, importer: &str, next: Option<&str>) -> String {
        let name = portable::name(&self.folder, Path::new(importer));
        if name.starts_with("node_modules/") || name.contains("/node_modules/") {
            return name;
        }
        let specifier = next.and_then(|next| seen.imports.get(importer)?.get(next));
        let place = specifier.and_then(|specifier| import_place(&std::fs::read_to_string(importer).ok()?, specifier));
        place.map_or(name.clone(), |(line, column)| format!("{name}:{line}:{column}"))
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

/// Line and column, from 1, of the import of a specifier: where it stands in quotes behind `from`, `import` or `require`.
fn import_place(text: &str, specifier: &str) -> Option<(usize, usize)> {
    let imports = |before: &str| {
        let before = before.trim_end().trim_end_matches('(').trim_end();
        ["from", "import", "require"].iter().any(|word| before.ends_with(word))
    };
    let at = text.match_indices(specifier).map(|(at, _)| at).filter(|at| *at > 0).find(|at| {
        let quote = &text[..*at].chars().next_back();
        let closing = text[at + specifier.len()..].chars().next();
        matches!(quote, Some('\'' | '"' | '`')) && closing == *quote && imports(&text[..at - 1])
    })? - 1;
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some((text[..at].matches('\n').count() + 1, text[start..at].chars().count() + 1))
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
        let (specifier, Some(importer)) = (args.specifier, args.importer) else { return Ok(None) };
        let remote = ["http://", "https://", "//"].iter().any(|scheme| specifier.starts_with(scheme));
        if remote {
            let problem = Problem::error("bundle.remote-import", format!("'{specifier}' is on the network"))
                .with_help("install it as a package, or copy it into the applet: a bundle never downloads code");
            return Ok(Some(self.refuse(problem)));
        }
        if let Some(name) = node_builtins::provided(specifier) {
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
        // What does not resolve is left to the bundler, which reports it with its place.
        let Ok(Ok(resolved)) = context.resolve(specifier, Some(importer), Some(options)).await else { return Ok(None) };
        let file = Path::new(file_of(resolved.id.as_str()));
        if resolved.external.is_external() || !file.is_absolute() {
            return Ok(None);
        }
        if !self.may_read(specifier, Path::new(file_of(importer)), file) {
            let problem = Problem::error("bundle.outside", format!("'{specifier}' leads outside the applet's folder"))
                .with_help("copy the file into the folder, or make it a package and install it");
            return Ok(Some(self.refuse(problem)));
        }
        let mut seen = self.seen();
        let imports = seen.imports.entry(importer.to_owned()).or_default();
        imports.entry(resolved.id.as_str().to_owned()).or_insert_with(|| specifier.to_owned());
        Ok(None)
    }

    async fn load(&self, _context: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        if let Some(mark) = args.id.strip_prefix(REFUSED) {
            return Err(anyhow::anyhow!(mark.to_owned()));
        }
        if let Some(name) = args.id.strip_prefix(BUILTIN) {
            let code = node_builtins::source(name).into();
            return Ok(Some(HookLoadOutput { code, module_type: Some(ModuleType::Js), ..HookLoadOutput::default() }));
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
