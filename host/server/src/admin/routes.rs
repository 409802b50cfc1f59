//! Each route, once. The router and the OpenAPI document are made from this list.

use axum::Router;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::{
    Admin, applets, calls, follow, history, hosts, install, keys, operations, processes, recordings, tenants, triggers,
    values,
};

macro_rules! routes {
    ($($method:ident $path:literal $module:ident::$handler:ident;)+) => {
        /// The router.
        pub(super) fn router() -> Router<Admin> {
            Router::new()$(.route($path, axum::routing::$method($module::$handler)))+
        }

        #[derive(OpenApi)]
        #[openapi(
            info(title = "Belljar admin API", description = "All that an operator does. Every request but those of health, readiness and this document needs the token: `authorization: Bearer TOKEN`."),
            paths($($module::$handler),+),
            components(schemas(super::ErrorBody, super::ErrorDetail)),
            modifiers(&Token)
        )]
        struct Document;

        /// Method and path of each.
        #[cfg(test)]
        pub(super) const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),+];
    };
}

routes! {
    get "/healthz" operations::healthz;
    get "/readyz" operations::readyz;
    get "/metrics" operations::metrics;
    get "/openapi.json" operations::openapi;
    get "/v1/status" operations::status;
    post "/v1/backup" operations::backup;
    get "/v1/processes" processes::list;
    post "/v1/tenants/{tenant}/applets/{applet}/processes/reset" processes::reset;

    get "/v1/tenants" tenants::list;
    post "/v1/tenants" tenants::create;
    get "/v1/tenants/{tenant}" tenants::show;
    delete "/v1/tenants/{tenant}" tenants::delete;
    put "/v1/tenants/{tenant}/quotas" tenants::set_quotas;
    post "/v1/tenants/{tenant}/suspend" tenants::suspend;
    post "/v1/tenants/{tenant}/resume" tenants::resume;

    get "/v1/tenants/{tenant}/keys" keys::list;
    post "/v1/tenants/{tenant}/keys" keys::create;
    delete "/v1/tenants/{tenant}/keys/{name}" keys::revoke;

    get "/v1/hosts" hosts::list;
    put "/v1/hosts/{name}" hosts::set;
    delete "/v1/hosts/{name}" hosts::delete;

    post "/v1/tenants/{tenant}/plan" install::plan;
    post "/v1/tenants/{tenant}/install" install::install;

    get "/v1/applets" applets::list_all;
    get "/v1/tenants/{tenant}/applets" applets::list;
    get "/v1/tenants/{tenant}/applets/{applet}" applets::show;
    delete "/v1/tenants/{tenant}/applets/{applet}" applets::uninstall;
    get "/v1/tenants/{tenant}/applets/{applet}/releases" applets::releases;
    get "/v1/tenants/{tenant}/applets/{applet}/export" applets::export;
    post "/v1/tenants/{tenant}/applets/{applet}/approve" install::approve;
    post "/v1/tenants/{tenant}/applets/{applet}/reject" install::reject;
    put "/v1/tenants/{tenant}/applets/{applet}/grants" applets::set_grants;
    post "/v1/tenants/{tenant}/applets/{applet}/rollback" applets::rollback;
    post "/v1/tenants/{tenant}/applets/{applet}/enable" applets::enable;
    post "/v1/tenants/{tenant}/applets/{applet}/disable" applets::disable;
    post "/v1/tenants/{tenant}/applets/{applet}/call" calls::call;

    get "/v1/tenants/{tenant}/applets/{applet}/config" values::config;
    put "/v1/tenants/{tenant}/applets/{applet}/config" values::set_config;
    get "/v1/tenants/{tenant}/applets/{applet}/secrets" values::secrets;
    put "/v1/tenants/{tenant}/applets/{applet}/secrets/{name}" values::set_secret;
    delete "/v1/tenants/{tenant}/applets/{applet}/secrets/{name}" values::delete_secret;

    post "/v1/tenants/{tenant}/events" triggers::publish;
    post "/v1/tenants/{tenant}/applets/{applet}/calls" triggers::call_later;
    get "/v1/tenants/{tenant}/applets/{applet}/health" triggers::health;
    get "/v1/deliveries" triggers::deliveries;
    get "/v1/deliveries/counts" triggers::counts;
    post "/v1/tenants/{tenant}/deliveries/{name}/retry" triggers::retry;
    post "/v1/tenants/{tenant}/deliveries/{name}/drop" triggers::drop_one;
    post "/v1/tenants/{tenant}/deliveries/{name}/replay" triggers::replay;
    post "/v1/tenants/{tenant}/dead/replay" triggers::replay_dead;
    post "/v1/tenants/{tenant}/dead/drop" triggers::drop_dead;
    get "/v1/tenants/{tenant}/messages/{name}" triggers::message;
    post "/v1/tenants/{tenant}/messages/{name}/cancel" triggers::cancel;
    get "/v1/schedules" triggers::schedules;
    get "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}" triggers::schedule;
    post "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/pause" triggers::pause;
    post "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/resume" triggers::resume;
    post "/v1/tenants/{tenant}/applets/{applet}/schedules/{name}/run" triggers::run_now;

    get "/v1/invocations" history::invocations;
    get "/v1/invocations/{name}" history::invocation;
    get "/v1/recordings" recordings::list;
    get "/v1/recordings/{name}" recordings::get;
    get "/v1/logs" history::logs;
    get "/v1/logs/follow" follow::follow;
    get "/v1/audit" history::audit;
    get "/v1/changes" history::changes;
    get "/v1/usage" history::usage;
}

/// Says how the token is sent.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", scheme);
        document.security = Some(vec![utoipa::openapi::SecurityRequirement::new("token", Vec::<String>::new())]);
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
                for (status, what) in EVERYWHERE {
                    operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| error(what).into());
                }
            }
        }
    }
}

/// What any route may answer.
const EVERYWHERE: &[(&str, &str)] = &[
    ("400", "The request cannot be read"),
    ("401", "The token is missing, or not the one of this server"),
    ("500", "The server failed"),
];

fn error(what: &str) -> utoipa::openapi::Response {
    let schema = utoipa::openapi::Ref::from_schema_name("ErrorBody");
    let content = utoipa::openapi::ContentBuilder::new().schema(Some(schema)).build();
    utoipa::openapi::ResponseBuilder::new().description(what).content("application/json", content).build()
}

/// The OpenAPI document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
