//! `belljar status`, `backup`, `restore`, `completions`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;

use crate::args::Cli;
use crate::args::operator::{BackupArgs, CompletionsArgs, RestoreArgs, StatusArgs};
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::present::grouped;
use crate::remote::{Remote, Sent, with};
use crate::table::{Table, count, size, text};
use crate::terminal;

/// Shows how a server stands; the exit code tells whether it takes requests.
///
/// # Errors
/// What the server says.
pub(crate) fn status(args: &StatusArgs) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::GET, "/v1/status", Sent::Nothing).await?;
        let exit = if answer["is_ready"] == true { exit_codes::OK } else { exit_codes::UNAVAILABLE };
        if args.server.json {
            told(&answer, "", true)?;
            return Ok(exit);
        }
        let state = match answer["why_not"].as_str() {
            None => "takes requests".to_owned(),
            Some(why) => format!("takes no requests: {why}"),
        };
        let mut table = Table::new(&["belljar", "value"]);
        table.row(["version".into(), text(&answer["version"])]);
        table.row(["state".into(), state]);
        table.row(["uptime".into(), format!("{} s", count(&answer["uptime_s"]))]);
        table.row(["under way".into(), count(&answer["in_flight"])]);
        table.row(["tenants, applets".into(), format!("{}, {}", count(&answer["tenants"]), count(&answer["applets"]))]);
        let history = &answer["history"];
        table.row(["history".into(), format!("{}, {} entries lost", size(&history["bytes"]), count(&history["lost"]))]);
        for note in answer["notes"].as_array().into_iter().flatten() {
            table.row(["note".into(), text(note)]);
        }
        table.print("")?;
        Ok(exit)
    })
}

/// Writes a backup.
///
/// # Errors
/// What the server says, and when the file cannot be written; then nothing is left of it.
pub(crate) fn backup(args: &BackupArgs) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let response = remote.send(Method::POST, "/v1/backup", Sent::Nothing).await?;
        let bytes = save(response, &args.file).await?;
        let answer = json!({ "ok": true, "file": args.file.display().to_string(), "bytes": bytes });
        told(&answer, &format!("{}: {} bytes", args.file.display(), grouped(bytes)), args.server.json)
    })
}

/// Makes a data directory from a backup.
///
/// # Errors
/// When the archive is not whole, or the directory is not empty.
pub(crate) fn restore(args: &RestoreArgs) -> Result<i32, Failure> {
    let name = args.file.display();
    let mut archive = File::open(&args.file)
        .map_err(|error| Failure::new("unreadable", format!("{name} cannot be read: {error}")))?;
    let report = belljar_server::catalog::restore(&mut archive, &args.data_dir)
        .map_err(|error| Failure::new("restore", error.to_string()).hint("the directory is as it was"))?;
    let answer =
        json!({ "ok": true, "entries": report.entries.len(), "data_dir": args.data_dir.display().to_string() });
    let words =
        format!("{}: {} files restored; start `belljar serve` on it", args.data_dir.display(), report.entries.len());
    told(&answer, &words, args.json)
}

/// Prints a completion script.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<i32, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "belljar", &mut script);
    terminal::stdout(&script)?;
    Ok(exit_codes::OK)
}

/// Writes an answer into a new file that only this user can read, as a whole or not at all.
pub(crate) async fn save(response: Response<Incoming>, path: &Path) -> Result<u64, Failure> {
    let failed =
        |error: &io::Error| Failure::new("unwritable", format!("{} cannot be written: {error}", path.display()));
    if path.exists() {
        return Err(
            Failure::new("unwritable", format!("{} is there already", path.display())).hint("choose another name")
        );
    }
    let begun = path.with_extension("part");
    let file = belljar_files::create(&begun);
    let mut file = file.map_err(|error| failed(&error))?;
    let written = async {
        let (mut body, mut bytes) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let broken = |error| Failure::new("server", format!("the server broke off, nothing was kept: {error}"));
            let frame = frame.map_err(broken)?;
            let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
            file.write_all(data).map_err(|error| failed(&error))?;
            bytes += data.len() as u64;
        }
        file.sync_all().map_err(|error| failed(&error))?;
        std::fs::rename(&begun, path).map_err(|error| failed(&error))?;
        Ok(bytes)
    }
    .await;
    if written.is_err() {
        // What cannot be removed is in nobody's way.
        let _ = std::fs::remove_file(&begun);
    }
    written
}
