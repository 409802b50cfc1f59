//! `belljar tenants`, `keys`, `hosts`: who is on a server, who may call, and under which names.

use http::Method;
use serde_json::{Value, json};

use crate::args::operator::{HostsCommand, KeysCommand, QuotaArgs, TenantsCommand, tenant_and_applet};
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, count, moment, text, time};
use crate::terminal;

const QUOTAS: [&str; 5] =
    ["concurrent_max", "fuel_per_minute_max", "storage_bytes_max", "egress_bytes_per_day_max", "log_bytes_per_day_max"];

/// Tenants.
///
/// # Errors
/// What the server says.
pub(crate) fn tenants(command: &TenantsCommand) -> Result<i32, Failure> {
    let of = |tenant: &str| format!("/v1/tenants/{}", escaped(tenant));
    match command {
        TenantsCommand::Create { tenant, quotas, server } => with(server, async |remote: Remote| {
            let mut body = json!({ "id": tenant });
            if is_given(quotas) {
                body["quotas"] = changed(default_quotas(), quotas)?;
            }
            let answer = remote.ask(Method::POST, "/v1/tenants", Sent::Json(body)).await?;
            told(&answer, &format!("tenant {tenant} is there"), server.json)
        }),
        TenantsCommand::List { server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, "/v1/tenants", Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["tenant", ">applets", "state", ">weight", "since"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                let state = if item["is_enabled"] == true { "" } else { "suspended" };
                table.row([
                    text(&item["id"]),
                    count(&item["applets"]),
                    state.to_owned(),
                    count(&item["quotas"]["weight"]),
                    time(&item["created_us"]),
                ]);
            }
            table.print("there are no tenants; `belljar tenants create NAME` makes one")?;
            Ok(exit_codes::OK)
        }),
        TenantsCommand::Show { tenant, server } => with(server, async |remote: Remote| {
            show(&remote.ask(Method::GET, &of(tenant), Sent::Nothing).await?, server.json)
        }),
        TenantsCommand::Quotas { tenant, quotas, server } => with(server, async |remote: Remote| {
            let path = of(tenant);
            let mut info = remote.ask(Method::GET, &path, Sent::Nothing).await?;
            if !is_given(quotas) {
                return show(&info, server.json);
            }
            let body = changed(info["quotas"].take(), quotas)?;
            show(&remote.ask(Method::PUT, &format!("{path}/quotas"), Sent::Json(body)).await?, server.json)
        }),
        TenantsCommand::Suspend { tenant, server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::POST, &format!("{}/suspend", of(tenant)), Sent::Nothing).await?;
            told(&answer, &format!("tenant {tenant} is suspended: its applets take no calls"), server.json)
        }),
        TenantsCommand::Resume { tenant, server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::POST, &format!("{}/resume", of(tenant)), Sent::Nothing).await?;
            told(&answer, &format!("tenant {tenant} takes calls again"), server.json)
        }),
        TenantsCommand::Delete { tenant, server } => with(server, async |remote: Remote| {
            remote.ask(Method::DELETE, &of(tenant), Sent::Nothing).await?;
            told(&json!({ "ok": true }), &format!("tenant {tenant} is deleted"), server.json)
        }),
    }
}

/// API keys.
///
/// # Errors
/// What the server says.
pub(crate) fn keys(command: &KeysCommand) -> Result<i32, Failure> {
    let of = |tenant: &str| format!("/v1/tenants/{}/keys", escaped(tenant));
    match command {
        KeysCommand::Create { tenant, user, name, organisation, permission, locale, expires, server } => {
            let now_us = belljar::Source::now_us(&belljar::System);
            let expires_us = expires.as_deref().map(|text| moment(text, now_us, true)).transpose()?;
            let body = json!({
                "label": name.clone().unwrap_or_default(), "user": user, "organisation": organisation, "permissions": permission,
                "locale": locale, "expires_us": expires_us,
            });
            with(server, async |remote: Remote| {
                let answer = remote.ask(Method::POST, &of(tenant), Sent::Json(body)).await?;
                if server.json {
                    return told(&answer, "", true);
                }
                // The key alone on stdout, for scripts.
                terminal::stderr(&format!("key {} of {tenant}, shown this once:\n", text(&answer["info"]["id"])));
                terminal::stdout(format!("{}\n", text(&answer["key"])).as_bytes())?;
                Ok(exit_codes::OK)
            })
        }
        KeysCommand::List { tenant, server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, &of(tenant), Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["id", "name", "user", "permissions", "made", "ends", "used", "state"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                let permissions: Vec<String> = item["permissions"].as_array().into_iter().flatten().map(text).collect();
                let state = if item["revoked_us"].is_null() { "" } else { "revoked" };
                table.row([
                    text(&item["id"]),
                    text(&item["label"]),
                    text(&item["user"]),
                    permissions.join(","),
                    time(&item["created_us"]),
                    time(&item["expires_us"]),
                    time(&item["last_used_us"]),
                    state.to_owned(),
                ]);
            }
            table.print("this tenant has no keys")?;
            Ok(exit_codes::OK)
        }),
        KeysCommand::Revoke { tenant, id, server } => with(server, async |remote: Remote| {
            remote.ask(Method::DELETE, &format!("{}/{}", of(tenant), escaped(id)), Sent::Nothing).await?;
            told(&json!({ "ok": true }), &format!("key {id} is revoked"), server.json)
        }),
    }
}

