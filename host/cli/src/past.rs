//! `belljar logs`, `invocations`, `audit`, `usage`: what has happened.

use std::fmt::Write as _;

use http::Method;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::args::operator::{AuditArgs, InvocationsArgs, LogsArgs, RowArgs, Trail, UsageArgs, tenant_and_applet};
use crate::deploy::told;
use crate::exit_codes;
use crate::failure::Failure;
use crate::pretty;
use crate::remote::{Remote, Sent, escaped, with};
use crate::table::{Table, count, moment, ms, size, text, time};
use crate::terminal::{self, Paint, one_line};

/// Rows asked for at a time.
const PAGE_ROWS: u32 = 1_000;
/// Bytes of one line of a stream.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Shows log lines, oldest first; with `--follow` goes on.
///
/// # Errors
/// What the server says.
pub(crate) fn logs(args: &LogsArgs) -> Result<i32, Failure> {
    let mut query = rows_query(&args.rows)?;
    push(&mut query, "level", args.level.as_deref());
    push(&mut query, "invocation", args.invocation.as_deref());
    let paint = Paint { on: terminal::stdout_is_terminal() && terminal::stderr_paint().on };
    with(&args.server, async |remote: Remote| {
        // One by one as JSON lines, or as text: the newest are asked for, the oldest of them come first.
        let show = |row: &Value| {
            let line = if args.server.json { terminal::json(&row.to_string()) } else { log_line(row, paint) };
            terminal::stdout(format!("{line}\n").as_bytes())
        };
        let mut items = pages(&remote, "/v1/logs", &query, args.rows.limit).await?;
        items.reverse();
        items.iter().try_for_each(show)?;
        if !args.follow {
            return Ok(exit_codes::OK);
        }
        let last = items.last().and_then(|row| row["seq"].as_u64());
        let mut query: Vec<(String, String)> =
            query.into_iter().filter(|(name, _)| !matches!(name.as_str(), "since_us" | "until_us")).collect();
        if let Some(last) = last {
            query.push(("after".to_owned(), last.to_string()));
        }
        let response = remote.send(Method::GET, &format!("/v1/logs/follow{}", written(&query)), Sent::Nothing).await?;
        let (mut body, mut buffer) = (response.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::new("server", format!("the server broke off: {error}")))?;
            buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if let Ok(row) = serde_json::from_slice::<Value>(&line) {
                    show(&row)?;
                }
            }
            if buffer.len() > LINE_BYTES_MAX {
                return Err(Failure::new("server", "the server sends no lines"));
            }
        }
        // The server has stopped.
        Ok(exit_codes::OK)
    })
}

/// Shows invocations, the newest first.
///
/// # Errors
/// What the server says.
pub(crate) fn invocations(args: &InvocationsArgs) -> Result<i32, Failure> {
    let mut query = rows_query(&args.rows)?;
    push(&mut query, "ended", args.ended.as_deref());
    push(&mut query, "handler", args.handler.as_deref());
    with(&args.server, async |remote: Remote| {
        if let Some(id) = &args.id {
            let row = remote.ask(Method::GET, &format!("/v1/invocations/{}", escaped(id)), Sent::Nothing).await?;
            let shown = if args.server.json { row.to_string() } else { pretty::json(&row.to_string()) };
            terminal::stdout(format!("{}\n", terminal::json(&shown)).as_bytes())?;
            return Ok(exit_codes::OK);
        }
        let items = pages(&remote, "/v1/invocations", &query, args.rows.limit).await?;
        if args.server.json {
            return told(&serde_json::json!({ "items": items }), "", true);
        }
        let mut table = Table::new(&[
            "ended", "tenant", "applet", "handler", "trigger", "how", ">ms", ">queued", ">fuel", "recorded", "id",
        ]);
        for row in &items {
            let how = match (row["http_status"].as_u64(), row["code"].as_str()) {
                (_, Some(code)) => code.to_owned(),
                (Some(status), None) => status.to_string(),
                (None, None) => text(&row["ended"]),
            };
            table.row([
                time(&row["seq"]),
                text(&row["tenant"]),
                format!("{}@{}", text(&row["applet"]), text(&row["version"])),
                text(&row["handler"]),
                text(&row["trigger"]),
                how,
                ms(&row["total_us"]),
                ms(&row["queued_us"]),
                count(&row["usage"]["fuel"]),
                if row["recorded"] == true { "yes".to_owned() } else { String::new() },
                text(&row["id"]),
            ]);
        }
        table.print("no invocations")?;
        Ok(exit_codes::OK)
    })
}

