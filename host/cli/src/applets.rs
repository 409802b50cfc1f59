//! `belljar list`, `rollback`, `enable`, `disable`, `uninstall`: what is installed.

use http::Method;
use serde_json::{Value, json};

use crate::args::operator::{AppletName, ListArgs, RollbackArgs, SwitchArgs, UninstallArgs, tenant_and_applet};
use crate::deploy::{ask, is_interactive, told};
use crate::exit_codes;
use crate::failure::Failure;
use crate::operations::save;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, text, time};
use crate::terminal;

/// The path of an applet in the admin API.
pub(crate) fn path(name: &AppletName) -> String {
    format!("/v1/tenants/{}/applets/{}", escaped(&name.tenant), escaped(&name.applet))
}

/// Lists applets, or the releases of one.
///
/// # Errors
/// What the server says.
pub(crate) fn list(args: &ListArgs) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let what = args.what.as_deref().map(|what| tenant_and_applet(what));
        let (path, is_releases) = match what {
            None => ("/v1/applets".to_owned(), false),
            Some((tenant, None)) => (format!("/v1/tenants/{}/applets", escaped(tenant)), false),
            Some((tenant, Some(applet))) => {
                (format!("/v1/tenants/{}/applets/{}/releases", escaped(tenant), escaped(applet)), true)
            }
        };
        let answer = remote.ask(Method::GET, &path, Sent::Nothing).await?;
        if args.server.json {
            return told(&answer, "", true);
        }
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let mut table = if is_releases {
            Table::new(&[">release", "version", "made", "by", "digest", ""])
        } else {
            Table::new(&["tenant", "applet", "version", ">release", "state", "made", "waiting"])
        };
        for item in &items {
            if is_releases {
                let digest = text(&item["digest"]).chars().take(12).collect();
                let mark = if item["is_active"] == true { "in force" } else { "" };
                table.row([
                    text(&item["number"]),
                    text(&item["version"]),
                    time(&item["created_us"]),
                    text(&item["created_by"]),
                    digest,
                    mark.to_owned(),
                ]);
            } else {
                let release = &item["release"];
                table.row([
                    text(&item["tenant"]),
                    text(&item["applet"]),
                    text(&release["version"]),
                    text(&release["number"]),
                    text(&item["state"]),
                    time(&release["created_us"]),
                    text(&item["pending"]["version"]),
                ]);
            }
        }
        table.print("nothing is installed")?;
        Ok(exit_codes::OK)
    })
}

/// Goes back to a release.
///
/// # Errors
/// What the server says.
pub(crate) fn rollback(args: &RollbackArgs) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let path = format!("{}/rollback", path(&args.name));
        let answer = remote.ask(Method::POST, &path, Sent::Json(json!({ "to": args.to }))).await?;
        let release = &answer["release"];
        let mut words = format!(
            "{}/{}: release {} ({}) is in force, {} was",
            args.name.tenant,
            args.name.applet,
            text(&release["number"]),
            text(&release["version"]),
            text(&answer["from"])
        );
        let ahead: Vec<String> = answer["schema_ahead"].as_array().into_iter().flatten().map(text).collect();
        if !ahead.is_empty() {
            words.push_str(&format!(
                "\nnote: migrations that this release does not know stay applied: {}",
                ahead.join(", ")
            ));
        }
        told(&answer, &words, args.server.json)
    })
}

/// Lets an applet take calls, or stops it.
///
/// # Errors
/// What the server says.
pub(crate) fn switch(args: &SwitchArgs, is_enabled: bool) -> Result<i32, Failure> {
    let word = if is_enabled { "enable" } else { "disable" };
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::POST, &format!("{}/{word}", path(&args.name)), Sent::Nothing).await?;
        told(&answer, &format!("{}/{} is {word}d", args.name.tenant, args.name.applet), args.server.json)
    })
}

/// Uninstalls an applet.
///
/// # Errors
/// What the server says, and when its data cannot be written to the archive: then it stays installed.
pub(crate) fn uninstall(args: &UninstallArgs) -> Result<i32, Failure> {
    let AppletName { tenant, applet } = &args.name;
    let kept = if args.purge { "and delete its data now" } else { "and keep its data for 30 days" };
    if !args.yes {
        if !is_interactive() {
            return Err(Failure::usage(format!("uninstalling {tenant}/{applet} has to be confirmed")).hint("add --yes"));
        }
        if !ask(&format!("Uninstall {tenant}/{applet} {kept}?"))? {
            terminal::stderr("nothing was done\n");
            return Ok(exit_codes::FAILED);
        }
    }
    with(&args.server, async |remote: Remote| {
        if let Some(file) = &args.export {
            let response = remote.send(Method::GET, &format!("{}/export", path(&args.name)), Sent::Nothing).await?;
            save(response, file).await?;
        }
        remote.ask(Method::DELETE, &format!("{}?purge={}", path(&args.name), args.purge), Sent::Nothing).await?;
        let answer: Value = json!({ "ok": true, "tenant": tenant, "applet": applet, "purged": args.purge });
        told(&answer, &format!("{tenant}/{applet} is uninstalled"), args.server.json)
    })
}
