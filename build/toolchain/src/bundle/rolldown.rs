//! Bundling with rolldown: its options, and the threads it needs. It knows nothing of manifests.

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rolldown::{
    AttachDebugInfo, BundlerTransformOptions, CodeSplittingMode, CommentsOptions, Either, ExperimentalOptions,
    InputItem, ModuleType, OutputExports, OutputFormat, SourceMapType, TsConfig,
};
use rolldown_common::{Output, OutputChunk};
use rolldown_error::BuildDiagnostic;

use super::{
    Bundle, BundleRequest, Bundler, Format, Target,
    fence::{Fence, TEXTS},
    imports::GENERATED,
    lines::Lines,
    own_place, portable,
    problems::Translator,
};
use crate::diagnostic::{BuildError, Problem, Severity};

/// Stack of every thread that may walk a syntax tree, bytes. It is address space: only pages that are touched count.
const STACK_BYTES: usize = 512 << 20;
/// Most errors reported for one bundle.
const PROBLEMS_MAX: usize = 50;

/// The bundler for TypeScript, JSX and npm packages.
///
/// Imports that lead nowhere are errors, as are Node's own modules: nothing could answer them in a sandbox. Each call has
/// threads of its own, so it may be called from anywhere, asynchronous code included; it blocks until the bundle is made.
/// When the source is not the caller's own, call it in a process of its own: deep nesting is bounded, but a parser is
/// large.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rolldown;

impl Bundler for Rolldown {
    fn bundle(&self, request: &BundleRequest) -> Result<Bundle, BuildError> {
        let thread = std::thread::Builder::new().name("belljar-bundle".into()).stack_size(STACK_BYTES);
        let request = request.clone();
        let work = move || {
            use_own_stack();
            let _finish = FinishJobs;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("belljar-bundle")
                .thread_stack_size(STACK_BYTES)
                .on_thread_start(use_own_stack)
                .on_thread_stop(finish_own_jobs)
                .build()
                .map_err(|error| internal(format!("threads cannot be started: {error}")))?;
            runtime.block_on(bundle(&request))
        };
        let handle = thread.spawn(work).map_err(|error| internal(format!("a thread cannot be started: {error}")))?;
        match handle.join() {
            Ok(result) => result,
            Err(_) => {
                Err(internal("the bundler panicked".into()).with_help("please report this with the source").into())
            }
        }
    }
}

/// Bundles one entry for use outside an applet, such as the engine's web platform: `Module`, or with `iife` a classic
/// script whose completion value is the entry's default export. Gives code and source map.
///
/// # Errors
/// [`BuildError`] as from [`Bundler::bundle`]; for a script also when the entry has no default export, or others beside.
pub fn bundle_script(entry: &Path, iife: bool) -> Result<(String, String), BuildError> {
    let name = entry.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| internal(format!("{} is not a file's path", entry.display())))?;
    let folder = match entry.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let format = if iife { Format::Script } else { Format::Module };
    let request = BundleRequest {
        folder,
        entry: name.to_owned(),
        format,
        target: Target::Sandbox,
        modules: Vec::new(),
        counts_lines: false,
    };
    let bundle = Rolldown.bundle(&request)?;
    if iife && bundle.exports != ["default"] {
        let message = format!("{name} must have a default export and no other, it exports {:?}", bundle.exports);
        return Err(Problem::error("bundle.script-exports", message).into());
    }
    Ok((bundle.code, bundle.source_map))
}

thread_local! {
    /// The pool of which this thread is the only member.
    static OWN_POOL: RefCell<Option<rayon::ThreadPool>> = const { RefCell::new(None) };
}

/// Makes parallel loops run on the calling thread. Rayon's own threads have small stacks, and syntax trees are walked in
/// such loops.
fn use_own_stack() {
    // A thread that is in a pool already keeps it; there is nothing to do then.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    OWN_POOL.set(pool.ok());
}

