//! Preparation: an applet's top-level code runs once, over the base image, with every capability closed, a fixed clock and random
//! numbers seeded from the package; the memory it leaves is the applet's image.

use std::sync::Arc;
use std::time::Duration;

use belljar_intl::Formatters;
use serde::Deserialize;
use wasmtime::{Caller, Linker, Memory, Module, Store, Trap, TypedFunc};

use super::bindings::AppletPre;
use super::frames;
use super::image;
use super::imports::{State, hashes, intl};
use super::limiter::{Abort, Limiter};
use super::sandbox::{FUEL_YIELD_INTERVAL, Sandbox};
use crate::capability::crypto::{digest, hmac};
use crate::floor::fault::{ErrorRole, Fault, FaultCode, Frame, ThrownError, details, parent};
use crate::floor::ids::Digest;
use crate::floor::limits::LimitHit;
use crate::positions::{BUNDLE, Positions};

/// Fuel for the top-level code of an applet.
pub(crate) const PREPARATION_FUEL_MAX: u64 = 10_000_000_000;
/// Wall clock for the top-level code of an applet, milliseconds.
pub(crate) const PREPARATION_MS_MAX: u64 = 10_000;
/// What `Date` says to top-level code: 2020-01-01T00:00:00Z, for every applet, everywhere.
const PREPARATION_TIME_US: u64 = 1_577_836_800_000_000;
/// Log lines of top-level code that are kept, and bytes of each.
const LOG_LINES_MAX: usize = 100;
const LOG_LINE_BYTES_MAX: usize = 4_096;

/// Where the guest finds the name of the bundle, its source and the locales, each an address and bytes; then the seed of its randomness.
type PrepareArguments = (u32, u32, u32, u32, u32, u32, u64);

/// An applet ready to be invoked: its image, linked with everything it needs.
pub struct Prepared {
    pub(super) linked: AppletPre<State>,
    pub(super) positions: Arc<Positions>,
    /// What top-level code logged; empty when the image came from the cache.
    log: Vec<String>,
    image_bytes: u64,
    from_cache: bool,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("image_bytes", &self.image_bytes).finish_non_exhaustive()
    }
}

impl Prepared {
    /// What the applet's top-level code logged while it was prepared; empty when the image came from the cache.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// Reads the text of a stack that the applet has told: its frames in the author's files, innermost first.
    pub fn frames(&self, stack: &str) -> Vec<Frame> {
        self.positions.frames(stack)
    }

    /// Size of the image's file in the cache directory, bytes; 0 without one.
    pub fn image_bytes(&self) -> u64 {
        self.image_bytes
    }

    /// Whether an image of an earlier preparation was used.
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }
}

/// What is prepared: the bundle, its source map, and what names them.
pub(crate) struct Source<'a> {
    pub(crate) package: Digest,
    pub(crate) bundle: &'a str,
    pub(crate) source_map: &'a str,
    pub(crate) memory_bytes_max: u64,
    /// Locales the applet declares; without any it has no `Intl`.
    pub(crate) locales: &'a [String],
}

/// Store data while top-level code runs.
struct Preparing {
    limiter: Limiter,
    memory: Option<Memory>,
    log: Vec<String>,
    formatters: Formatters,
    /// The guest's allocator, for answers of `intl`.
    realloc: Option<TypedFunc<(u32, u32, u32, u32), u32>>,
}

impl Sandbox {
    /// Prepares an applet, or takes its image from the cache.
    ///
    /// # Errors
    /// A fault: `syntax`, `preparation` (it threw, called a capability, left something waiting, or ran into a limit), `memory`, or
    /// `internal`.
    pub(crate) async fn prepare(&self, source: Source<'_>) -> Result<Prepared, Fault> {
        if let Some(unknown) = source.locales.iter().find(|locale| !belljar_intl::is_known(locale)) {
            let message = format!(
                "the applet declares the locale {unknown:?}, for which this host ({}) has no data",
                belljar_intl::version()
            );
            return Err(Fault::new(FaultCode::Preparation, message));
        }
        let positions = Arc::new(Positions::new(BUNDLE, source.source_map));
        let name = self.image_name(&source);
        if let Some(image) = self.cached_image(&name) {
            return self.prepared(image, positions, Vec::new(), true);
        }
        let (memory, log) = self.evaluate_top_level(&source, &positions).await?;
        let image = self.image(&name, &memory).map_err(|e| internal("the image cannot be made", &e))?;
        self.prepared(image, positions, log, false)
    }

