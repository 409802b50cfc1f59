//! `belljar events`, `schedules`, `jobs`, `health`: what calls applets besides HTTP.

use http::Method;
use serde_json::{Value, json};

use crate::applets::path;
use crate::args::operator::tenant_and_applet;
use crate::args::triggers::{
    EventsCommand, HealthArgs, JobsCommand, MessageArgs, PickArgs, ScheduleArgs, SchedulesCommand, WhichArgs,
};
use crate::call::payload;
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, count, text, time};
use crate::{pretty, terminal};

/// Events.
///
/// # Errors
/// What the server says.
pub(crate) fn events(command: &EventsCommand) -> Result<i32, Failure> {
    match command {
        EventsCommand::Publish { tenant, name, payload: given, key, order_key, delay_ms, server } => {
            let body = json!({ "name": name, "payload": payload(given)?, "key": key, "order_key": order_key, "delay_ms": delay_ms });
            with(server, async |remote: Remote| {
                let answer = remote.ask(Method::POST, &format!("{}/events", of(tenant)), Sent::Json(body)).await?;
                let words = match (&answer["is_duplicate"], answer["deliveries"].as_u64()) {
                    (Value::Bool(true), _) => "it was there already".to_owned(),
                    (_, Some(0)) => "nobody handles it".to_owned(),
                    (_, number) => format!("{} to be delivered", number.unwrap_or(0)),
                };
                told(&answer, &format!("{} ({words})", text(&answer["id"])), server.json)
            })
        }
        EventsCommand::List(args) => deliveries(args, &["event"]),
        EventsCommand::Show(args) => message(args),
        EventsCommand::Retry { tenant, deliveries, server } => with(server, async |remote: Remote| {
            change(&remote, tenant, deliveries, "retry").await?;
            told(&json!({ "count": deliveries.len() }), &format!("{} to be tried now", deliveries.len()), server.json)
        }),
        EventsCommand::Drop(args) => pick(args, "drop", "dropped"),
        EventsCommand::Replay(args) => pick(args, "replay", "to be delivered again"),
        EventsCommand::Counts { tenant, server } => with(server, async |remote: Remote| {
            let query = tenant.as_deref().map(|tenant| format!("?tenant={}", escaped(tenant))).unwrap_or_default();
            let answer = remote.ask(Method::GET, &format!("/v1/deliveries/counts{query}"), Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["tenant", "kind", "state", ">count"]);
            for item in answer["items"].as_array().into_iter().flatten() {
                table.row([text(&item["tenant"]), text(&item["kind"]), text(&item["state"]), count(&item["count"])]);
            }
            table.print("the queue is empty")?;
            Ok(exit_codes::OK)
        }),
    }
}

/// Schedules.
///
/// # Errors
/// What the server says.
pub(crate) fn schedules(command: &SchedulesCommand) -> Result<i32, Failure> {
    match command {
        SchedulesCommand::List { what, server } => with(server, async |remote: Remote| {
            let answer =
                remote.ask(Method::GET, &format!("/v1/schedules{}", whose(what.as_deref())), Sent::Nothing).await?;
            if server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&[
                "tenant",
                "applet",
                "handler",
                "cron",
                "time zone",
                "next (UTC)",
                "last (UTC)",
                ">fired",
                ">missed",
                ">skipped",
            ]);
            for item in answer["items"].as_array().into_iter().flatten() {
                let next = if item["is_paused"] == true { "paused".to_owned() } else { time_ms(&item["next_ms"]) };
                let names = [
                    text(&item["tenant"]),
                    text(&item["applet"]),
                    text(&item["handler"]),
                    text(&item["cron"]),
                    text(&item["time_zone"]),
                ];
                let figures = [count(&item["fired"]), count(&item["missed"]), count(&item["skipped"])];
                table.row(names.into_iter().chain([next, time_ms(&item["last_ms"])]).chain(figures));
            }
            table.print("there are no schedules")?;
            Ok(exit_codes::OK)
        }),
        SchedulesCommand::Next { schedule, count } => with(&schedule.server, async |remote: Remote| {
            let answer =
                remote.ask(Method::GET, &format!("{}?count={count}", of_schedule(schedule)), Sent::Nothing).await?;
            if schedule.server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["time (UTC)", ""]);
            for at in answer["next_ms"].as_array().into_iter().flatten() {
                table.row([time_ms(at), String::new()]);
            }
            for missed in answer["missed"].as_array().into_iter().flatten() {
                table.row([time_ms(&missed["fires_ms"]), format!("did not run: {}", text(&missed["why"]))]);
            }
            table.print("it does not fire again")?;
            Ok(exit_codes::OK)
        }),
        SchedulesCommand::Pause(args) => schedule(args, "pause", "is paused"),
        SchedulesCommand::Resume(args) => schedule(args, "resume", "goes on"),
        SchedulesCommand::Run(args) => schedule(args, "run", "runs now"),
    }
}

/// Jobs.
///
/// # Errors
/// What the server says.
pub(crate) fn jobs(command: &JobsCommand) -> Result<i32, Failure> {
    match command {
        JobsCommand::List(args) => deliveries(args, &["job", "schedule", "run"]),
        JobsCommand::Show(args) => message(args),
        JobsCommand::Cancel(MessageArgs { tenant, id, server }) => with(server, async |remote: Remote| {
            let path = format!("{}/messages/{}/cancel", of(tenant), escaped(id));
            let answer = remote.ask(Method::POST, &path, Sent::Nothing).await?;
            let words = if answer["count"] == 0 { "had ended already" } else { "is cancelled" };
            told(&answer, &format!("{id} {words}"), server.json)
        }),
        JobsCommand::Run { applet, handler, payload: given, delay_ms, attempts, server } => {
            let body =
                json!({ "handler": handler, "payload": payload(given)?, "delay_ms": delay_ms, "attempts": attempts });
            with(server, async |remote: Remote| {
                let answer = remote.ask(Method::POST, &format!("{}/calls", path(applet)), Sent::Json(body)).await?;
                told(&answer, &text(&answer["id"]), server.json)
            })
        }
    }
}

