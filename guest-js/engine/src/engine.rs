//! The one JavaScript runtime of this memory, and the web platform evaluated in it when the base image is made.

use std::cell::{Cell, RefCell};

use javy::quickjs::module::WriteOptions;
use javy::quickjs::{self, Ctx, Function, Module, Object, Persistent, Value};
use javy::{Config, Runtime};

/// JavaScript stack. The machine stack is larger (`-zstack-size`), so deep recursion is a catchable RangeError.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Heap growth that starts a garbage collection. Above what a short call allocates: a collection touches every object, and
/// with them every page of the image.
const GC_THRESHOLD_BYTES: usize = 8 << 20;

/// What lives as long as the memory.
pub(crate) struct Engine {
    runtime: Runtime,
    driver: Persistent<Object<'static>>,
    /// The applet's module namespace, once it is prepared.
    namespace: Option<Persistent<Object<'static>>>,
}

/// A promise that was rejected and that nobody has handled so far.
pub(crate) struct Rejection {
    pub(crate) promise: Persistent<Value<'static>>,
    pub(crate) reason: Persistent<Value<'static>>,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    static REJECTIONS: RefCell<Vec<Rejection>> = const { RefCell::new(Vec::new()) };
    /// Rejections that were taken from there, and handled after all.
    static HANDLED: RefCell<Vec<Rejection>> = const { RefCell::new(Vec::new()) };
    static PREPARING: Cell<bool> = const { Cell::new(true) };
}

/// Whether top-level code is being evaluated: capabilities are closed then.
pub(crate) fn preparing() -> bool {
    PREPARING.get()
}

pub(crate) fn set_preparing(preparing: bool) {
    PREPARING.set(preparing);
}

/// Compiles the web platform (guest-js/web, bundled into one script whose value is the function that installs it) to bytecode
/// without its source text. QuickJS keeps each function's text for `toString`, and a nested function's once more in each function
/// around it: several times the platform's size, in every applet's image.
pub(crate) fn compile(script: &str) -> Vec<u8> {
    runtime().context().with(|ctx| {
        // Frames of this file are ours: the host leaves them out of what authors see.
        Module::declare(ctx.clone(), "belljar:web", format!("export default {script}"))
            .and_then(|module| module.write(WriteOptions { strip_source: true, ..WriteOptions::default() }))
            .unwrap_or_else(|e| bug(&ctx, e))
    })
}

/// Makes the runtime and evaluates the web platform.
///
/// # Safety
/// `web_platform` is what [`compile`] made, in this version of the engine.
pub(crate) unsafe fn boot(web_platform: &'static [u8]) {
    let runtime = runtime();
    let context = runtime.context();
    context.runtime().set_host_promise_rejection_tracker(Some(Box::new(track_rejection)));
    let (resolver, loader) = crate::imports::host_modules();
    context.runtime().set_loader(resolver, loader);
    // Asked every ten thousand calls and turns of loops: a deadline that has passed ends the instance here, where its stack is known.
    context.runtime().set_interrupt_handler(Some(Box::new(|| {
        crate::bindings::belljar::applet::clock::checkpoint();
        false
    })));
    let driver = context.with(|ctx| {
        // SAFETY: the caller's promise. Functions go on pointing into the bytecode, which lives as long as they do.
        let install = unsafe { install(&ctx, web_platform) }.unwrap_or_else(|e| bug(&ctx, e));
        let native = crate::native::object(&ctx).unwrap_or_else(|e| bug(&ctx, e));
        let driver: Object = install.call((native,)).unwrap_or_else(|e| bug(&ctx, e));
        Persistent::save(&ctx, driver)
    });
    ENGINE.set(Some(Engine { runtime, driver, namespace: None }));
}

/// # Safety
/// As for [`boot`].
unsafe fn install<'js>(ctx: &Ctx<'js>, bytecode: &'static [u8]) -> quickjs::Result<Function<'js>> {
    // SAFETY: the caller's promise.
    let (module, evaluated) = unsafe { Module::load(ctx.clone(), bytecode) }?.eval()?;
    evaluated.finish::<()>()?;
    module.get("default")
}