    fn prepared(
        &self,
        (module, image_bytes): (Module, u64),
        positions: Arc<Positions>,
        log: Vec<String>,
        from_cache: bool,
    ) -> Result<Prepared, Fault> {
        let linked = self.link(&module).map_err(|e| internal("the image cannot be linked", &e))?;
        Ok(Prepared { linked, positions, log, image_bytes, from_cache })
    }

    /// The engine booted with no applet in it, for programs given as text.
    pub(crate) fn prepared_base(&self) -> Result<Prepared, Fault> {
        let linked = self
            .base()
            .and_then(|base| self.link(base))
            .map_err(|e| internal("the base image cannot be linked", &e))?;
        let positions = Arc::new(Positions::unmapped());
        Ok(Prepared { linked, positions, log: Vec::new(), image_bytes: 0, from_cache: true })
    }

    /// Names an image by all it depends on. The name ends in what the file is, so that none is taken for another kind.
    fn image_name(&self, source: &Source<'_>) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(self.digest.as_bytes())
            .update(source.package.as_bytes())
            .update(&source.memory_bytes_max.to_le_bytes());
        // What top-level code has formatted is in the image.
        if !source.locales.is_empty() {
            hasher.update(belljar_intl::version().as_bytes());
        }
        format!("{}-image", &hasher.finalize().to_hex()[..32])
    }

    pub(super) async fn evaluate_top_level(
        &self,
        source: &Source<'_>,
        positions: &Positions,
    ) -> Result<(Vec<u8>, Vec<String>), Fault> {
        let limiter = Limiter::new(source.memory_bytes_max);
        let mut store = Store::new(
            &self.engine,
            Preparing { limiter, memory: None, log: Vec::new(), formatters: Formatters::default(), realloc: None },
        );
        store.limiter(|preparing| &mut preparing.limiter);
        let evaluated = async {
            store.set_fuel(PREPARATION_FUEL_MAX)?;
            store.fuel_async_yield_interval(Some(FUEL_YIELD_INTERVAL))?;
            self.evaluate_in(&mut store, source).await
        };
        let deadline = Duration::from_millis(PREPARATION_MS_MAX);
        let report = match tokio::time::timeout(deadline, evaluated).await {
            Err(_) => {
                let hit =
                    LimitHit { name: "preparation_ms_max", allowed: PREPARATION_MS_MAX, used: PREPARATION_MS_MAX };
                return Err(Fault {
                    frames: self.top_level_frames(&store, positions),
                    ..top_level(FaultCode::Preparation, hit)
                });
            }
            Ok(Err(error)) => {
                return Err(Fault { frames: self.top_level_frames(&store, positions), ..ended(&error, &store) });
            }
            Ok(Ok(report)) => report,
        };
        if let Some(report) = report {
            return Err(reported(&report, positions));
        }
        let log = std::mem::take(&mut store.data_mut().log).into_iter().map(|line| positions.in_text(line)).collect();
        let memory = store.data().memory.expect("set when the image was instantiated");
        let mut memory = memory.data(&store).to_vec();
        image::clear_stack(&mut memory, self.artifact.record.stack_bytes);
        Ok((memory, log))
    }

    /// Where top-level code was when a limit ended it.
    fn top_level_frames(&self, store: &Store<Preparing>, positions: &Positions) -> Vec<Frame> {
        let memory = store.data().memory.map(|memory| memory.data(store)).unwrap_or_default();
        positions.frames(&frames::stack(memory, self.artifact.record.frames_at))
    }

