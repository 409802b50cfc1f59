//! The public HTTP front: from a request to the handler that it is for, and from the handler's answer to a response. It is the only part
//! that knows HTTP. Requests go through `Front::handle` from top to bottom; `docs/http.md` says the same to users.

mod access;
mod assets;
mod auth;
mod body;
mod call;
mod config;
mod cors;
mod headers;
mod io;
mod listener;
mod pace;
mod problem;
mod proxy;
mod rate;
mod request;
mod route;
mod target;
mod tls;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use belljar::package::{Cors, Route};
use belljar::{Digest, Invocation, InvocationId, Payload, Release};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::auth::{AuthError, Authenticator, Identifying, KeyAuthenticator};
use self::body::FrontBody;
use self::call::Answer;
pub use self::config::FrontConfig;
use self::cors::CorsAnswer;
pub use self::listener::ConnectionCounts;
use self::listener::{Connection, Connections};
use self::problem::Problem;
use self::rate::RateLimits;
use self::request::BodyWatch;
use self::route::{Matched, Routes};
pub use self::tls::{Tls, TlsError};
use crate::directory::{Active, Directory, Identity};
use crate::dispatch::{Dispatcher, Refusal};

/// Packages whose routes are kept.
const ROUTES_MAX: usize = 16_384;
/// After the grace time, what is left of connections has this long.
const CLOSING: Duration = Duration::from_secs(2);

/// The front: made once, shared by all connections.
pub struct Front {
    config: FrontConfig,
    directory: Arc<dyn Directory>,
    authenticator: Arc<dyn Authenticator>,
    dispatcher: Arc<Dispatcher>,
    routes: RwLock<HashMap<Digest, Arc<Compiled>>>,
    rates: RateLimits,
    held: Arc<AtomicU64>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    /// No new connections, and no new requests on those there are.
    closing: CancellationToken,
    /// Connections end as they are.
    aborting: CancellationToken,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("connections", &self.connections.counts()).finish_non_exhaustive()
    }
}

/// What is made once of each package.
#[derive(Debug)]
struct Compiled {
    routes: Routes,
    /// Entity tags of assets that were asked for.
    tags: Mutex<HashMap<String, Arc<str>>>,
}

impl Front {
    /// Answers requests for the applets of `directory`, whose API keys say who calls.
    pub fn new(config: FrontConfig, directory: Arc<dyn Directory>, dispatcher: Arc<Dispatcher>) -> Arc<Self> {
        let authenticator = Arc::new(KeyAuthenticator::new(directory.clone()));
        Self::with_authenticator(config, directory, dispatcher, authenticator)
    }

    /// As [`Front::new`], with another way to tell who calls.
    pub fn with_authenticator(
        config: FrontConfig,
        directory: Arc<dyn Directory>,
        dispatcher: Arc<Dispatcher>,
        authenticator: Arc<dyn Authenticator>,
    ) -> Arc<Self> {
        Arc::new(Self {
            rates: RateLimits::new(config.rate_clients_max),
            config,
            directory,
            authenticator,
            dispatcher,
            routes: RwLock::default(),
            held: Arc::default(),
            connections: Arc::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            aborting: CancellationToken::new(),
        })
    }

    /// How many connections there are.
    pub fn connections(&self) -> ConnectionCounts {
        self.connections.counts()
    }

    /// Bytes of responses that clients have not taken so far.
    pub fn response_bytes_held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Refuses new calls with 503, waits up to `grace` for those in flight, ends what is left with 503, and closes all connections.
    /// Whether all calls ended by themselves.
    pub async fn stop(&self, grace: Duration) -> bool {
        let by_themselves = self.dispatcher.stop(grace).await;
        self.closing.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(CLOSING, self.tasks.wait()).await;
        self.aborting.cancel();
        self.tasks.wait().await;
        by_themselves
    }

