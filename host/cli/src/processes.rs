//! `belljar processes`: the processes of applets that run in one.

use http::Method;
use serde_json::{Value, json};

use crate::args::operator::ProcessesCommand;
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, count, text};

/// Lists them, or has an applet's start anew.
///
/// # Errors
/// What the server says.
pub(crate) fn run(command: &ProcessesCommand) -> Result<i32, Failure> {
    match command {
        ProcessesCommand::List { server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, "/v1/processes", Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&[
                "applet",
                "version",
                "engine",
                "state",
                "jail",
                ">processes",
                ">calls",
                ">failures",
                "reason",
            ]);
            for item in answer["items"].as_array().into_iter().flatten() {
                let processes: Vec<String> = item["processes"].as_array().into_iter().flatten().map(count).collect();
                table.row([
                    format!("{}/{}", text(&item["tenant"]), text(&item["applet"])),
                    text(&item["version"]),
                    text(&item["engine"]),
                    text(&item["state"]),
                    jail(&item["jails"][0]),
                    processes.join(" "),
                    count(&item["calls"]),
                    count(&item["failures"]),
                    text(&item["reason"]),
                ]);
            }
            table.print("no applet has a process: those in the sandbox need none")?;
            Ok(exit_codes::OK)
        }),
        ProcessesCommand::Reset { applet, server } => with(server, async |remote: Remote| {
            let path =
                format!("/v1/tenants/{}/applets/{}/processes/reset", escaped(&applet.tenant), escaped(&applet.applet));
            remote.ask(Method::POST, &path, Sent::Nothing).await?;
            told(
                &json!({ "ok": true }),
                &format!("the processes of {}/{} start anew with the next call", applet.tenant, applet.applet),
                server.json,
            )
        }),
    }
}

/// How many of its layers are active.
fn jail(report: &Value) -> String {
    let Some(layers) = report["layers"].as_array() else { return "-".into() };
    let active = layers.iter().filter(|layer| layer["active"] == true).count();
    format!("{active} of {}", layers.len())
}
