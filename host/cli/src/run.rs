//! `belljar run`: one call of one handler.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use belljar::package::{Descriptor, Handler, PACKAGE_BYTES_MAX, Trigger};
use belljar::{
    Digest, Host, HttpReply, Invocation, Limits, LogFormat, MemorySink, Outcome, Payload, Recording, Release, Response,
    ResponseSink, WriterSink,
};
use serde_json::json;

use crate::args::RunArgs;
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::sources::Sources;
use crate::streamed::StreamedResponse;
use crate::{files, local, payload, present, pretty, problems, report, routes, settings, terminal};

/// Lines kept for --json, beyond every limit of an invocation.
const LOG_RECORDS_MAX: usize = 1 << 20;

/// Runs a handler; the exit code is its fault's.
///
/// # Errors
/// Everything that keeps the handler from being called.
pub(crate) fn run(args: &RunArgs) -> Result<i32, Failure> {
    let tenant = local::tenant(&args.tenant)?;
    let limits = local::limits(Limits::default(), &args.limits);
    let release = Release::admit_all(tenant, &package(args)?, &limits)?;
    let payload = payload::read(args)?;
    let descriptor = &release.package().descriptor;
    let handler = handler(args, descriptor, &payload)?;
    let mut invocation = invocation(handler, payload);
    invocation.user = args.user.clone();
    invocation.config = settings::config(args.config.as_deref())?;
    invocation.params = routes::params(handler, &invocation.payload);

    let is_bound_to_world = !release.grants().http.is_empty() || descriptor.runtime.engine.is_process();
    let (mut builder, beginning) =
        local::repeating(local::builder(limits, &args.test_host), &args.repeat, is_bound_to_world)?;
    if release.grants().db || release.grants().kv {
        builder = builder.data_dir(&args.data_dir);
    }
    if !release.grants().secrets.is_empty() {
        builder = builder.secrets(Arc::new(settings::Secrets::read(args, &release.grants().secrets)?));
    } else if let Some(unasked) = args.secret.iter().chain(&args.secret_file).next() {
        let name = unasked.split('=').next().unwrap_or_default();
        return Err(Failure::usage(format!("the applet asks for no secret, {name:?} neither"))
            .hint("name it in permissions.secrets of the manifest"));
    }
    let paint = terminal::stderr_paint();
    if args.json {
        let sink = MemorySink::new(LOG_RECORDS_MAX);
        let host = builder.log(Arc::new(sink.clone())).build()?;
        let outcome = bounded(local::wait_for(recorded(&host, &release, invocation, args.record.as_deref(), None))??);
        let applet = applet(descriptor, release.digest());
        terminal::stdout(report::of(&outcome, &sink.take(), Some(&applet), beginning).as_bytes())?;
        return Ok(exit_code(&outcome));
    }
    let sink =
        WriterSink::new(LogFormat::Terminal { colour: paint.on }, io::stderr()).context("the log cannot be written")?;
    let sink = Arc::new(sink);
    let host = builder.log(sink.clone()).build()?;
    let mut response = StreamedResponse::default();
    let outcome =
        bounded(local::wait_for(recorded(&host, &release, invocation, args.record.as_deref(), Some(&mut response)))??);
    sink.flush();
    response.finish()?;
    match &outcome.result {
        Ok(Response::Streamed(_)) => {}
        Ok(Response::Value(value)) => print_value(value.as_deref())?,
        Ok(Response::Http(reply)) => print_reply(reply)?,
        Err(fault) => {
            let sources = Sources::of_map(&release.package().source_map);
            terminal::stderr(&present::fault(fault, &sources, paint));
        }
    }
    if args.verbose {
        terminal::stderr(&paint.dim(&present::usage(&outcome.usage)));
        terminal::stderr(&paint.dim(&present::beginning(beginning)));
    }
    Ok(exit_code(&outcome))
}

/// Invokes, and writes the recording if one is wanted.
async fn recorded(
    host: &Host,
    release: &Release,
    invocation: Invocation,
    file: Option<&Path>,
    sink: Option<&mut dyn ResponseSink>,
) -> Result<Outcome, Failure> {
    let Some(file) = file else {
        return Ok(match sink {
            Some(sink) => host.invoke_streaming(release, invocation, sink).await,
            None => host.invoke(release, invocation).await,
        });
    };
    let (outcome, recording) = match sink {
        Some(sink) => host.invoke_streaming_recorded(release, invocation, sink).await,
        None => host.invoke_recorded(release, invocation).await,
    };
    let package = release.package().encode().map_err(|error| Failure::new("record", chain(&error)))?;
    write_recording(file, recording, Some(package))?;
    Ok(outcome)
}

