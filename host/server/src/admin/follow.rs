//! Log lines as they come: one JSON object a line, until the client goes or the server stops.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;

use super::Admin;
use super::error::{ApiError, ErrorBody, Query};
use super::history::LogsAsked;
use crate::history::{LogQuery, LogRow, PAGE_ROWS_MAX};

/// An empty line goes out after this time without another, so that both sides learn when the other has gone.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// How soon a server that stops is noticed.
const TICK: Duration = Duration::from_secs(1);

/// One client.
struct Follower {
    admin: Admin,
    query: LogQuery,
    written: Receiver<u64>,
    quiet: Duration,
    _permit: OwnedSemaphorePermit,
}

/// Log lines as they come
///
/// One JSON object (as the items of /v1/logs) a line, oldest first, from `after` on, or from now on; empty lines in between mean nothing.
#[utoipa::path(get, path = "/v1/logs/follow", tag = "history", params(LogsAsked),
    responses((status = 200, body = LogRow, content_type = "application/x-ndjson"), (status = 400, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn follow(State(admin): State<Admin>, Query(asked): Query<LogsAsked>) -> Result<Response, ApiError> {
    let permit = admin.inner.followers.clone().try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::busy("too many clients follow the log already"))?;
    let mut query = asked.query();
    let written = admin.parts().history.written();
    if query.selection.after.is_none() {
        query.selection.after = Some(admin.history(|history| history.newest_log()).await?);
    }
    query.selection.before = None;
    query.selection.limit = Some(PAGE_ROWS_MAX);
    // What is asked wrongly is told now, while there still is a status to tell it with.
    let first = query.clone();
    admin.history(move |history| history.logs(&first)).await?;
    let follower = Follower { admin, query, written, quiet: Duration::ZERO, _permit: permit };
    let body = Body::from_stream(stream::unfold(follower, next));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

async fn next(mut follower: Follower) -> Option<(Result<Bytes, Infallible>, Follower)> {
    loop {
        if follower.admin.parts().dispatcher.is_stopping() {
            return None;
        }
        // Seen before it is asked: what comes meanwhile counts as new again.
        follower.written.mark_unchanged();
        let query = follower.query.clone();
        let page = follower.admin.history(move |history| history.logs(&query)).await.ok()?;
        if let Some(last) = page.items.last() {
            follower.query.selection.after = Some(last.seq);
            follower.quiet = Duration::ZERO;
            return Some((Ok(lines(&page.items)), follower));
        }
        match tokio::time::timeout(TICK, follower.written.changed()).await {
            Ok(Ok(())) => {}
            // The history has been closed.
            Ok(Err(_)) => return None,
            Err(_) => follower.quiet += TICK,
        }
        if follower.quiet >= QUIET_MAX {
            follower.quiet = Duration::ZERO;
            return Some((Ok(Bytes::from_static(b"\n")), follower));
        }
    }
}

fn lines(rows: &[LogRow]) -> Bytes {
    let mut text = Vec::new();
    for row in rows {
        // Our own plain data: it can be written, and memory takes it.
        if serde_json::to_writer(&mut text, row).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}
