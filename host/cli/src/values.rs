//! `belljar secrets` and `belljar config`: what a tenant sets for an applet.

use std::io::{self, IsTerminal};

use http::Method;
use serde_json::{Value, json};

use crate::applets::path;
use crate::args::operator::{ConfigCommand, SecretsCommand};
use crate::deploy::{object, told};
use crate::exit_codes;
use crate::failure::Failure;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, text, time};
use crate::{files, pretty, terminal};

/// Bytes of a secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Sets, lists or deletes secrets.
///
/// # Errors
/// What the server says.
pub(crate) fn secrets(command: &SecretsCommand) -> Result<i32, Failure> {
    match command {
        SecretsCommand::Set { name, secret, env, server } => {
            let value = value(secret, env.as_deref())?;
            with(server, async |remote: Remote| {
                let path = format!("{}/secrets/{}", path(name), escaped(secret));
                remote.ask(Method::PUT, &path, Sent::Json(json!({ "value": value }))).await?;
                told(
                    &json!({ "ok": true }),
                    &format!("{}/{}: secret {secret} is set", name.tenant, name.applet),
                    server.json,
                )
            })
        }
        SecretsCommand::List { name, server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, &format!("{}/secrets", path(name)), Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["name", "set", "declared", "hosts"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                let declared = match (item["is_declared"] == true, item["is_required"] == true) {
                    (true, true) => "required",
                    (true, false) => "optional",
                    (false, _) => "not any more",
                };
                let hosts: Vec<String> = item["hosts"].as_array().into_iter().flatten().map(text).collect();
                let hosts = if hosts.is_empty() { "the applet reads it".to_owned() } else { hosts.join(", ") };
                let set = if item["set_us"].is_null() { "no".to_owned() } else { time(&item["set_us"]) };
                table.row([text(&item["name"]), set, declared.to_owned(), hosts]);
            }
            table.print("no secrets are declared or set")?;
            Ok(exit_codes::OK)
        }),
        SecretsCommand::Delete { name, secret, server } => with(server, async |remote: Remote| {
            remote.ask(Method::DELETE, &format!("{}/secrets/{}", path(name), escaped(secret)), Sent::Nothing).await?;
            told(
                &json!({ "ok": true }),
                &format!("{}/{}: secret {secret} is deleted", name.tenant, name.applet),
                server.json,
            )
        }),
    }
}

/// Shows or replaces config.
///
/// # Errors
/// What the server says.
pub(crate) fn config(command: &ConfigCommand) -> Result<i32, Failure> {
    match command {
        ConfigCommand::Get { name, server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, &format!("{}/config", path(name)), Sent::Nothing).await?;
            show(&answer, server.json)
        }),
        ConfigCommand::Set { name, config, server } => {
            let config = object(config, "the config")?;
            with(server, async |remote: Remote| {
                let answer = remote.ask(Method::PUT, &format!("{}/config", path(name)), Sent::Json(config)).await?;
                show(&answer, server.json)
            })
        }
    }
}

/// What the applet sees, as JSON; all of the answer with `--json`.
fn show(answer: &Value, is_json: bool) -> Result<i32, Failure> {
    let shown = if is_json { answer.to_string() } else { pretty::json(&answer["resolved"].to_string()) };
    terminal::stdout(format!("{}\n", terminal::json(&shown)).as_bytes())?;
    Ok(exit_codes::OK)
}

/// A secret's value: from the environment, or from standard input without the line end.
fn value(secret: &str, env: Option<&str>) -> Result<String, Failure> {
    if let Some(variable) = env {
        return std::env::var(variable)
            .map_err(|_| Failure::usage(format!("the variable {variable} is not set, or no text")));
    }
    if io::stdin().is_terminal() {
        terminal::stderr(&format!("value of {secret} (it is shown as you type; end with Ctrl-D): "));
    }
    let mut text = files::text(files::stdin(SECRET_BYTES_MAX)?, "standard input")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Failure::usage("the secret is empty")
            .hint(format!("for example: printf %s \"$VALUE\" | belljar secrets set … {secret}")));
    }
    Ok(text)
}
