//! Events, schedules, jobs and asynchronous calls: publishing, looking at what waits, retrying, dropping, replaying; health of applets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belljar::{AppletId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Admin;
use super::error::{ApiError, Body, ErrorBody, Named, OfApplet, OfTenant, Query};
use crate::queue::{Counts, DeliveryView, Filter, Kind, MessageView, QueueError, State as Stands};
use crate::triggers::Triggers;
use crate::triggers::health::Health;
use crate::triggers::publisher::{NewEvent, NewRun, NotTaken};
use crate::triggers::schedules::{MissedView, ScheduleView};

/// Dead deliveries that are replayed or dropped at once.
const TOGETHER_MAX: u32 = 1_000;

/// A list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Deliveries {
    items: Vec<DeliveryView>,
}

/// How many there are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeliveryCounts {
    items: Vec<Counts>,
}

/// An event to publish.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishRequest {
    /// Its name: one that an applet of the tenant publishes or handles.
    name: String,
    /// JSON; `null` when it is left out.
    #[serde(default)]
    payload: Value,
    /// A second event of the same name and key within 24 hours is the same event.
    key: Option<String>,
    /// Events with the same one are delivered one after the other, to handlers that ask for it.
    order_key: Option<String>,
    /// How long it waits, milliseconds.
    #[serde(default)]
    delay_ms: u64,
}

/// What was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Taken {
    /// The message's id.
    id: String,
    /// Deliveries to come.
    deliveries: u64,
    /// Deliveries that were dropped at once, because they would have closed a loop.
    dropped: u64,
    /// Whether it is an earlier message with the same key.
    is_duplicate: bool,
}

/// A call whose caller does not wait.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LaterRequest {
    /// The handler's name in the manifest.
    handler: String,
    /// What it is called with; `{}` when it is left out.
    payload: Option<Value>,
    /// How long it waits, milliseconds.
    #[serde(default)]
    delay_ms: u64,
    /// Attempts in all, 1 to 100.
    attempts: Option<u32>,
    /// A second call of the same handler and key within 24 hours is the same call.
    key: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this tenant.
    tenant: Option<String>,
    /// For this applet.
    applet: Option<String>,
    /// Of this kind: `event`, `job`, `schedule`, `run`.
    #[param(inline)]
    kind: Option<Kind>,
    /// In this state: `waiting`, `ready`, `blocked`, `running`, `done`, `dead`, `dropped`, `cancelled`.
    #[param(inline)]
    state: Option<Stands>,
    /// Of the event, or for the handler, of this name.
    name: Option<String>,
    /// With a smaller id: the last one of the page before.
    before: Option<u64>,
    /// At most so many; 100 by default, 1,000 at most.
    limit: Option<u32>,
}

impl Which {
    fn filter(self) -> Filter {
        let Self { tenant, applet, kind, state, name, before, limit } = self;
        Filter { tenant, applet, kind, state, name, before, limit: limit.unwrap_or(0) }
    }
}

/// Dead deliveries of a tenant.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadOnes {
    /// For this applet only.
    applet: Option<String>,
    /// Of this event, or for this handler, only.
    name: Option<String>,
}

/// How many deliveries were changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Changed {
    count: u64,
}

/// Which tenant's counts.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfWhom {
    /// Of this tenant.
    tenant: Option<String>,
    /// Of this applet.
    applet: Option<String>,
}

/// Schedules.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ScheduleList {
    items: Vec<ScheduleView>,
}

/// How many times.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HowMany {
    /// Times ahead; 10 by default, 1,000 at most.
    count: Option<usize>,
}

/// A schedule's times.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Times {
    /// The times ahead, Unix time in milliseconds.
    next_ms: Vec<u64>,
    /// The latest times at which nothing ran, the last one first.
    missed: Vec<MissedView>,
}

/// A run that was begun.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Begun {
    /// The message's id.
    id: String,
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let message = error.to_string();
        match error {
            QueueError::NotFound(_) => Self::not_found(message),
            QueueError::WrongState { .. } | QueueError::LeaseLost(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", message)
            }
            QueueError::Full { name, allowed, used, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "queue-full", message)
                    .details(json!({ "limit": name, "allowed": allowed, "used": used }))
            }
            QueueError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", message),
            QueueError::Closed => Self::busy(message),
        }
    }
}

impl From<NotTaken> for ApiError {
    fn from(error: NotTaken) -> Self {
        let message = error.to_string();
        match error {
            NotTaken::Undeclared { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "undeclared-event", message),
            NotTaken::TooLarge { name, allowed, used } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
                    .details(json!({ "limit": name, "allowed": allowed, "used": used }))
            }
            NotTaken::TooDeep { .. } | NotTaken::Invalid(_) => Self::invalid(message),
            NotTaken::Queue(error) => error.into(),
        }
    }
}

fn triggers(admin: &Admin) -> &Triggers {
    &admin.parts().triggers
}

fn delivery_id(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(format!("{text:?} is no delivery: its id is a number")))
}