    /// Answers the guest's report when the top-level code failed.
    async fn evaluate_in(
        &self,
        store: &mut Store<Preparing>,
        source: &Source<'_>,
    ) -> wasmtime::Result<Option<Vec<u8>>> {
        let mut linker = self.closed_linker()?;
        let memory = linker
            .instantiate_async(&mut *store, self.base()?)
            .await?
            .get_memory(&mut *store, "memory")
            .ok_or_else(|| wasmtime::format_err!("an image exports its memory"))?;
        store.data_mut().memory = Some(memory);
        let (module, name) = &self.artifact.record.memory_import;
        linker.define(&*store, module, name, memory)?;
        linker.define_unknown_imports_as_traps(&self.code)?;
        let instance = linker.instantiate_async(&mut *store, &self.code).await?;

        let buffer: TypedFunc<u32, u32> = instance.get_typed_func(&mut *store, "belljar_buffer")?;
        store.data_mut().realloc = Some(instance.get_typed_func(&mut *store, "cabi_realloc")?);
        let locales = source.locales.join(" ");
        let mut texts = [(0, 0); 3];
        for (place, text) in texts.iter_mut().zip([BUNDLE, source.bundle, &locales]) {
            let bytes = u32::try_from(text.len())?;
            let at = buffer.call_async(&mut *store, bytes).await?;
            memory.write(&mut *store, at as usize, text.as_bytes())?;
            *place = (at, bytes);
        }
        let [(name_at, name_bytes), (source_at, source_bytes), (locales_at, locales_bytes)] = texts;
        let seed = u64::from_le_bytes(source.package.as_bytes()[..8].try_into()?);
        let prepare: TypedFunc<PrepareArguments, u32> = instance.get_typed_func(&mut *store, "belljar_prepare")?;
        let arguments = (name_at, name_bytes, source_at, source_bytes, locales_at, locales_bytes, seed);
        let failed = prepare.call_async(&mut *store, arguments).await?;
        if failed == 0 {
            return Ok(None);
        }
        let at: TypedFunc<(), u32> = instance.get_typed_func(&mut *store, "belljar_report_at")?;
        let bytes: TypedFunc<(), u32> = instance.get_typed_func(&mut *store, "belljar_report_bytes")?;
        let at = at.call_async(&mut *store, ()).await? as usize;
        let bytes = bytes.call_async(&mut *store, ()).await? as usize;
        let report = memory.data(&*store).get(at..at.saturating_add(bytes));
        Ok(Some(report.map(<[u8]>::to_vec).unwrap_or_default()))
    }

    /// The guest's own functions throw while top-level code runs; what is left here traps, but for the fixed clock and the log.
    fn closed_linker(&self) -> wasmtime::Result<Linker<Preparing>> {
        let mut linker = Linker::new(&self.engine);
        linker.func_wrap("belljar:applet/clock@0.1.0", "now-us", || PREPARATION_TIME_US)?;
        linker.func_wrap("belljar:applet/clock@0.1.0", "checkpoint", || {})?;
        linker.func_wrap(
            "belljar:applet/log@0.1.0",
            "write",
            |mut caller: Caller<'_, Preparing>, _: i32, _: i32, at: i32, bytes: i32, _: i32, _: i32| {
                let Some(memory) = caller.data().memory else { return };
                let text = memory.data(&caller).get(at as u32 as usize..).and_then(|m| m.get(..bytes as u32 as usize));
                let text = text.map(|t| String::from_utf8_lossy(&t[..t.len().min(LOG_LINE_BYTES_MAX)]).into_owned());
                let log = &mut caller.data_mut().log;
                if let Some(text) = text.filter(|_| log.len() < LOG_LINES_MAX) {
                    log.push(text);
                }
            },
        )?;
        link_intl(&mut linker)?;
        link_hashes(&mut linker)?;
        Ok(linker)
    }
}