/// Shows a trail, the newest first.
///
/// # Errors
/// What the server says.
pub(crate) fn audit(args: &AuditArgs) -> Result<i32, Failure> {
    let mut query = rows_query(&args.rows)?;
    with(&args.server, async |remote: Remote| {
        if args.trail == Trail::Changes {
            query.retain(|(name, _)| name == "tenant");
            query.push(("limit".to_owned(), args.rows.limit.min(PAGE_ROWS).to_string()));
            let answer = remote.ask(Method::GET, &format!("/v1/changes{}", written(&query)), Sent::Nothing).await?;
            if args.server.json {
                return told(&answer, "", true);
            }
            let mut table = Table::new(&["time", "by", "action", "tenant", "applet", "detail"]);
            for row in answer["items"].as_array().into_iter().flatten() {
                table.row([
                    time(&row["at_us"]),
                    text(&row["by"]),
                    text(&row["action"]),
                    text(&row["tenant"]),
                    text(&row["applet"]),
                    text(&row["detail"]),
                ]);
            }
            table.print("no changes")?;
            return Ok(exit_codes::OK);
        }
        push(&mut query, "capability", args.capability.as_deref());
        push(&mut query, "ended", args.ended.as_deref());
        let items = pages(&remote, "/v1/audit", &query, args.rows.limit).await?;
        if args.server.json {
            return told(&serde_json::json!({ "items": items }), "", true);
        }
        let mut table = Table::new(&["time", "tenant", "applet", "use", "target", "ended", ">ms", "invocation"]);
        for row in &items {
            table.row([
                time(&row["begun_us"]),
                text(&row["tenant"]),
                text(&row["applet"]),
                format!("{}.{}", text(&row["capability"]), text(&row["operation"])),
                text(&row["target"]),
                text(&row["ended"]),
                ms(&row["wall_us"]),
                text(&row["invocation"]),
            ]);
        }
        table.print("no uses of capabilities")?;
        Ok(exit_codes::OK)
    })
}

/// Shows daily sums.
///
/// # Errors
/// What the server says.
pub(crate) fn usage(args: &UsageArgs) -> Result<i32, Failure> {
    let mut query = of(args.what.as_deref());
    push(&mut query, "from", args.from.as_deref());
    push(&mut query, "to", args.to.as_deref());
    with(&args.server, async |remote: Remote| {
        let answer = remote.ask(Method::GET, &format!("/v1/usage{}", written(&query)), Sent::Nothing).await?;
        if args.server.json {
            return told(&answer, "", true);
        }
        let headings = [
            "day",
            "tenant",
            "applet",
            ">calls",
            ">faults",
            ">refused",
            ">fuel",
            ">db rows",
            ">requests",
            ">sent",
            ">log lines",
            ">log",
        ];
        let mut table = Table::new(&headings);
        for row in answer["items"].as_array().into_iter().flatten() {
            table.row([
                text(&row["day"]),
                text(&row["tenant"]),
                text(&row["applet"]),
                count(&row["invocations"]),
                count(&row["faulted"]),
                count(&row["refused"]),
                count(&row["fuel"]),
                count(&row["db_rows"]),
                count(&row["http_requests"]),
                size(&row["egress_bytes"]),
                count(&row["log_lines"]),
                size(&row["log_bytes"]),
            ]);
        }
        table.print("nothing was used")?;
        Ok(exit_codes::OK)
    })
}