/// The applet has to be there: a run that nobody can do would only wait to fail.
async fn check_handler(admin: &Admin, tenant: &TenantId, applet: &AppletId, handler: &str) -> Result<(), ApiError> {
    let active = admin.active(tenant.clone(), applet.clone()).await?;
    let handlers = &active.release.package().descriptor.handlers;
    if handlers.iter().any(|known| known.name == handler) {
        return Ok(());
    }
    let names: Vec<&str> = handlers.iter().map(|known| known.name.as_str()).collect();
    Err(ApiError::not_found(format!("the applet has no handler {handler:?}; it has: {}", names.join(", "))))
}

/// Publish an event
///
/// The answer means that it will not be lost.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/events", tag = "triggers", params(("tenant" = String, Path)), request_body = PublishRequest,
    responses((status = 202, body = Taken), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody, description = "Not declared, or not valid"), (status = 429, body = ErrorBody, description = "The tenant's queue is full")))]
pub(super) async fn publish(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Body(asked): Body<PublishRequest>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let PublishRequest { name, payload, key, order_key, delay_ms } = asked;
    let event = NewEvent {
        tenant: tenant.to_string(),
        name,
        payload: payload.to_string(),
        key,
        order_key,
        delay_ms,
        source: "api".into(),
    };
    let published = triggers(&admin).publisher().publish(event).await?;
    let taken = Taken {
        id: published.uid,
        deliveries: published.deliveries,
        dropped: published.dropped,
        is_duplicate: published.is_duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// Call a handler later, without waiting for it
///
/// `GET /v1/tenants/{tenant}/messages/{name}` tells what came of it.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/calls", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = LaterRequest,
    responses((status = 202, body = Taken), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(super) async fn call_later(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Body(asked): Body<LaterRequest>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    check_handler(&admin, &tenant, &applet, &asked.handler).await?;
    let run = NewRun {
        tenant: tenant.to_string(),
        applet: applet.to_string(),
        handler: asked.handler,
        payload: asked.payload.unwrap_or_else(|| json!({})).to_string(),
        delay_ms: asked.delay_ms,
        attempts: asked.attempts.unwrap_or(1),
        key: asked.key,
        source: "api".into(),
    };
    let published = triggers(&admin).publisher().run_later(run).await?;
    let taken = Taken {
        id: published.uid,
        deliveries: published.deliveries,
        dropped: published.dropped,
        is_duplicate: published.is_duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// Deliveries of events, jobs, runs of schedules and asynchronous calls, the latest first
#[utoipa::path(get, path = "/v1/deliveries", tag = "triggers", params(Which), responses((status = 200, body = Deliveries)))]
pub(super) async fn deliveries(
    State(admin): State<Admin>,
    Query(which): Query<Which>,
) -> Result<Json<Deliveries>, ApiError> {
    Ok(Json(Deliveries { items: triggers(&admin).queue().list(which.filter()).await? }))
}

/// How many deliveries there are, by tenant, kind and state
#[utoipa::path(get, path = "/v1/deliveries/counts", tag = "triggers", params(OfWhom), responses((status = 200, body = DeliveryCounts)))]
pub(super) async fn counts(
    State(admin): State<Admin>,
    Query(whose): Query<OfWhom>,
) -> Result<Json<DeliveryCounts>, ApiError> {
    Ok(Json(DeliveryCounts { items: triggers(&admin).queue().counts(whose.tenant).await? }))
}

/// A message with its deliveries
#[utoipa::path(get, path = "/v1/tenants/{tenant}/messages/{name}", tag = "triggers", params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = MessageView), (status = 404, body = ErrorBody)))]
pub(super) async fn message(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Named(uid): Named,
) -> Result<Json<MessageView>, ApiError> {
    Ok(Json(triggers(&admin).queue().message(tenant.to_string(), uid).await?))
}

/// Call off a message: every delivery of it that has not ended, running ones too
#[utoipa::path(post, path = "/v1/tenants/{tenant}/messages/{name}/cancel", tag = "triggers",
    params(("tenant" = String, Path), ("name" = String, Path)), responses((status = 200, body = Changed), (status = 404, body = ErrorBody)))]
pub(super) async fn cancel(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Named(uid): Named,
) -> Result<Json<Changed>, ApiError> {
    let count = triggers(&admin).publisher().cancel(tenant.as_str(), &uid, "an operator").await?;
    Ok(Json(Changed { count }))
}

/// Retry a delivery that waits for its next attempt, now
#[utoipa::path(post, path = "/v1/tenants/{tenant}/deliveries/{name}/retry", tag = "triggers",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Changed), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn retry(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Named(id): Named,
) -> Result<Json<Changed>, ApiError> {
    triggers(&admin).retry(tenant.as_str(), delivery_id(&id)?).await?;
    Ok(Json(Changed { count: 1 }))
}

/// Give up a delivery; a running one ends
#[utoipa::path(post, path = "/v1/tenants/{tenant}/deliveries/{name}/drop", tag = "triggers",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Changed), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn drop_one(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Named(id): Named,
) -> Result<Json<Changed>, ApiError> {
    triggers(&admin).drop_delivery(tenant.as_str(), delivery_id(&id)?, "dropped by an operator").await?;
    Ok(Json(Changed { count: 1 }))
}

/// Deliver again what has ended, with all its attempts
#[utoipa::path(post, path = "/v1/tenants/{tenant}/deliveries/{name}/replay", tag = "triggers",
    params(("tenant" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Changed), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(super) async fn replay(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Named(id): Named,
) -> Result<Json<Changed>, ApiError> {
    triggers(&admin).replay(tenant.as_str(), delivery_id(&id)?).await?;
    Ok(Json(Changed { count: 1 }))
}

/// The dead deliveries that are meant, of one page.
async fn dead(admin: &Admin, tenant: &TenantId, which: DeadOnes) -> Result<Vec<DeliveryView>, ApiError> {
    let filter = Filter {
        tenant: Some(tenant.to_string()),
        applet: which.applet,
        name: which.name,
        state: Some(Stands::Dead),
        limit: TOGETHER_MAX,
        ..Filter::default()
    };
    Ok(triggers(admin).queue().list(filter).await?)
}

/// Replay dead deliveries, up to 1,000 of them, the oldest of these first
#[utoipa::path(post, path = "/v1/tenants/{tenant}/dead/replay", tag = "triggers", params(("tenant" = String, Path)), request_body = DeadOnes,
    responses((status = 200, body = Changed)))]