/// `Intl` is pure, so top-level code may use it. There is no component yet: texts are passed as the canonical ABI has them.
fn link_intl(linker: &mut Linker<Preparing>) -> wasmtime::Result<()> {
    let name = "belljar:applet/intl@0.1.0";
    linker.func_wrap_async(
        name,
        "answer",
        |mut caller: Caller<'_, Preparing>,
         (question, recipe_at, recipe_bytes, value_at, value_bytes, result): (u32, u32, u32, u32, u32, u32)| {
            Box::new(async move {
                let question = *intl::QUESTIONS.get(question as usize).ok_or(Trap::UnreachableCodeReached)?;
                let (recipe, value) = (text(&caller, recipe_at, recipe_bytes)?, text(&caller, value_at, value_bytes)?);
                let answer =
                    intl::answer(&mut caller, |preparing| &mut preparing.formatters, question, &recipe, &value)?;
                let (case, text) = match &answer {
                    Ok(text) => (0u8, text),
                    Err(text) => (1, text),
                };
                write(&mut caller, text.as_bytes(), result + 4).await?;
                let memory = caller.data().memory.ok_or(Trap::UnreachableCodeReached)?;
                memory.write(&mut caller, result as usize, &[case])?;
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        name,
        "compare",
        |mut caller: Caller<'_, Preparing>,
         recipe: u32,
         recipe_bytes: u32,
         left: u32,
         left_bytes: u32,
         right: u32,
         right_bytes: u32| {
            let recipe = text(&caller, recipe, recipe_bytes)?;
            let (left, right) = (text(&caller, left, left_bytes)?, text(&caller, right, right_bytes)?);
            intl::compare(&mut caller, |preparing| &mut preparing.formatters, &recipe, &left, &right)
        },
    )?;
    Ok(())
}

/// Hashes are pure, too.
fn link_hashes(linker: &mut Linker<Preparing>) -> wasmtime::Result<()> {
    let name = "belljar:applet/hashes@0.1.0";
    linker.func_wrap_async(
        name,
        "digest",
        |mut caller: Caller<'_, Preparing>, (algorithm, at, bytes, result): (u32, u32, u32, u32)| {
            Box::new(async move {
                let algorithm = *hashes::ALGORITHMS.get(algorithm as usize).ok_or(Trap::UnreachableCodeReached)?;
                hashes::charge_digest(&mut caller, algorithm, bytes as usize)?;
                let digest = digest(algorithm, range(&caller, at, bytes)?);
                write(&mut caller, &digest, result).await
            })
        },
    )?;
    linker.func_wrap_async(
        name,
        "hmac",
        |mut caller: Caller<'_, Preparing>,
         (algorithm, key_at, key_bytes, at, bytes, result): (u32, u32, u32, u32, u32, u32)| {
            Box::new(async move {
                let algorithm = *hashes::ALGORITHMS.get(algorithm as usize).ok_or(Trap::UnreachableCodeReached)?;
                hashes::charge_hmac(&mut caller, algorithm, key_bytes as usize, bytes as usize)?;
                let code = hmac(algorithm, range(&caller, key_at, key_bytes)?, range(&caller, at, bytes)?);
                write(&mut caller, &code, result).await
            })
        },
    )?;
    Ok(())
}

/// Bytes that the guest gives.
fn range<'a>(caller: &'a Caller<'_, Preparing>, at: u32, bytes: u32) -> wasmtime::Result<&'a [u8]> {
    let memory = caller.data().memory.ok_or(Trap::UnreachableCodeReached)?;
    let range = memory.data(caller).get(at as usize..).and_then(|m| m.get(..bytes as usize));
    Ok(range.ok_or(Trap::MemoryOutOfBounds)?)
}

fn text(caller: &Caller<'_, Preparing>, at: u32, bytes: u32) -> wasmtime::Result<String> {
    Ok(String::from_utf8(range(caller, at, bytes)?.to_vec())?)
}

/// Gives the guest bytes of its own, and writes at `result` where they are and how many.
async fn write(caller: &mut Caller<'_, Preparing>, given: &[u8], result: u32) -> wasmtime::Result<()> {
    let (memory, realloc) = (caller.data().memory, caller.data().realloc.clone());
    let (memory, realloc) = memory.zip(realloc).ok_or(Trap::UnreachableCodeReached)?;
    let bytes = u32::try_from(given.len())?;
    let at = realloc.call_async(&mut *caller, (0, 0, 1, bytes)).await?;
    memory.write(&mut *caller, at as usize, given)?;
    memory.write(&mut *caller, result as usize, &at.to_le_bytes())?;
    memory.write(&mut *caller, result as usize + 4, &bytes.to_le_bytes())?;
    Ok(())
}

fn top_level(code: FaultCode, hit: LimitHit) -> Fault {
    let message = format!(
        "the applet's top-level code ran into a limit: {hit}; it runs once, when the applet is prepared: move long work into a handler"
    );
    Fault { code, message, limit: Some(hit), errors: Vec::new(), frames: Vec::new() }
}

/// Top-level code ended by a limit or a trap.
fn ended(error: &wasmtime::Error, store: &Store<Preparing>) -> Fault {
    if let Some(Abort(fault)) = error.downcast_ref() {
        return match fault.limit.clone() {
            Some(hit) => top_level(fault.code, hit),
            None => fault.clone(),
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            let used = PREPARATION_FUEL_MAX - store.get_fuel().unwrap_or(0);
            top_level(
                FaultCode::Preparation,
                LimitHit { name: "preparation_fuel_max", allowed: PREPARATION_FUEL_MAX, used },
            )
        }
        Some(Trap::StackOverflow) => Fault::new(FaultCode::Stack, "the applet's top-level code exhausts the stack"),
        Some(trap) => Fault::new(FaultCode::Trap, format!("the engine trapped while the applet was prepared: {trap}")),
        None => internal("preparation failed", error),
    }
}

/// The guest's report: JSON, as `belljar_prepare` documents it.
#[derive(Deserialize)]
struct Report {
    reason: u32,
    errors: Vec<ReportedError>,
}

#[derive(Deserialize)]
struct ReportedError {
    role: u32,
    parent: u32,
    name: String,
    message: String,
    stack: String,
    #[serde(default)]
    code: Option<String>,
    /// JSON.
    #[serde(default)]
    details: Option<String>,
}

/// `FailureReason::StackOverflow` of guest-js/web/src/bindings.ts.
const REASON_STACK: u32 = 4;

fn reported(report: &[u8], positions: &Positions) -> Fault {
    let Ok(report) = serde_json::from_slice::<Report>(report) else {
        return Fault::new(FaultCode::Preparation, "the applet's top-level code failed, and its error cannot be told");
    };
    let errors: Vec<ThrownError> = report
        .errors
        .into_iter()
        .enumerate()
        .map(|(index, e)| ThrownError {
            role: match e.role {
                1 => ErrorRole::Cause,
                2 => ErrorRole::Member,
                _ => ErrorRole::Thrown,
            },
            parent: parent(e.parent, index),
            frames: positions.frames(&e.stack),
            name: e.name,
            message: e.message,
            code: e.code,
            details: e.details.map(details),
        })
        .collect();
    let code = match errors.first().map(|e| e.name.as_str()) {
        _ if report.reason == REASON_STACK => FaultCode::Stack,
        Some("SyntaxError") if errors[0].frames.len() <= 1 => FaultCode::Syntax,
        _ => FaultCode::Preparation,
    };
    let first = errors.first().map_or_else(|| "unknown error".into(), |e| format!("{}: {}", e.name, e.message));
    let message = format!("the applet's top-level code failed: {first}");
    Fault { code, message, limit: None, errors, frames: Vec::new() }
}

fn internal(what: &str, error: &wasmtime::Error) -> Fault {
    tracing::error!(error = format!("{error:#}"), what, "a preparation failed");
    Fault::new(FaultCode::Internal, what)
}
