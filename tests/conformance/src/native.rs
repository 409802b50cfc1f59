//! The same programs in native QuickJS of the same version: what it passes is the denominator. It runs in a child process that takes
//! one program a line, so that a crash ends the child and not the run.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use belljar_conformance::{End, Program, Ran};
use rquickjs::context::EvalOptions;
use rquickjs::function::Rest;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::promise::PromiseState;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Error, Exception, Function, Module, Object, Runtime, Value};

/// As the sandbox has it, and more stack than it: native frames are larger.
const MEMORY_BYTES_MAX: usize = 384 << 20;
const STACK_BYTES_MAX: usize = 2 << 20;
/// How long a program may run, and how long its child is waited for: this machine may be busy.
const TIME_MAX: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(90);

/// What decides, besides a program, what native QuickJS makes of it: results of another are not taken from the cache.
pub(crate) const VERSION: &str = "rquickjs 0.12.2, runner 1";

/// The child's main loop.
///
/// # Errors
/// When the pipe to the parent breaks.
pub(crate) fn serve() -> Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let program: Program = serde_json::from_str(&line?).context("a program is a line of JSON")?;
        let mut ran = serde_json::to_vec(&run(program))?;
        ran.push(b'\n');
        output.write_all(&ran)?;
        output.flush()?;
    }
    Ok(())
}

/// Runs a program in a new runtime.
fn run(program: Program) -> Ran {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let begun = Instant::now();
    let end = evaluate(program, &lines).unwrap_or_else(|error| End::Threw("Uncaught".into(), error.to_string()));
    let end = if begun.elapsed() > TIME_MAX { End::Limit("time".into()) } else { end };
    Ran { lines: lines.take(), end }
}

fn evaluate(program: Program, lines: &Rc<RefCell<Vec<String>>>) -> rquickjs::Result<End> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(MEMORY_BYTES_MAX);
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    let begun = Instant::now();
    runtime.set_interrupt_handler(Some(Box::new(move || begun.elapsed() > TIME_MAX)));
    let program = Rc::new(program);
    runtime.set_loader(Imports(program.clone()), Imports(program.clone()));
    let context = Context::full(&runtime)?;
    context.with(|ctx| {
        let sink = lines.clone();
        let print = Function::new(ctx.clone(), move |values: Rest<Value<'_>>| print(&sink, &values.0))?;
        let property = rquickjs::object::Property::from(print).writable().configurable();
        ctx.globals().prop("print", property)?;
        if program.is_module {
            let evaluated = Module::declare(ctx.clone(), program.name.as_str(), program.source.as_str())
                .and_then(Module::eval)
                .catch(&ctx);
            let (_module, promise) = match evaluated {
                Ok(evaluated) => evaluated,
                Err(error) => return Ok(threw(&ctx, error)),
            };
            while ctx.execute_pending_job() {}
            return Ok(match promise.state() {
                PromiseState::Resolved => End::Completed,
                PromiseState::Pending => End::Threw("Unsettled".into(), "the module's promise does not settle".into()),
                PromiseState::Rejected => match promise.result::<Value<'_>>().map(|result| result.catch(&ctx)) {
                    Some(Err(error)) => threw(&ctx, error),
                    _ => End::Threw("Uncaught".into(), String::new()),
                },
            });
        }
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some(program.name.clone());
        let evaluated = ctx.eval_with_options::<Value<'_>, _>(program.source.as_str(), options).catch(&ctx).map(drop);
        let end = evaluated.map_or_else(|error| threw(&ctx, error), |()| End::Completed);
        while ctx.execute_pending_job() {}
        Ok(end)
    })
}

fn print(lines: &Rc<RefCell<Vec<String>>>, values: &[Value<'_>]) -> rquickjs::Result<()> {
    let texts = values.iter().map(|value| Ok(value.get::<rquickjs::Coerced<String>>()?.0));
    let line = texts.collect::<rquickjs::Result<Vec<_>>>()?.join(" ");
    lines.borrow_mut().push(line);
    Ok(())
}

/// The name and message of what was thrown; what has no name is `Uncaught`, and its text.
fn threw<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> End {
    let value = match error {
        CaughtError::Exception(exception) => exception.into_object().into_value(),
        CaughtError::Value(value) => value,
        CaughtError::Error(error) => return End::Threw("Uncaught".into(), error.to_string()),
    };
    let text = |name: &str| {
        let value = value.as_object().and_then(|object: &Object<'js>| object.get::<_, Value<'js>>(name).ok());
        // A getter that throws leaves an exception behind.
        ctx.catch();
        value.and_then(|value| value.as_string().and_then(|text| text.to_string().ok()))
    };
    if let (Some(name), Some(message)) = (text("name"), text("message")) {
        return End::Threw(name, message);
    }
    let shown = value.get::<rquickjs::Coerced<String>>().map(|text| text.0).unwrap_or_default();
    ctx.catch();
    End::Threw("Uncaught".into(), shown)
}

struct Imports(Rc<Program>);

impl Resolver for Imports {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        let found = self.0.import(name, base);
        found.map(|(name, _)| name).map_err(|message| Exception::throw_reference(ctx, &message))
    }
}

impl Loader for Imports {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        // A name is a path below the folder, or the extra module's own.
        let beside = format!("./{name}");
        let specifier = if name.starts_with("./") { name } else { &beside };
        let (_, source) = self.0.import(specifier, "").map_err(|_| Error::new_loading(name))?;
        Module::declare(ctx.clone(), name, source)
    }
}

/// The child, as its parent sees it.
#[derive(Default)]
pub(crate) struct Native(Option<(Child, ChildStdin, Receiver<String>)>);

impl Native {
    /// Runs a program; a child that is gone is started anew with the next one.
    ///
    /// # Errors
    /// When no child can be started.
    pub(crate) fn run(&mut self, program: &Program) -> Result<Ran> {
        let mut line = serde_json::to_vec(program)?;
        line.push(b'\n');
        let (mut child, mut input, output) = match self.0.take() {
            Some(running) => running,
            None => start()?,
        };
        let ended = |end| Ran { lines: Vec::new(), end };
        // A pipe that breaks shows at its other end too.
        let _ = input.write_all(&line).and_then(|()| input.flush());
        match output.recv_timeout(PATIENCE) {
            Ok(answer) => {
                self.0 = Some((child, input, output));
                serde_json::from_str(&answer).context("the child answers with a line of JSON")
            }
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                Ok(ended(End::Limit("time".into())))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(ended(End::Crashed(child.wait()?.to_string()))),
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.0.take() {
            drop(input);
            // It ends with its input.
            let _ = child.wait();
        }
    }
}

fn start() -> Result<(Child, ChildStdin, Receiver<String>)> {
    let program = std::env::current_exe().context("this program's file is not known")?;
    let mut child = Command::new(program)
        .arg("native")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("the child for native QuickJS cannot be started")?;
    let (input, output) = child.stdin.take().zip(child.stdout.take()).context("a child with pipes has pipes")?;
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    Ok((child, input, receive))
}