pub(super) async fn replay_dead(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Body(which): Body<DeadOnes>,
) -> Result<Json<Changed>, ApiError> {
    let mut count = 0;
    for delivery in dead(&admin, &tenant, which).await?.iter().rev() {
        match triggers(&admin).replay(tenant.as_str(), delivery.id).await {
            Ok(()) => count += 1,
            // Somebody else was there first.
            Err(QueueError::WrongState { .. } | QueueError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Changed { count }))
}

/// Drop dead deliveries, up to 1,000 of them
#[utoipa::path(post, path = "/v1/tenants/{tenant}/dead/drop", tag = "triggers", params(("tenant" = String, Path)), request_body = DeadOnes,
    responses((status = 200, body = Changed)))]
pub(super) async fn drop_dead(
    State(admin): State<Admin>,
    OfTenant(tenant): OfTenant,
    Body(which): Body<DeadOnes>,
) -> Result<Json<Changed>, ApiError> {
    let mut count = 0;
    for delivery in dead(&admin, &tenant, which).await? {
        match triggers(&admin).drop_delivery(tenant.as_str(), delivery.id, "dropped by an operator").await {
            Ok(()) => count += 1,
            Err(QueueError::WrongState { .. } | QueueError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Changed { count }))
}

/// Schedules, and when they fire next
#[utoipa::path(get, path = "/v1/schedules", tag = "triggers", params(OfWhom), responses((status = 200, body = ScheduleList)))]
pub(super) async fn schedules(
    State(admin): State<Admin>,
    Query(whose): Query<OfWhom>,
) -> Result<Json<ScheduleList>, ApiError> {
    Ok(Json(ScheduleList { items: triggers(&admin).schedules().list(whose.tenant, whose.applet).await? }))
}

/// The next times of a schedule, and the latest that were missed
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path), HowMany),
    responses((status = 200, body = Times), (status = 404, body = ErrorBody)))]
pub(super) async fn schedule(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Named(handler): Named,
    Query(many): Query<HowMany>,
) -> Result<Json<Times>, ApiError> {
    let schedules = triggers(&admin).schedules();
    let next_ms = schedules.upcoming(tenant.as_str(), applet.as_str(), &handler, many.count.unwrap_or(10)).await?;
    let missed = schedules.missed(tenant.to_string(), applet.to_string(), handler).await?;
    Ok(Json(Times { next_ms, missed }))
}

/// Pause a schedule
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/pause", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Changed), (status = 404, body = ErrorBody)))]
pub(super) async fn pause(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Named(handler): Named,
) -> Result<Json<Changed>, ApiError> {
    triggers(&admin).schedules().pause(tenant.to_string(), applet.to_string(), handler, true).await?;
    Ok(Json(Changed { count: 1 }))
}

/// Let a paused schedule go on, from now
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/resume", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Changed), (status = 404, body = ErrorBody)))]
pub(super) async fn resume(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Named(handler): Named,
) -> Result<Json<Changed>, ApiError> {
    triggers(&admin).schedules().pause(tenant.to_string(), applet.to_string(), handler, false).await?;
    Ok(Json(Changed { count: 1 }))
}

/// Run a schedule now, beside its times
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/run", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path)),
    responses((status = 202, body = Begun), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(super) async fn run_now(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Named(handler): Named,
) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let id = triggers(&admin).schedules().run_now(tenant.as_str(), applet.as_str(), &handler, "an operator").await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { id })))
}

/// How an applet is, as it says itself
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/health", tag = "triggers",
    params(("tenant" = String, Path), ("applet" = String, Path)), responses((status = 200, body = Health), (status = 404, body = ErrorBody)))]
pub(super) async fn health(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<Health>, ApiError> {
    let active = admin.active(tenant, applet).await?;
    Ok(Json(triggers(&admin).health().health(&admin.parts().dispatcher, &active).await))
}