/// Health of an applet; the exit code is 1 when it is not healthy.
///
/// # Errors
/// What the server says.
pub(crate) fn health(args: &HealthArgs) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::GET, &format!("{}/health", path(&args.name)), Sent::Nothing).await?;
        let error = text(&answer["error"]);
        let words =
            if error.is_empty() { text(&answer["status"]) } else { format!("{}: {error}", text(&answer["status"])) };
        told(&answer, &words, args.server.json)?;
        Ok(if answer["status"] == "unhealthy" { exit_codes::FAILED } else { exit_codes::OK })
    })
}

fn of(tenant: &str) -> String {
    format!("/v1/tenants/{}", escaped(tenant))
}

fn of_schedule(args: &ScheduleArgs) -> String {
    format!("{}/schedules/{}", path(&args.applet), escaped(&args.handler))
}

/// `?tenant=…&applet=…`.
fn whose(what: Option<&str>) -> String {
    match what.map(tenant_and_applet) {
        None => String::new(),
        Some((tenant, None)) => format!("?tenant={}", escaped(tenant)),
        Some((tenant, Some(applet))) => format!("?tenant={}&applet={}", escaped(tenant), escaped(applet)),
    }
}

/// Unix time in milliseconds as a time in UTC.
fn time_ms(value: &Value) -> String {
    value.as_u64().map(|ms| time(&json!(ms * 1_000))).unwrap_or_default()
}

fn schedule(args: &ScheduleArgs, what: &str, words: &str) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::POST, &format!("{}/{what}", of_schedule(args)), Sent::Nothing).await?;
        let id = answer["id"].as_str().map(|id| format!(": {id}")).unwrap_or_default();
        told(
            &answer,
            &format!("{}/{} {} {words}{id}", args.applet.tenant, args.applet.applet, args.handler),
            args.server.json,
        )
    })
}

/// Lists deliveries of some kinds.
fn deliveries(args: &WhichArgs, kinds: &[&str]) -> Result<i32, Failure> {
    with(&args.server, async |remote: Remote| {
        let mut query = whose(args.what.as_deref());
        let mut and = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let joint = if query.is_empty() { '?' } else { '&' };
                query.push_str(&format!("{joint}{name}={}", escaped(&value)));
            }
        };
        and("state", args.state.clone());
        and("name", args.name.clone());
        and("limit", Some(args.limit.to_string()));
        and("before", args.before.map(|id| id.to_string()));
        let mut items: Vec<Value> = Vec::new();
        for kind in kinds {
            let answer = remote.ask(Method::GET, &format!("/v1/deliveries{query}&kind={kind}"), Sent::Nothing).await?;
            items.extend(answer["items"].as_array().cloned().unwrap_or_default());
        }
        items.sort_by_key(|item| std::cmp::Reverse(item["id"].as_u64()));
        items.truncate(args.limit as usize);
        if args.server.json {
            return told(&json!({ "items": items }), "", true);
        }
        let mut table = Table::new(&[">delivery", "name", "to", "state", ">attempt", "published (UTC)", "id", "error"]);
        for item in &items {
            let to = format!("{}/{} {}", text(&item["tenant"]), text(&item["applet"]), text(&item["handler"]));
            let state = match item["due_in_ms"].as_u64() {
                Some(ms) => format!("{} ({} s)", text(&item["state"]), ms.div_ceil(1_000)),
                None => text(&item["state"]),
            };
            let attempt = format!("{}/{}", text(&item["attempt"]), text(&item["attempts_max"]));
            let published = time_ms(&item["published_ms"]);
            table.row([
                text(&item["id"]),
                text(&item["name"]),
                to,
                state,
                attempt,
                published,
                text(&item["message"]),
                text(&item["error"]),
            ]);
        }
        table.print("there are none")?;
        Ok(exit_codes::OK)
    })
}

/// Shows a message.
fn message(MessageArgs { tenant, id, server }: &MessageArgs) -> Result<i32, Failure> {
    with(server, async |remote: Remote| {
        let answer =
            remote.ask(Method::GET, &format!("{}/messages/{}", of(tenant), escaped(id)), Sent::Nothing).await?;
        let words = terminal::json(&pretty::json(&answer.to_string()));
        told(&answer, &words, server.json)
    })
}

async fn change(remote: &Remote, tenant: &str, deliveries: &[u64], what: &str) -> Result<(), Failure> {
    for delivery in deliveries {
        remote.ask(Method::POST, &format!("{}/deliveries/{delivery}/{what}", of(tenant)), Sent::Nothing).await?;
    }
    Ok(())
}

/// Drops or replays deliveries, or all that are dead.
fn pick(args: &PickArgs, what: &str, words: &str) -> Result<i32, Failure> {
    let (tenant, applet) = tenant_and_applet(&args.what);
    with(&args.server, async |remote: Remote| {
        let answer = if args.dead {
            let body = json!({ "applet": applet, "name": args.name });
            remote.ask(Method::POST, &format!("{}/dead/{what}", of(tenant)), Sent::Json(body)).await?
        } else {
            change(&remote, tenant, &args.deliveries, what).await?;
            json!({ "count": args.deliveries.len() })
        };
        told(&answer, &format!("{} {words}", text(&answer["count"])), args.server.json)
    })
}
