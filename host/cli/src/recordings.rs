//! `belljar recordings`: what a server has recorded.

use http::Method;
use serde_json::json;

use crate::args::replay::RecordingsCommand;
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::operations::save;
use crate::present::grouped;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, size, text};

/// Lists recordings, or gets one.
///
/// # Errors
/// What the server says.
pub(crate) fn run(command: &RecordingsCommand) -> Result<i32, Failure> {
    match command {
        RecordingsCommand::List { server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, "/v1/recordings", Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["invocation", ">size"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                table.row([text(&item["invocation"]), size(&item["bytes"])]);
            }
            table.print("nothing is recorded: the setting `record` says what is")?;
            Ok(exit_codes::OK)
        }),
        RecordingsCommand::Get { id, output, server } => with(server, async |remote: Remote| {
            let response = remote.send(Method::GET, &format!("/v1/recordings/{}", escaped(id)), Sent::Nothing).await?;
            let bytes = save(response, output).await?;
            let answer = json!({ "ok": true, "file": output.display().to_string(), "bytes": bytes });
            told(&answer, &format!("{}: {} bytes", output.display(), grouped(bytes)), server.json)
        }),
    }
}