    /// Answers one request.
    async fn handle(&self, connection: &Connection, request: Request<Incoming>) -> Response<FrontBody> {
        let id = self.dispatcher.host().new_id();
        let (head, incoming) = request.into_parts();
        let mut closes = self.closes_after(connection, &head);
        let is_head = head.method == Method::HEAD;
        let is_http1 = head.version < Version::HTTP_2;
        let mut cors = CorsAnswer::default();
        let mut response = match self.answer(connection, head, incoming, &id, &mut cors).await {
            Ok(response) => response,
            Err(problem) => {
                closes |= problem.closes;
                problem.into_response(&id)
            }
        };
        if is_head {
            let has_no_body = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            if let Some(len) = response.body().len().filter(|_| !has_no_body)
                && !response.headers().contains_key(header::CONTENT_LENGTH)
            {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
            }
            *response.body_mut() = FrontBody::Empty;
        }
        let headers = response.headers_mut();
        cors.apply(headers);
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert("x-belljar-invocation", id);
        }
        // A server that stops may have been told so while the request was under way.
        if is_http1 && (closes || self.dispatcher.is_stopping()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether the connection takes no further request. After a body in chunks it does not: if the head had a length as well, which the
    /// HTTP implementation ignores, a proxy that goes by the length takes the rest for the next request (RFC 9112 section 6.3).
    fn closes_after(&self, connection: &Connection, head: &Parts) -> bool {
        let requests = connection.requests.fetch_add(1, Ordering::Relaxed) + 1;
        head.headers.contains_key(header::TRANSFER_ENCODING)
            || self.config.requests_per_connection_max.is_some_and(|requests_max| requests >= requests_max)
    }

    async fn answer(
        &self,
        connection: &Connection,
        head: Parts,
        incoming: Incoming,
        id: &InvocationId,
        cors: &mut CorsAnswer,
    ) -> Result<Response<FrontBody>, Problem> {
        let uri_bytes = head.uri.path().len() + head.uri.query().map_or(0, str::len);
        if uri_bytes > self.config.uri_bytes_max as usize {
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "the request's target is too long"));
        }
        if head.method == Method::CONNECT {
            return Err(Problem::method_not_allowed(&["GET".into()]));
        }
        if self.response_bytes_held() > self.config.response_bytes_held_max {
            return Err(Problem::busy());
        }
        let external =
            proxy::external(connection.peer, connection.is_tls, &self.config.trusted_proxies, &head.uri, &head.headers);
        let external =
            external.ok_or_else(|| Problem::bad_request("the request does not say once which host it is for"))?;
        // `*` of OPTIONS, and the empty path of the absolute form.
        let path = if head.uri.path().starts_with('/') { head.uri.path() } else { "/" };
        let target = target::target(&*self.directory, &external, path)?.ok_or_else(Problem::not_found)?;
        let active = self.directory.active(&target.tenant, &target.applet)?.ok_or_else(Problem::not_found)?;
        let compiled = self.compiled(&active.release);
        let descriptor = &active.release.package().descriptor;

        if let Some(asset) = self.asset(&active, &compiled, &head, target.path, cors)? {
            return Ok(asset);
        }
        let is_preflight = cors::is_preflight(&head.method, &head.headers);
        let asked = match is_preflight {
            true => head
                .headers
                .get(header::ACCESS_CONTROL_REQUEST_METHOD)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default(),
            false => head.method.as_str(),
        };
        let route_of = |handler: usize| descriptor.handlers[handler].trigger.route();
        let cors_of = |handler: usize| route_of(handler).and_then(|route| route.cors).or(descriptor.cors.as_ref());
        let (handler, params, is_head_by_get) = match compiled.routes.find(asked, target.path) {
            Matched::Malformed => return Err(Problem::bad_request("the request's path is malformed")),
            Matched::Nothing => return Err(Problem::not_found()),
            Matched::OtherMethods(methods) => {
                return options(&head, descriptor.cors.as_ref(), methods, cors);
            }
            Matched::Handler { handler, .. } if is_preflight && cors_of(handler).is_some() => {
                let methods = vec![asked.to_owned()];
                return options(&head, cors_of(handler), methods, cors);
            }
            Matched::Handler { .. } if is_preflight => {
                // Without rules the applet may answer it itself.
                match compiled.routes.find("OPTIONS", target.path) {
                    Matched::Handler { handler, params, .. } => (handler, params, false),
                    _ => return options(&head, None, vec![asked.to_owned()], cors),
                }
            }
            Matched::Handler { handler, params, is_head_by_get } => (handler, params, is_head_by_get),
        };
        if let Some(rules) = cors_of(handler) {
            *cors = CorsAnswer::to_request(rules, &head.headers);
        }
        let Some(Route { auth, permissions, rate_limit_per_minute, .. }) = route_of(handler) else {
            return Err(Problem::not_found());
        };
        let name = &descriptor.handlers[handler].name;
        let identity = self.identity(auth, permissions, &active, &head, &external).await?;
        self.check_rate(&active, name, auth, rate_limit_per_minute, identity.as_deref(), &external)?;