/// Host names.
///
/// # Errors
/// What the server says.
pub(crate) fn hosts(command: &HostsCommand) -> Result<i32, Failure> {
    match command {
        HostsCommand::List { server } => with(server, async |remote: Remote| {
            let answer = remote.ask(Method::GET, "/v1/hosts", Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["host", "tenant", "applet"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                table.row([text(&item["name"]), text(&item["tenant"]), text(&item["applet"])]);
            }
            table.print("no host names are mapped")?;
            Ok(exit_codes::OK)
        }),
        HostsCommand::Set { host, to, server } => with(server, async |remote: Remote| {
            let (tenant, applet) = tenant_and_applet(to);
            let body = json!({ "tenant": tenant, "applet": applet });
            remote.ask(Method::PUT, &format!("/v1/hosts/{}", escaped(host)), Sent::Json(body)).await?;
            told(&json!({ "ok": true }), &format!("{host} leads to {to}"), server.json)
        }),
        HostsCommand::Delete { host, server } => with(server, async |remote: Remote| {
            remote.ask(Method::DELETE, &format!("/v1/hosts/{}", escaped(host)), Sent::Nothing).await?;
            told(&json!({ "ok": true }), &format!("{host} leads nowhere any more"), server.json)
        }),
    }
}

fn show(info: &Value, is_json: bool) -> Result<i32, Failure> {
    if is_json {
        return told(info, "", true);
    }
    let mut table = Table::new(&["tenant", ">value"]);
    table.row([text(&info["id"]), if info["is_enabled"] == true { "enabled".into() } else { "suspended".into() }]);
    table.row(["applets".into(), count(&info["applets"])]);
    for name in QUOTAS {
        let value = &info["quotas"][name];
        table.row([name.to_owned(), if value.is_null() { "unlimited".into() } else { count(value) }]);
    }
    table.row(["weight".into(), count(&info["quotas"]["weight"])]);
    table.print("")?;
    Ok(exit_codes::OK)
}

fn is_given(quotas: &QuotaArgs) -> bool {
    given(quotas).iter().any(Option::is_some) || quotas.weight.is_some()
}

fn given(quotas: &QuotaArgs) -> [Option<&String>; 5] {
    let QuotaArgs {
        concurrent_max,
        fuel_per_minute_max,
        storage_bytes_max,
        egress_bytes_per_day_max,
        log_bytes_per_day_max,
        ..
    } = quotas;
    [concurrent_max, fuel_per_minute_max, storage_bytes_max, egress_bytes_per_day_max, log_bytes_per_day_max]
        .map(Option::as_ref)
}

fn default_quotas() -> Value {
    // Our own plain data: it can be written.
    serde_json::to_value(belljar_server::directory::Quotas::default()).unwrap_or_default()
}

/// Quotas with what the command line changes.
fn changed(mut quotas: Value, args: &QuotaArgs) -> Result<Value, Failure> {
    for (name, given) in QUOTAS.into_iter().zip(given(args)) {
        let Some(text) = given else { continue };
        quotas[name] = match text.as_str() {
            "unlimited" => Value::Null,
            number => {
                let number: u64 = number.replace('_', "").parse().map_err(|_| {
                    Failure::usage(format!(
                        "--{} {number:?} is neither a number nor `unlimited`",
                        name.replace('_', "-")
                    ))
                })?;
                number.into()
            }
        };
    }
    if let Some(weight) = args.weight {
        quotas["weight"] = weight.into();
    }
    Ok(quotas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_that_are_not_named_stay() {
        let args = QuotaArgs {
            concurrent_max: Some("unlimited".into()),
            storage_bytes_max: Some("1_000".into()),
            weight: Some(7),
            ..QuotaArgs::default()
        };
        assert!(is_given(&args) && !is_given(&QuotaArgs::default()));
        let quotas = changed(default_quotas(), &args).expect("they are right");
        assert_eq!(
            (&quotas["concurrent_max"], &quotas["storage_bytes_max"], &quotas["weight"]),
            (&Value::Null, &json!(1_000), &json!(7))
        );
        assert_eq!(quotas["log_bytes_per_day_max"], default_quotas()["log_bytes_per_day_max"]);
        assert!(
            changed(default_quotas(), &QuotaArgs { concurrent_max: Some("many".into()), ..QuotaArgs::default() })
                .is_err()
        );
    }
}
