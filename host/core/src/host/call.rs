//! One invocation: what it runs in, and the capabilities that are opened for it.

use std::sync::Arc;
use std::time::Instant;

use belljar_package::Package;

use super::{Host, Ready};
use crate::capability::custom::{Call, CustomSession};
use crate::capability::db::DbSession;
use crate::capability::events::EventsSession;
use crate::capability::http::{HostBytes, HttpClient, HttpRules, HttpSession};
use crate::capability::jobs::JobsSession;
use crate::capability::kv::{KvOwner, KvSession};
use crate::capability::log::{LogContext, LogSession};
use crate::capability::opened::Capabilities;
use crate::capability::origin::Origin;
use crate::capability::secrets::SecretsSession;
use crate::catalog::Release;
use crate::engine::component::{Call as ComponentCall, ComponentRun};
use crate::engine::invoke::{Ran, Run, Task};
use crate::engine::tape::Taped;
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;
use crate::invocation::{Invocation, Outcome, ResponseSink};
use crate::observe::Watch;
use crate::process::ProcessRun;
use crate::recording::events::EventWriter;

/// For whom capabilities are opened. What few invocations need is made when it is needed.
pub(super) struct Who<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) applet: &'a AppletId,
    pub(super) package: Option<&'a Arc<Package>>,
    pub(super) origin: &'a dyn Fn() -> Origin,
    pub(super) caller: &'a Caller<'a>,
}

/// The user that an invocation runs for.
#[derive(Default)]
pub(super) struct Caller<'a> {
    user: Option<&'a str>,
    organisation: Option<&'a str>,
    permissions: &'a [String],
}

impl Host {
    /// With a `writer`, what comes in from outside is taken down.
    pub(super) async fn call_taped(
        &self,
        release: &Release,
        mut invocation: Invocation,
        sink: &mut dyn ResponseSink,
        writer: Option<EventWriter>,
    ) -> (Outcome, Option<Taped>) {
        let id = invocation.id.take().unwrap_or_else(|| self.new_id());
        let source = invocation.source.take().unwrap_or_else(|| self.source());
        let Some(handler) = release.package().descriptor.handlers.iter().find(|h| h.name == invocation.handler) else {
            let names: Vec<_> = release.package().descriptor.handlers.iter().map(|h| h.name.as_str()).collect();
            let message = format!(
                "applet {} has no handler {:?}; it has: {}",
                release.applet(),
                invocation.handler,
                names.join(", ")
            );
            return (
                Outcome { id, result: Err(Fault::new(FaultCode::HandlerNotFound, message)), usage: Usage::default() },
                None,
            );
        };
        if let Err(fault) = self.check(release) {
            return (Outcome { id, result: Err(fault), usage: Usage::default() }, None);
        }
        let ready = match self.ready(release).await {
            Ok(ready) => ready,
            Err(fault) => return (Outcome { id, result: Err(fault), usage: Usage::default() }, None),
        };
        let limits = release.limits();
        let begun = Instant::now();
        let deadline = Deadline::new(begun, limits.deadline_ms);
        let version = release.package().descriptor.version.to_string();
        let context = LogContext {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            version: version.clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
        };
        let origin = || Origin {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            handler: handler.name.clone(),
            invocation: id.clone(),
            chain: invocation.chain.clone(),
            job: invocation.job.clone(),
        };
        let Invocation { user, organisation, permissions, .. } = &invocation;
        let caller = Caller { user: user.as_deref(), organisation: organisation.as_deref(), permissions };
        let who = Who {
            tenant: release.tenant(),
            applet: release.applet(),
            package: Some(release.package()),
            origin: &origin,
            caller: &caller,
        };
        let (capabilities, host_bytes) = self.capabilities(who, release.grants(), limits, context, &deadline, &source);
        let prepared = match ready {
            Ready::Sandbox(prepared) => prepared,
            Ready::Component(prepared) => {
                let (turns, until) = (invocation.turns.take(), invocation.until.take());
                let call = ComponentCall::new(&id, release, handler, version, invocation);
                let run = ComponentRun {
                    prepared: &prepared,
                    limits,
                    source,
                    capabilities,
                    host_bytes,
                    call,
                    turns,
                    until,
                    begun,
                    deadline,
                    writer,
                };
                let Ran { result, usage, taped } = match self.components() {
                    Ok(components) => components.invoke(run).await,
                    Err(fault) => Ran { result: Err(fault), usage: Usage::default(), taped: None },
                };
                return (Outcome { id, result, usage }, taped);
            }
            Ready::Process(running) => {
                let run = ProcessRun {
                    id: &id,
                    release,
                    handler,
                    invocation,
                    capabilities,
                    host_bytes,
                    source,
                    sink,
                    begun,
                    deadline,
                };
                let (result, usage) = running.invoke(run).await;
                return (Outcome { id, result, usage }, None);
            }
        };
        let turns = invocation.turns.take();
        let until = invocation.until.take();
        let task = Task::call(&id, release, handler, version, invocation, capabilities.custom_names());
        let run = Run {
            prepared: &prepared,
            limits,
            source,
            capabilities,
            host_bytes,
            task,
            turns,
            until,
            sink,
            begun,
            deadline,
            writer,
        };
        let Ran { result, usage, taped } = self.inner.sandbox.invoke(run).await;
        (Outcome { id, result, usage }, taped)
    }