        let watch = Arc::new(BodyWatch::default());
        let pace = self.config.body_pace();
        let body = request::body(incoming, &head.headers, self.config.body_bytes_max, pace, &watch)
            .await
            .map_err(Problem::body)?;
        let method = if is_head_by_get { "GET" } else { head.method.as_str() };
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let request = belljar::Request {
            method: method.to_owned(),
            url: format!("{}://{}{path}{query}", external.scheme, external.authority),
            headers: headers::for_applet(&head.headers, &external.authority, connection.is_from_proxy),
            body,
        };
        let mut invocation = Invocation::new(name.clone(), Payload::Request(request));
        invocation.id = Some(id.clone());
        invocation.params = params;
        invocation.locale = locale(identity.as_deref(), &head);
        if let Some(identity) = identity {
            invocation.user = Some(identity.user.clone());
            invocation.organisation = identity.organisation.clone();
            invocation.permissions = identity.permissions.clone();
        }
        match call::call(&self.dispatcher, &active, invocation).await {
            Err(refused) => Err(Problem::refused(&refused)),
            Ok(Answer::Streams(response)) => Ok(response),
            Ok(Answer::Ended(outcome)) => {
                if let Some(problem) = watch.problem() {
                    return Err(Problem::body(problem));
                }
                let mut response = match outcome.result {
                    Ok(answer) => call::whole(answer, &self.held),
                    Err(fault) => Problem::fault(&fault, self.config.has_error_details).into_response(id),
                };
                if self.config.has_usage_headers {
                    call::usage_headers(response.headers_mut(), &outcome.usage);
                }
                Ok(response)
            }
        }
    }

    /// The file that a request is for, if it is for one.
    fn asset(
        &self,
        active: &Active,
        compiled: &Compiled,
        head: &Parts,
        path: &str,
        cors: &mut CorsAnswer,
    ) -> Result<Option<Response<FrontBody>>, Problem> {
        if !path.starts_with("/assets/") || !matches!(head.method, Method::GET | Method::HEAD) {
            return Ok(None);
        }
        let Some(name) = target::percent_decoded(&path[1..]) else { return Ok(None) };
        let Some(bytes) = active.release.package().files.get(&name) else { return Ok(None) };
        if !active.is_enabled || !active.tenant.is_enabled {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Disabled.as_str(),
                Refusal::Disabled.to_string(),
            ));
        }
        if let Some(rules) = &active.release.package().descriptor.cors {
            *cors = CorsAnswer::to_request(rules, &head.headers);
        }
        let tag = {
            let mut tags = compiled.tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.entry(name.clone()).or_insert_with(|| assets::entity_tag(bytes).into()).clone()
        };
        Ok(Some(assets::respond(&active.release, &name, &tag, &head.method, &head.headers)))
    }

    /// What is made once of each package.
    fn compiled(&self, release: &Release) -> Arc<Compiled> {
        let digest = release.digest();
        if let Some(compiled) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return compiled.clone();
        }
        let compiled =
            Arc::new(Compiled { routes: Routes::of(&release.package().descriptor.handlers), tags: Mutex::default() });
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= ROUTES_MAX {
            // They are made again in microseconds.
            routes.clear();
        }
        routes.entry(digest).or_insert(compiled).clone()
    }
}

/// There are handlers for other methods only, or a preflight asks: what is possible here.
fn options(
    head: &Parts,
    rules: Option<&Cors>,
    methods: Vec<String>,
    cors: &mut CorsAnswer,
) -> Result<Response<FrontBody>, Problem> {
    let mut allow = methods.clone();
    for (of, also) in [("GET", "HEAD"), ("", "OPTIONS")] {
        if (of.is_empty() || methods.iter().any(|method| method == of)) && !allow.iter().any(|method| method == also) {
            allow.push(also.to_owned());
        }
    }
    if head.method != Method::OPTIONS {
        if let Some(rules) = rules {
            *cors = CorsAnswer::to_request(rules, &head.headers);
        }
        return Err(Problem::method_not_allowed(&allow));
    }
    if let Some(rules) = rules.filter(|_| cors::is_preflight(&head.method, &head.headers)) {
        *cors = CorsAnswer::to_preflight(rules, &head.headers, &methods);
    }
    let mut response = Response::new(FrontBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&allow.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Ok(response)
}

/// The user's own, or the first that the client would take.
fn locale(identity: Option<&Identity>, head: &Parts) -> String {
    if let Some(locale) = identity.and_then(|identity| identity.locale.clone()) {
        return locale;
    }
    let accepted = head.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accepted.split([',', ';']).next().unwrap_or_default().trim();
    if belljar::package::rules::locale(first).is_ok() { first.to_owned() } else { "en".to_owned() }
}
