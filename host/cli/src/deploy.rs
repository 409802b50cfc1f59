//! `belljar deploy` and `belljar approve`: shows what an applet asks for before anything is granted.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use belljar_package::{PACKAGE_BYTES_MAX, Permissions};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::args::operator::{ApproveArgs, DeployArgs};
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::remote::{Remote, Sent, escaped, with};
use crate::report::base64;
use crate::table::{size, text};
use crate::{files, inspect, problems, terminal};

/// Bytes of files with grants and config.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Installs or updates an applet.
///
/// # Errors
/// When it cannot be built or read, and what the server says.
pub(crate) fn run(args: &DeployArgs) -> Result<i32, Failure> {
    let package = package(&args.path, args.server.json)?;
    let given = args.grant.as_deref().map(grant).transpose()?.or_else(|| args.yes.then(|| json!("all")));
    let config = args.config.as_deref().map(|text| object(text, "--config")).transpose()?;
    let secrets = secrets(&args.secret_env)?;
    with(&args.server, async |remote: Remote| {
        let tenant = escaped(&args.tenant);
        let mut plan =
            remote.ask(Method::POST, &format!("/v1/tenants/{tenant}/plan"), Sent::Package(package.clone())).await?;
        // What comes with this command is not missing; the server checks it when it is there.
        if let Some(missing) = plan["missing_secrets"].as_array_mut() {
            missing.retain(|name| secrets.get(name.as_str().unwrap_or_default()).is_none());
        }
        if config.is_some() {
            plan["config_problems"] = json!([]);
        }
        if args.plan {
            if args.server.json {
                terminal::stdout(format!("{}\n", terminal::json(&plan.to_string())).as_bytes())?;
            } else {
                show(&args.tenant, &plan);
            }
            let waits = plan["needs_approval"] == true && given.is_none();
            return Ok(if waits { exit_codes::NEEDS_APPROVAL } else { exit_codes::OK });
        }
        let asks_more = plan["needs_approval"] == true;
        if !args.server.json {
            show(&args.tenant, &plan);
        }
        let granted = match given {
            Some(given) => given,
            None if asks_more && is_interactive() && ask("Grant this?")? => json!("all"),
            None => json!("standing"),
        };
        let body = json!({ "package": base64(&package), "grant": granted, "config": config, "secrets": secrets });
        let sent =
            remote.ask_with_status(Method::POST, &format!("/v1/tenants/{tenant}/install"), Sent::Json(body)).await?;
        finish(&args.tenant, &text(&plan["applet"]), sent, args.server.json)
    })
}

/// Approves a release that waits, or refuses it.
///
/// # Errors
/// What the server says.
pub(crate) fn approve(args: &ApproveArgs) -> Result<i32, Failure> {
    let granted = grant(&args.grant)?;
    with(&args.server, async |remote: Remote| {
        let (tenant, applet) = (&args.name.tenant, &args.name.applet);
        let path = format!("/v1/tenants/{}/applets/{}", escaped(tenant), escaped(applet));
        if args.refuse {
            remote.ask(Method::POST, &format!("{path}/reject"), Sent::Nothing).await?;
            return told(
                &json!({ "ok": true }),
                &format!("{tenant}/{applet}: refused; what was in force still is"),
                args.server.json,
            );
        }
        let info = remote.ask(Method::GET, &path, Sent::Nothing).await?;
        let pending = &info["pending"];
        if pending.is_null() {
            let message = format!("nothing of {tenant}/{applet} waits for approval");
            return Err(Failure::new("not-found", message)
                .exiting(exit_codes::NOT_FOUND)
                .hint("`belljar list` shows what does"));
        }
        if !args.server.json {
            let (version, by) = (text(&pending["version"]), text(&pending["asked_by"]));
            terminal::stderr(&format!(
                "{tenant}/{applet} {} waits, from {}\n",
                terminal::one_line(&version),
                terminal::one_line(&by)
            ));
        }
        if !args.yes && is_interactive() && !ask("Approve it?")? {
            return Err(Failure::new("needs-approval", "it was not approved").exiting(exit_codes::NEEDS_APPROVAL));
        }
        let body = json!({ "digest": pending["digest"], "grant": granted });
        let sent = remote.ask_with_status(Method::POST, &format!("{path}/approve"), Sent::Json(body)).await?;
        finish(tenant, applet, sent, args.server.json)
    })
}

/// A package file, or a folder that is built.
pub(crate) fn package(path: &Path, is_quiet: bool) -> Result<Vec<u8>, Failure> {
    if !path.is_dir() {
        return files::read(path, PACKAGE_BYTES_MAX as u64);
    }
    let built = belljar_build::build(path)?;
    if !is_quiet {
        problems::show(&built.notices);
    }
    built.package.encode().map_err(|error| Failure::new("build", chain(&error)))
}