fn runtime() -> Runtime {
    let mut config = Config::default();
    config.max_stack_size(STACK_BYTES_MAX).gc_threshold(GC_THRESHOLD_BYTES).weak_ref(true).performance(false);
    config.log_stream(Box::new(std::io::sink())).err_stream(Box::new(std::io::sink()));
    Runtime::new(config).expect("the runtime is made from constants")
}

/// All values there are stay for good (c/quickjs.insertions): from here on they are neither counted nor freed. So
/// many shapes and names can be added before a table of the runtime's has to grow.
pub(crate) fn keep(ctx: &Ctx<'_>, room: i32) {
    unsafe extern "C" {
        fn belljar_keep(ctx: *mut core::ffi::c_void, room: i32);
    }
    // SAFETY: the context is alive, and no code of QuickJS's is running.
    unsafe { belljar_keep(ctx.as_raw().as_ptr().cast(), room) }
}

/// The web platform is ours: if it does not evaluate, the engine build is broken, and says so in the trap.
fn bug(ctx: &Ctx<'_>, error: quickjs::Error) -> ! {
    let error = quickjs::CaughtError::from_error(ctx, error);
    crate::bindings::belljar::applet::log::write(
        crate::bindings::belljar::applet::log::Origin::Console,
        crate::bindings::belljar::applet::log::Level::Error,
        &format!("the web platform does not evaluate: {error}"),
        &[],
    );
    core::arch::wasm32::unreachable()
}

fn track_rejection<'js>(ctx: Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
    let one = Rejection { promise: Persistent::save(&ctx, promise.clone()), reason: Persistent::save(&ctx, reason) };
    let is_late = REJECTIONS.with_borrow_mut(|rejections| {
        if !handled {
            rejections.push(one);
            return None;
        }
        let before = rejections.len();
        rejections.retain(|r| r.promise.clone().restore(&ctx).is_ok_and(|p| p != promise));
        (rejections.len() == before).then_some(one)
    });
    if let Some(one) = is_late {
        HANDLED.with_borrow_mut(|handled| handled.push(one));
    }
}

/// Takes the rejections that nobody has handled.
pub(crate) fn take_rejections() -> Vec<Rejection> {
    REJECTIONS.take()
}

/// Takes those of them that have been handled since.
pub(crate) fn take_handled() -> Vec<Rejection> {
    HANDLED.take()
}

/// Runs `f` with the context and the driver. The engine is not borrowed while JavaScript runs, so native functions may call
/// back into this module.
pub(crate) fn with<R>(f: impl for<'js> FnOnce(&Ctx<'js>, &Object<'js>) -> R) -> R {
    let (context, driver) = ENGINE.with_borrow(|engine| {
        let engine = engine.as_ref().expect("the base image is booted");
        (engine.runtime.context().clone(), engine.driver.clone())
    });
    context.with(|ctx| {
        let driver = driver.restore(&ctx).expect("the driver belongs to this runtime");
        f(&ctx, &driver)
    })
}

/// The driver, for code that JavaScript has called.
pub(crate) fn driver<'js>(ctx: &Ctx<'js>) -> Option<Object<'js>> {
    let saved = ENGINE.with_borrow(|engine| engine.as_ref().map(|e| e.driver.clone()))?;
    saved.restore(ctx).ok()
}

pub(crate) fn set_namespace(namespace: Persistent<Object<'static>>) {
    ENGINE.with_borrow_mut(|engine| engine.as_mut().expect("the base image is booted").namespace = Some(namespace));
}

pub(crate) fn namespace<'js>(ctx: &Ctx<'js>) -> Option<Object<'js>> {
    let saved = ENGINE.with_borrow(|engine| engine.as_ref().and_then(|e| e.namespace.clone()))?;
    saved.restore(ctx).ok()
}
