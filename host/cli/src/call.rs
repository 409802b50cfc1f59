//! `belljar call`: one call of a handler that is installed on a server.

use belljar::{Body, Request};
use http::Method;
use serde_json::{Value, json};

use crate::applets::path;
use crate::args::operator::CallArgs;
use crate::exit_codes;
use crate::failure::Failure;
use crate::files::{self, INPUT_BYTES_MAX};
use crate::remote::{Remote, Sent, with};
use crate::report::base64;
use crate::table::text;
use crate::{pretty, request_file, terminal};

/// Calls a handler; the exit code is its fault's.
///
/// # Errors
/// What keeps it from being called.
pub(crate) fn run(args: &CallArgs) -> Result<i32, Failure> {
    let mut body = json!({ "handler": args.handler, "user": args.user });
    match &args.request {
        Some(file) => {
            let request = request_file::parse(&files::read(file, INPUT_BYTES_MAX)?).map_err(|what| {
                Failure::new("invalid-payload", format!("{} is no HTTP request: {what}", file.display()))
                    .exiting(exit_codes::INVALID_PAYLOAD)
            })?;
            body["request"] = as_json(&request);
        }
        None => body["payload"] = payload(&args.payload)?,
    }
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::POST, &format!("{}/call", path(&args.name)), Sent::Json(body)).await?;
        let fault = &answer["fault"];
        if args.server.json {
            terminal::stdout(format!("{}\n", terminal::json(&answer.to_string())).as_bytes())?;
        } else if fault.is_object() {
            show_fault(fault);
        } else if answer["response"].is_object() {
            show_response(&answer["response"])?;
        } else {
            let value = answer["value"].to_string();
            let shown = if terminal::stdout_is_terminal() { terminal::json(&pretty::json(&value)) } else { value };
            terminal::stdout(format!("{shown}\n").as_bytes())?;
        }
        let code = fault["code"].as_str();
        let known = code.and_then(|code| belljar::FaultCode::ALL.into_iter().find(|known| known.as_str() == code));
        Ok(match (code, known) {
            (None, _) => exit_codes::OK,
            (Some(_), Some(known)) => exit_codes::of(known),
            // A later server may know more.
            (Some(_), None) => exit_codes::FAILED,
        })
    })
}

pub(crate) fn payload(given: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        Some(path) => files::text(files::read(path.as_ref(), INPUT_BYTES_MAX)?, path)?,
        None if given == "-" => files::text(files::stdin(INPUT_BYTES_MAX)?, "standard input")?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::new("invalid-payload", format!("the payload is not JSON: {error}"))
            .exiting(exit_codes::INVALID_PAYLOAD)
    })
}

fn as_json(request: &Request) -> Value {
    let Request { method, url, headers, body } = request;
    let mut json = json!({ "method": method, "url": url, "headers": headers });
    match body {
        Body::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json["body"] = text.into(),
            Err(_) => json["body_base64"] = base64(bytes).into(),
        },
        Body::Stream(_) => {}
    }
    json
}

fn show_fault(fault: &Value) {
    let paint = terminal::stderr_paint();
    let head = paint.error(&format!("error[{}]", terminal::one_line(&text(&fault["code"]))));
    let mut words = format!("{head}: {}\n", terminal::lines(&text(&fault["message"])));
    let first = fault["errors"].as_array().and_then(|errors| errors.first());
    let frames = first.map_or(&fault["frames"], |error| &error["frames"]);
    for frame in frames.as_array().into_iter().flatten().take(10) {
        let place = format!("{}:{}:{}", text(&frame["file"]), text(&frame["line"]), text(&frame["column"]));
        words.push_str(&format!("  at {}\n", terminal::one_line(&place)));
    }
    terminal::stderr(&words);
}

fn show_response(response: &Value) -> Result<(), Failure> {
    let headers: Vec<(String, String)> = serde_json::from_value(response["headers"].clone()).unwrap_or_default();
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    crate::run::print_head(status, &headers);
    match response["body"].as_str() {
        Some(body) if terminal::stdout_is_terminal() => {
            terminal::stdout(format!("{}\n", terminal::lines(body)).as_bytes())
        }
        Some(body) => terminal::stdout(body.as_bytes()),
        None => {
            terminal::stderr("the body is not text: --json has it as base64\n");
            Ok(())
        }
    }
}
