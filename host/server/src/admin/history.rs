//! What has happened: invocations, log lines, capability use, changes, usage.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::{ApiError, ErrorBody, Named, Query};
use crate::catalog::{AuditEntry, AuditQuery as ChangesAsked};
use crate::history::{
    AuditQuery, AuditRow, History, InvocationQuery, InvocationRow, LogQuery, LogRow, Page, QueryError, Selection,
    UsageQuery, UsageRow,
};

// A query string is flat: serde's `flatten` cannot read numbers from one, so the fields of a selection are in each of these.
macro_rules! asked {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
        #[serde(default, deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(super) struct $name {
            /// Of this tenant only.
            tenant: Option<String>,
            /// Of this applet only.
            applet: Option<String>,
            /// From this time on, Unix microseconds.
            since_us: Option<u64>,
            /// Before this time, Unix microseconds.
            until_us: Option<u64>,
            /// Rows older than this `seq`: `next` of the page before.
            before: Option<u64>,
            /// Rows newer than this `seq`, oldest first.
            after: Option<u64>,
            /// Rows of the page, 1 to 1,000; 100 unless it is said.
            limit: Option<u32>,
            $($(#[$field_doc])* $field: Option<String>,)*
        }

        impl $name {
            fn selection(&self) -> Selection {
                let Self { tenant, applet, since_us, until_us, before, after, limit, .. } = self;
                Selection {
                    tenant: tenant.clone(),
                    applet: applet.clone(),
                    since_us: *since_us,
                    until_us: *until_us,
                    before: *before,
                    after: *after,
                    limit: *limit,
                }
            }
        }
    };
}

asked!(
    /// Which invocations.
    InvocationsAsked {
        /// `answered`, `faulted`, `refused`, or the code of a fault.
        ended,
        /// Of this handler only.
        handler,
    }
);

asked!(
    /// Which log lines.
    LogsAsked {
        /// At least this level.
        level,
        /// Of this invocation only.
        invocation,
    }
);

asked!(
    /// Which uses of capabilities.
    UsesAsked {
        /// Of this capability only.
        capability,
        /// `done`, `denied` or `failed`.
        ended,
    }
);

/// Which changes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// Of this tenant only.
    tenant: Option<String>,
    /// Those before this `id`.
    before: Option<i64>,
    /// How many, 1 to 1,000; 100 unless it is said.
    limit: Option<u32>,
}

/// Changes by operators.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Changes {
    /// The newest first.
    items: Vec<AuditEntry>,
}

/// Daily sums.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Usage {
    /// By day, tenant and applet.
    items: Vec<UsageRow>,
}

impl LogsAsked {
    /// The query that this is.
    pub(super) fn query(self) -> LogQuery {
        LogQuery { selection: self.selection(), level: self.level, invocation: self.invocation }
    }
}

impl Admin {
    /// Asks the history, which blocks, on a thread that may.
    /// Whether a recording of an invocation is kept: the history does not know, because the oldest go.
    fn is_recorded(&self, row: &InvocationRow) -> bool {
        row.id.as_deref().is_some_and(|id| self.parts().recordings.find(id).is_some())
    }

    pub(super) async fn history<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&History) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let history = self.parts().history.clone();
        Ok(tokio::task::spawn_blocking(move || ask(&history)).await.map_err(|_| ApiError::internal())??)
    }
}

/// Invocations
#[utoipa::path(get, path = "/v1/invocations", tag = "history", params(InvocationsAsked),
    responses((status = 200, body = Page<InvocationRow>), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn invocations(
    State(admin): State<Admin>,
    Query(asked): Query<InvocationsAsked>,
) -> Result<Json<Page<InvocationRow>>, ApiError> {
    let query = InvocationQuery { selection: asked.selection(), ended: asked.ended, handler: asked.handler };
    let mut page = admin.history(move |history| history.invocations(&query)).await?;
    for row in &mut page.items {
        row.recorded = admin.is_recorded(row);
    }
    Ok(Json(page))
}

/// One invocation
#[utoipa::path(get, path = "/v1/invocations/{name}", tag = "history", params(("name" = String, Path, description = "The invocation's id")),
    responses((status = 200, body = InvocationRow), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn invocation(State(admin): State<Admin>, Named(id): Named) -> Result<Json<InvocationRow>, ApiError> {
    let missing = format!("there is no invocation {id} in the history (any more)");
    let found = admin.history(move |history| history.invocation(&id)).await?;
    let mut found = found.ok_or_else(|| ApiError::not_found(missing))?;
    found.recorded = admin.is_recorded(&found);
    Ok(Json(found))
}

/// Log lines of applets
#[utoipa::path(get, path = "/v1/logs", tag = "history", params(LogsAsked),
    responses((status = 200, body = Page<LogRow>), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn logs(
    State(admin): State<Admin>,
    Query(asked): Query<LogsAsked>,
) -> Result<Json<Page<LogRow>>, ApiError> {
    let query = asked.query();
    Ok(Json(admin.history(move |history| history.logs(&query)).await?))
}

/// Uses of capabilities by applets
#[utoipa::path(get, path = "/v1/audit", tag = "history", params(UsesAsked),
    responses((status = 200, body = Page<AuditRow>), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn audit(
    State(admin): State<Admin>,
    Query(asked): Query<UsesAsked>,
) -> Result<Json<Page<AuditRow>>, ApiError> {
    let query = AuditQuery { selection: asked.selection(), capability: asked.capability, ended: asked.ended };
    Ok(Json(admin.history(move |history| history.audit(&query)).await?))
}

/// Changes by operators
#[utoipa::path(get, path = "/v1/changes", tag = "history", params(ChangesQuery),
    responses((status = 200, body = Changes), (status = 400, body = ErrorBody)))]
pub(super) async fn changes(
    State(admin): State<Admin>,
    Query(asked): Query<ChangesQuery>,
) -> Result<Json<Changes>, ApiError> {
    let query = ChangesAsked { tenant: asked.tenant, before_id: asked.before, limit: asked.limit.unwrap_or(100) };
    Ok(Json(Changes { items: admin.catalog(move |catalog, _| catalog.audit(&query)).await? }))
}

/// What tenants and applets used, by day
#[utoipa::path(get, path = "/v1/usage", tag = "history", params(UsageQuery),
    responses((status = 200, body = Usage), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn usage(
    State(admin): State<Admin>,
    Query(asked): Query<UsageQuery>,
) -> Result<Json<Usage>, ApiError> {
    Ok(Json(Usage { items: admin.history(move |history| history.usage(&asked)).await? }))
}
