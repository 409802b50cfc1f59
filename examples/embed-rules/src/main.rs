//! A rules engine in an axum service. Rules are JavaScript expressions over an order; whoever may put them cannot harm the service: each is
//! evaluated in a fresh sandbox, within 10 million fuel and 100 ms.
//!
//! ```text
//! PUT  /rules/NAME   the expression          204, or 422 with the place of the mistake
//! POST /evaluate     an order, as JSON       what each rule says of it
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Json, Router};
use belljar::{Fault, Host, Limits, Script, ScriptOptions, ValueError};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::RwLock;

/// What requests share.
struct Rules {
    host: Host,
    scripts: RwLock<BTreeMap<String, Script>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits { fuel_max: 10_000_000, deadline_ms: 100, ..Limits::default() };
    let host = Host::builder().user_cache().limits(limits).build()?;
    let rules = Arc::new(Rules { host, scripts: RwLock::default() });
    let routes =
        Router::new().route("/rules/{name}", put(put_rule)).route("/evaluate", post(evaluate)).with_state(rules);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Prepares a rule: one that does not parse is refused, and the one before stays.
async fn put_rule(
    State(rules): State<Arc<Rules>>,
    Path(name): Path<String>,
    source: String,
) -> Result<StatusCode, (StatusCode, Json<Value>)> {
    let script = rules.host.script_with(&source, ScriptOptions::named(&name)).await;
    let script = script.map_err(|fault| (StatusCode::UNPROCESSABLE_ENTITY, Json(mistake(&fault))))?;
    rules.scripts.write().await.insert(name, script);
    Ok(StatusCode::NO_CONTENT)
}

/// Evaluates all rules at the same time. One that fails says so in its place.
async fn evaluate(State(rules): State<Arc<Rules>>, Json(order): Json<Value>) -> Json<BTreeMap<String, Value>> {
    let scripts = rules.scripts.read().await.clone();
    let said = scripts.iter().map(async |(name, script)| {
        let value = match script.evaluate(&order).await {
            Ok(value) => value,
            Err(ValueError::Fault(fault)) => mistake(&fault),
            Err(error) => json!({ "error": error.to_string() }),
        };
        (name.clone(), value)
    });
    Json(join_all(said).await.into_iter().collect())
}

/// What went wrong, and where: of what was thrown the place in the rule, of a limit the place where it was met.
fn mistake(fault: &Fault) -> Value {
    let frame = fault.errors.first().and_then(|error| error.frames.first()).or(fault.frames.first());
    json!({ "error": fault.message, "at": frame.map(ToString::to_string) })
}