/// Rows of as many pages as it takes, the newest first.
async fn pages(remote: &Remote, path: &str, query: &[(String, String)], limit: u32) -> Result<Vec<Value>, Failure> {
    let (mut found, mut before) = (Vec::new(), None);
    while found.len() < limit as usize {
        let mut query = query.to_vec();
        let left = limit - u32::try_from(found.len()).unwrap_or(limit);
        query.push(("limit".to_owned(), left.min(PAGE_ROWS).to_string()));
        if let Some(before) = before {
            query.push(("before".to_owned(), format!("{before}")));
        }
        let mut page = remote.ask(Method::GET, &format!("{path}{}", written(&query)), Sent::Nothing).await?;
        let Value::Array(items) = page["items"].take() else { break };
        found.extend(items);
        before = page["next"].as_u64();
        if before.is_none() {
            break;
        }
    }
    Ok(found)
}

fn of(what: Option<&str>) -> Vec<(String, String)> {
    let mut query = Vec::new();
    if let Some(what) = what {
        let (tenant, applet) = tenant_and_applet(what);
        push(&mut query, "tenant", Some(tenant));
        push(&mut query, "applet", applet);
    }
    query
}

fn rows_query(args: &RowArgs) -> Result<Vec<(String, String)>, Failure> {
    let now_us = belljar::Source::now_us(&belljar::System);
    let mut query = of(args.what.as_deref());
    for (name, given) in [("since_us", &args.since), ("until_us", &args.until)] {
        if let Some(text) = given {
            query.push((name.to_owned(), moment(text, now_us, false)?.to_string()));
        }
    }
    Ok(query)
}

fn push(query: &mut Vec<(String, String)>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        query.push((name.to_owned(), value.to_owned()));
    }
}

/// As the end of a URL.
fn written(query: &[(String, String)]) -> String {
    let mut text = String::new();
    for (index, (name, value)) in query.iter().enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        // Writing to a string cannot fail.
        let _ = write!(text, "{mark}{name}={}", escaped(value));
    }
    text
}

/// As `belljar run` shows a line.
fn log_line(row: &Value, paint: Paint) -> String {
    let level = text(&row["level"]);
    let level = match level.as_str() {
        "error" => paint.error(&level),
        "debug" => paint.dim(&level),
        _ => level,
    };
    let mut line = format!(
        "{} {level:<5} {}/{}@{} {} {} {}: {}",
        time(&row["time_us"]),
        text(&row["tenant"]),
        text(&row["applet"]),
        one_line(&text(&row["version"])),
        one_line(&text(&row["handler"])),
        text(&row["invocation"]),
        text(&row["origin"]),
        one_line(&text(&row["message"])),
    );
    for (name, value) in row["fields"].as_object().into_iter().flatten() {
        // Writing to a string cannot fail.
        let _ = write!(line, " {}={}", one_line(name), terminal::json(&value.to_string()));
    }
    if row["truncated"] == true {
        line.push_str(" (truncated)");
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_the_applet_wrote() {
        let row = json!({
            "time_us": 0, "level": "info", "tenant": "acme", "applet": "hook", "version": "1.0.0", "handler": "main", "invocation": "inv_1",
            "origin": "sdk", "message": "a\nb\u{1b}[2J", "fields": { "k\n": "v\u{202e}" }, "truncated": true
        });
        let line = log_line(&row, Paint { on: false });
        assert_eq!(
            line,
            "1970-01-01 00:00:00 info  acme/hook@1.0.0 main inv_1 sdk: a\\nb\\u001b[2J k\\n=\"v\\u202e\" (truncated)"
        );
    }

    #[test]
    fn queries_are_written_with_escapes() {
        let mut query = of(Some("acme/hook"));
        push(&mut query, "level", None);
        push(&mut query, "ended", Some("a&b"));
        assert_eq!(written(&query), "?tenant=acme&applet=hook&ended=a%26b");
        assert_eq!(written(&[]), "");
    }
}