/// Runs what was left to the calling thread's pool, and closes the pool. rolldown leaves freeing its tables to a pool,
/// counts what is pending for the whole process, and waits for zero when the next bundle starts: jobs left on a thread
/// that ends would make every later bundle wait forever.
fn finish_own_jobs() {
    while rayon::yield_now() == Some(rayon::Yield::Executed) {}
    drop(OWN_POOL.take());
}

/// Calls [`finish_own_jobs`] however the thread's work ends, panics included.
struct FinishJobs;

impl Drop for FinishJobs {
    fn drop(&mut self) {
        finish_own_jobs();
    }
}

fn internal(message: String) -> Problem {
    Problem::error("bundle.failed", message)
}

async fn bundle(request: &BundleRequest) -> Result<Bundle, BuildError> {
    let folder = request.folder.canonicalize().map_err(|error| folder_error(request, &error))?;
    let fence = Fence::new(folder.clone(), request.target.clone(), request.modules.clone());
    // What is bundled, and the id it has.
    let (import, entry) = if request.modules.iter().any(|(name, _)| *name == request.entry) {
        (request.entry.clone(), format!("{GENERATED}{}", request.entry))
    } else {
        let file = folder.join(&request.entry).canonicalize().ok();
        let file = file.filter(|file| file.starts_with(&folder) && file.is_file()).ok_or_else(|| {
            Problem::error("bundle.entry", format!("the entry file '{}' is not in the folder", request.entry))
        })?;
        let file = file.to_string_lossy().into_owned();
        (file.clone(), file)
    };
    let translator = Translator { folder: &folder, entry: &entry, fence: &fence, target: &request.target };

    let failed = |diagnostics: Vec<BuildDiagnostic>| {
        let mut problems: Vec<Problem> = diagnostics.into_iter().filter_map(|d| translator.translate(d)).collect();
        settle(&mut problems);
        if problems.is_empty() {
            problems.push(internal("the bundler failed without saying why".into()));
        }
        BuildError::new(problems)
    };
    let options = options(&folder, import, request);
    let lines = Lines::new(folder.clone());
    let mut plugins: Vec<Arc<dyn rolldown::plugin::Pluginable>> = vec![Arc::new(fence.clone())];
    if request.counts_lines {
        plugins.push(Arc::new(lines.clone()));
    }
    let mut bundler = rolldown::Bundler::with_plugins(options, plugins).map_err(|errors| failed(errors.into_vec()))?;
    let output = bundler.generate().await.map_err(|errors| failed(errors.into_vec()))?;
    // Closing runs plugins' last hooks; ours has none, and the bundle is made.
    let _ = bundler.close().await;

    let mut notices: Vec<Problem> = output.warnings.into_iter().filter_map(|d| translator.translate(d)).collect();
    settle(&mut notices);
    if notices.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(BuildError::new(notices));
    }
    let chunk = single_chunk(&output.assets, &fence)?;
    let is_browser = request.target.is_browser();
    let source_map = if is_browser {
        String::new()
    } else {
        let map = chunk.map.as_ref().ok_or_else(|| internal("the bundler made no source map".into()))?;
        portable::source_map(&folder, &map.to_json_string())
            .map_err(|error| internal(format!("the bundler's source map cannot be read: {error}")))?
    };
    let mut styles = String::new();
    if is_browser {
        styles = fence.stylesheet(&entry)?;
    }
    if request.target == (Target::Browser { is_run: true }) {
        let rendered =
            chunk.modules.keys.iter().zip(&chunk.modules.values).filter(|(_, module)| module.rendered_length() > 0);
        let included = rendered.map(|(id, _)| id.as_str()).collect();
        notices.extend(fence.server_only(&entry, &chunk.code, &included));
        if notices.iter().any(|problem| problem.severity == Severity::Error) {
            settle(&mut notices);
            return Err(BuildError::new(notices));
        }
    }
    if matches!(request.target, Target::Process { .. }) {
        let modules = chunk.modules.keys.iter().zip(&chunk.modules.values);
        let modules = modules.filter_map(|(id, module)| Some((id.as_str().to_owned(), module.code()?)));
        notices.extend(own_place::notices(&folder, modules));
    }
    let mut exports: Vec<String> = chunk.exports.iter().map(|name| name.as_str().to_owned()).collect();
    exports.sort_unstable();
    let mut code = chunk.code.clone();
    if !code.ends_with('\n') {
        code.push('\n');
    }
    Ok(Bundle { code, source_map, styles, exports, inputs: fence.inputs(), notices, lines: lines.seen() })
}