/// What was done, in JSON or in words; exit code 0.
pub(crate) fn told(answer: &Value, words: &str, is_json: bool) -> Result<i32, Failure> {
    if is_json {
        terminal::stdout(format!("{}\n", terminal::json(&answer.to_string())).as_bytes())?;
    } else {
        terminal::stderr(&format!("{}\n", terminal::lines(words)));
    }
    Ok(exit_codes::OK)
}

/// Asks a person; nothing means no.
pub(crate) fn ask(question: &str) -> Result<bool, Failure> {
    terminal::stderr(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new("unreadable", format!("standard input cannot be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Whether there is a person to ask.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// JSON in place, or in a file after `@`, that is an object.
pub(crate) fn object(given: &str, what: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        Some(path) => files::text(files::read(Path::new(path), FILE_BYTES_MAX)?, path)?,
        None if given == "-" => files::text(files::stdin(FILE_BYTES_MAX)?, "standard input")?,
        None => given.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::usage(format!("{what} is no JSON object"))),
        Err(error) => Err(Failure::usage(format!("{what} is not JSON: {error}"))),
    }
}

fn grant(given: &str) -> Result<Value, Failure> {
    if given == "all" {
        return Ok(json!("all"));
    }
    let value = object(&format!("@{given}"), &format!("the grants in {given}"))?;
    let named = value.as_object().cloned().unwrap_or_default();
    belljar_server::admin::permissions(named).map_err(|error| {
        Failure::usage(format!("{given} holds no permissions: {error}"))
            .hint("its keys are those of `permissions` in `belljar inspect --json`")
    })?;
    Ok(value)
}

/// Secrets out of the environment.
fn secrets(given: &[String]) -> Result<Value, Failure> {
    let mut secrets = serde_json::Map::new();
    for pair in given {
        let (name, variable) = pair.split_once('=').unwrap_or((pair, pair));
        let value = std::env::var(variable).map_err(|_| {
            Failure::usage(format!("--secret-env {pair}: the variable {variable} is not set, or no text"))
        })?;
        secrets.insert(name.to_owned(), value.into());
    }
    Ok(Value::Object(secrets))
}

/// What it would mean, for people.
fn show(tenant: &str, plan: &Value) {
    let version = match plan["from_version"].as_str() {
        Some(from) => format!("{from} → {}", text(&plan["version"])),
        None => text(&plan["version"]),
    };
    let mut words = format!("{tenant}/{} {version}, {}\n", text(&plan["applet"]), size(&plan["bytes"]));
    let permissions = |key: &str| serde_json::from_value::<Permissions>(plan[key].clone()).unwrap_or_default();
    let (asks, new) = (permissions("asks"), permissions("new"));
    let (is_update, new_lines) = (!plan["from_version"].is_null(), inspect::asked(&new));
    for line in inspect::asked(&asks) {
        let mark = if is_update && new_lines.contains(&line) { "  new" } else { "" };
        words.push_str(&format!("  asks for {line}{mark}\n"));
    }
    for risk in inspect::risks(&asks) {
        words.push_str(&format!("  RISK {risk}\n"));
    }
    for name in plan["migrations"].as_array().into_iter().flatten() {
        words.push_str(&format!("  migration {}\n", text(name)));
    }
    for name in plan["missing_secrets"].as_array().into_iter().flatten() {
        words.push_str(&format!("  missing secret {}\n", text(name)));
    }
    for problem in plan["config_problems"].as_array().into_iter().flatten() {
        words.push_str(&format!("  config: {problem}\n"));
    }
    for (key, note) in [
        ("is_downgrade", "this version is lower than the one in force"),
        ("finds_data", "data of an earlier installation is there"),
    ] {
        if plan[key] == true {
            words.push_str(&format!("  note: {note}\n"));
        }
    }
    terminal::stderr(&terminal::lines(&words));
}

/// What came of it.
fn finish(tenant: &str, applet: &str, (status, answer): (StatusCode, Value), is_json: bool) -> Result<i32, Failure> {
    let waits = status == StatusCode::ACCEPTED;
    if is_json {
        terminal::stdout(format!("{}\n", terminal::json(&answer.to_string())).as_bytes())?;
        return Ok(if waits { exit_codes::NEEDS_APPROVAL } else { exit_codes::OK });
    }
    if waits {
        let message = format!(
            "{tenant}/{applet} asks for more than was granted: it waits for approval, what was in force still is"
        );
        return Err(Failure::new("needs-approval", message)
            .exiting(exit_codes::NEEDS_APPROVAL)
            .hint(format!("`belljar approve {tenant}/{applet}` grants it")));
    }
    let release = &answer["release"];
    let done = if answer["state"] == "unchanged" { "was in force already" } else { "is in force" };
    let applied: Vec<String> = answer["migrations"].as_array().into_iter().flatten().map(text).collect();
    let applied =
        if applied.is_empty() { String::new() } else { format!("; migrations applied: {}", applied.join(", ")) };
    let words = format!(
        "{tenant}/{applet} {} {done}, release {}{applied}",
        text(&release["version"]),
        text(&release["number"])
    );
    told(&answer, &words, false)
}