    /// Opens what was granted, for one invocation.
    pub(super) fn capabilities(
        &self,
        who: Who<'_>,
        grants: &Grants,
        limits: &Limits,
        context: LogContext,
        deadline: &Deadline,
        source: &Arc<dyn Source>,
    ) -> (Capabilities, HostBytes) {
        let host_bytes = HostBytes::new(limits.host_bytes_max);
        let inner = &self.inner;
        let Who { tenant, applet, package, origin, caller } = who;
        let db = |granted: bool| -> Option<DbSession> {
            granted.then(|| {
                inner.databases.session(tenant.clone(), applet.clone(), limits.db.clone(), Some(deadline.clone()))
            })
        };
        let secrets = (!grants.secrets.is_empty()).then(|| {
            SecretsSession::new(inner.secrets.clone(), grants.secrets.clone(), tenant.clone(), applet.clone())
        });
        let in_use = secrets.as_ref().map(|secrets| secrets.in_use().clone());
        let http = |rules: &[belljar_package::HttpRule]| -> Option<HttpSession> {
            if rules.is_empty() {
                return None;
            }
            let rules = Arc::new(HttpRules::new(rules));
            let session = self
                .http_client()?
                .session(rules, limits.http.clone(), deadline.clone())
                .with_host_bytes(host_bytes.clone());
            Some(session.with_secrets(in_use.clone()))
        };
        let kv = grants.kv.then(|| {
            let owner = KvOwner { tenant: tenant.clone(), applet: applet.clone() };
            KvSession::new(inner.kv.clone(), owner, limits.kv.clone())
        });
        let (db, http) = (db(grants.db), http(&grants.http));
        let events = (!grants.events_publish.is_empty()).then(|| {
            EventsSession::new(inner.events.clone(), grants.events_publish.clone(), origin(), limits.events.clone())
        });
        let jobs =
            grants.jobs.then(|| JobsSession::new(inner.jobs.clone(), package.cloned(), origin(), limits.jobs.clone()));
        let custom = (!grants.custom.is_empty()).then(|| {
            let call = Call {
                tenant: tenant.clone(),
                applet: applet.clone(),
                handler: context.handler.clone(),
                invocation: context.invocation.clone(),
                user: caller.user.map(str::to_owned),
                organisation: caller.organisation.map(str::to_owned),
                permissions: caller.permissions.to_vec(),
                deadline: deadline.clone(),
            };
            CustomSession::new(&inner.offered, &grants.custom, call)
        });
        let watch = self.inner.observer.clone().map(|observer| Watch { observer, context: Arc::new(context.clone()) });
        let capabilities = Capabilities {
            db,
            http,
            kv,
            secrets,
            events,
            jobs,
            custom,
            // Computation only: nothing to grant.
            crypto: self.inner.crypto.session(limits.crypto.clone(), host_bytes.clone()),
            log: LogSession::new(context, self.inner.log.clone(), source.clone(), limits),
            modules: None,
            watch,
        };
        (capabilities, host_bytes)
    }

    /// Made at the first use: reading the certificates takes longer than many an invocation.
    fn http_client(&self) -> Option<&HttpClient> {
        if let Some(client) = self.inner.http.get() {
            return Some(client);
        }
        // The configuration was checked when the host was built.
        let client = HttpClient::new(&self.inner.http_config).ok()?;
        let client = match &self.inner.http_transport {
            Some(transport) => client.with_transport(transport.clone()),
            None => client,
        };
        Some(self.inner.http.get_or_init(|| client))
    }
}