/// Writes a recording, with the package that it is of.
///
/// # Errors
/// When there is none, or it cannot be written.
pub(crate) fn write_recording(
    file: &Path,
    recording: Option<Recording>,
    package: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new("record", chain(error));
    let Some(mut recording) = recording else {
        return Err(Failure::new(
            "record",
            "nothing was recorded: it did not begin, or runs in a process, which is not recorded",
        ));
    };
    if let Some(package) = package {
        recording.attach(package).map_err(|error| failed(&error))?;
    }
    let bytes = recording.encode(None).map_err(|error| failed(&error))?;
    std::fs::write(file, bytes)
        .map_err(|error| Failure::new("record", format!("{} cannot be written: {error}", file.display())))
}

/// An outcome that is safe to show: what is huge is cut, what should be JSON is.
pub(crate) fn bounded(outcome: Outcome) -> Outcome {
    let outcome = report::checked(outcome);
    Outcome { result: outcome.result.map_err(present::bounded), ..outcome }
}

/// The exit code of an outcome.
pub(crate) fn exit_code(outcome: &Outcome) -> i32 {
    outcome.result.as_ref().map_or_else(|fault| exit_codes::of(fault.code), |_| exit_codes::OK)
}

/// Bytes of the package: of the file, or of what the folder builds into.
fn package(args: &RunArgs) -> Result<Vec<u8>, Failure> {
    if args.path.is_dir() {
        let built = belljar_build::build(&args.path)?;
        if !args.json {
            problems::show(&built.notices);
        }
        return built.package.encode().map_err(|error| Failure::new("build", chain(&error)));
    }
    files::read(&args.path, PACKAGE_BYTES_MAX as u64)
}

/// The call as its trigger would make it: a schedule, or an event, calls the handler of that kind.
fn invocation(handler: &Handler, payload: Payload) -> Invocation {
    let mut invocation = Invocation::new(&handler.name, payload);
    if let Payload::Json(json) = &mut invocation.payload {
        match &handler.trigger {
            Trigger::Schedule { cron, .. } => {
                invocation.trigger = "schedule".into();
                if json.trim() == payload::EMPTY {
                    *json = json!({ "cron": cron }).to_string();
                }
            }
            Trigger::Event { .. } => invocation.trigger = "event".into(),
            _ => {}
        }
    }
    invocation
}

/// The handler that is meant.
fn handler<'a>(args: &RunArgs, descriptor: &'a Descriptor, payload: &Payload) -> Result<&'a Handler, Failure> {
    let handlers = &descriptor.handlers;
    let found = match (&args.handler, payload) {
        (Some(name), _) => handlers
            .iter()
            .find(|handler| handler.name == *name)
            .ok_or_else(|| format!("{} has no handler {name:?}; it has: {}", descriptor.id, routes::names(handlers))),
        (None, Payload::Request(request)) => routes::by_request(handlers, &request.method, &request.url),
        (None, Payload::Json(_) | Payload::Messages(_)) => routes::by_default(handlers),
    };
    found.map_err(|message| {
        Failure::new("handler-not-found", message)
            .exiting(exit_codes::HANDLER_NOT_FOUND)
            .hint("name one with --handler")
    })
}

fn applet(descriptor: &Descriptor, digest: Digest) -> serde_json::Value {
    json!({ "id": descriptor.id, "version": descriptor.version, "digest": digest.to_hex() })
}

/// JSON as the applet made it; indented for people. `undefined` prints nothing.
fn print_value(value: Option<&str>) -> Result<(), Failure> {
    let Some(json) = value else { return Ok(()) };
    let text = if terminal::stdout_is_terminal() { terminal::json(&pretty::json(json)) } else { json.to_owned() };
    terminal::stdout(format!("{text}\n").as_bytes())
}

/// Status and headers on stderr, the body on stdout: byte for byte, unless a person looks at it.
fn print_reply(reply: &HttpReply) -> Result<(), Failure> {
    print_head(reply.status, &reply.headers);
    if terminal::stdout_is_terminal() {
        let text = terminal::lines(&String::from_utf8_lossy(&reply.body));
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return terminal::stdout(format!("{text}{end}").as_bytes());
    }
    terminal::stdout(&reply.body)
}

pub(crate) fn print_head(status: u16, headers: &[(String, String)]) {
    let mut head = format!("HTTP {status}\n");
    for (name, value) in headers {
        head.push_str(&format!("{}: {}\n", terminal::one_line(name), terminal::one_line(value)));
    }
    terminal::stderr(&format!("{head}\n"));
}