/// Orders problems by place, the same on every run, and bounds them.
fn settle(problems: &mut Vec<Problem>) {
    let key = |problem: &Problem| {
        let (file, position) = problem.location();
        (problem.severity == Severity::Notice, file.map(str::to_owned), position, problem.message.clone())
    };
    problems.sort_by_cached_key(key);
    problems.dedup_by_key(|problem| key(problem));
    problems.truncate(PROBLEMS_MAX);
}

fn folder_error(request: &BundleRequest, error: &io::Error) -> Problem {
    Problem::error("build.folder", format!("{} cannot be opened: {error}", request.folder.display()))
}

/// The one file of the bundle. Anything left to load at run time, but what the fence has left, would be left unanswered.
fn single_chunk<'a>(assets: &'a [Output], fence: &Fence) -> Result<&'a OutputChunk, Problem> {
    let mut chunks = assets.iter().filter_map(|output| match output {
        Output::Chunk(chunk) => Some(&**chunk),
        Output::Asset(_) => None,
    });
    match (chunks.next(), chunks.next()) {
        (Some(chunk), None) => match left_over(chunk).find(|import| !fence.is_outside(import)) {
            None => Ok(chunk),
            Some(import) => {
                Err(Problem::error("bundle.unresolved-import", format!("'{import}' is left to be imported"))
                    .with_help("install the package, or import a file of the applet"))
            }
        },
        _ => Err(internal("the bundler did not make one file".into())),
    }
}

/// Imports of other files. An inlined dynamic import is listed as one of the chunk itself.
fn left_over(chunk: &OutputChunk) -> impl Iterator<Item = &str> {
    let imports = chunk.imports.iter().chain(&chunk.dynamic_imports).map(|import| import.as_str());
    imports.filter(|import| *import != chunk.filename.as_str())
}

fn options(folder: &Path, import: String, request: &BundleRequest) -> rolldown::BundlerOptions {
    let (format, target) = (request.format, &request.target);
    let is_browser = target.is_browser();
    let tsconfig = folder.join("tsconfig.json");
    let text_types = TEXTS.iter().map(|extension| (format!(".{extension}"), ModuleType::Text));
    rolldown::BundlerOptions {
        input: Some(vec![InputItem { name: Some("bundle".into()), import }]),
        cwd: Some(folder.to_owned()),
        // Sources in the map are relative to this; nothing is written.
        dir: Some(folder.to_string_lossy().into_owned()),
        platform: Some(target.platform()),
        format: Some(match format {
            Format::Module => OutputFormat::Esm,
            Format::Script => OutputFormat::Iife,
        }),
        exports: (format == Format::Script).then_some(OutputExports::Default),
        sourcemap: (!is_browser).then_some(SourceMapType::Hidden),
        module_types: Some(text_types.collect()),
        resolve: Some(target.resolve()),
        minify: is_browser.then(|| true.into()),
        // Only the folder's own: one found further up would make the bundle depend on where the folder lies.
        tsconfig: Some(if tsconfig.is_file() { TsConfig::Manual(tsconfig) } else { TsConfig::Auto(false) }),
        define: Some([("process.env.NODE_ENV".to_owned(), "\"production\"".to_owned())].into_iter().collect()),
        transform: Some(BundlerTransformOptions {
            target: Some(Either::Left(target.syntax().into())),
            ..BundlerTransformOptions::default()
        }),
        code_splitting: Some(CodeSplittingMode::Bool(false)),
        comments: Some(CommentsOptions { legal: true, annotation: false, jsdoc: false }),
        experimental: Some(ExperimentalOptions {
            attach_debug_info: Some(AttachDebugInfo::None),
            ..ExperimentalOptions::default()
        }),
        ..rolldown::BundlerOptions::default()
    }
}
