//! What a handler is called with, from wherever the command line says.

use std::path::Path;

use belljar::Payload;

use crate::args::RunArgs;
use crate::exit_codes;
use crate::failure::Failure;
use crate::files::{self, INPUT_BYTES_MAX};
use crate::request_file;

/// The payload when nothing is given.
pub(crate) const EMPTY: &str = "{}";

/// Reads the payload: a request file, JSON in place, JSON in a file, or JSON from standard input.
///
/// # Errors
/// When it cannot be read, is no text, or no request. Whether it is JSON the sandbox finds out.
pub(crate) fn read(args: &RunArgs) -> Result<Payload, Failure> {
    if let Some(path) = &args.request {
        let request = request_file::parse(&files::read(path, INPUT_BYTES_MAX)?);
        return request.map(Payload::Request).map_err(|what| {
            Failure::new("invalid-payload", format!("{} is no HTTP request: {what}", path.display()))
                .exiting(exit_codes::INVALID_PAYLOAD)
        });
    }
    let json = match args.payload.as_deref().or(args.input.as_deref()) {
        Some("-") => text(files::stdin(INPUT_BYTES_MAX)?, "standard input")?,
        Some(payload) => match payload.strip_prefix('@') {
            Some(path) => text(files::read(Path::new(path), INPUT_BYTES_MAX)?, path)?,
            None => payload.to_owned(),
        },
        None if files::stdin_is_given() => {
            let json = text(files::stdin(INPUT_BYTES_MAX)?, "standard input")?;
            if json.trim().is_empty() { EMPTY.to_owned() } else { json }
        }
        None => EMPTY.to_owned(),
    };
    Ok(Payload::Json(json))
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Failure> {
    files::text(bytes, name)
        .map_err(|failure| Failure { code: "invalid-payload", ..failure.exiting(exit_codes::INVALID_PAYLOAD) })
}
