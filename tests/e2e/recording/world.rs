//! A host with everything around it that an applet can ask for: databases, keys, secrets, sinks for events and jobs, and http that echoes.

use std::collections::HashMap;
use std::sync::Arc;

use belljar::{
    Answering, AppletId, Bytes, CarriedRequest, CarriedResponse, Carrying, EventSink, Host, HostBuilder, HttpTransport,
    JobSink, NewJob, Origin, PublishedEvent, SecretSource, SecretText, SecretsUnavailable, TenantId,
};
use belljar_tests::host;

/// See above.
pub(super) struct World {
    pub(super) host: Host,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_secrets(&[])
    }

    pub(super) fn with_secrets(texts: &[(&'static str, &'static str)]) -> Self {
        Self::build(texts, |builder| builder)
    }

    pub(super) fn build(texts: &[(&'static str, &'static str)], more: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let builder = host::builder()
            .secrets(Arc::new(Vault(texts.iter().copied().collect())))
            .events(Arc::new(Sinks))
            .jobs(Arc::new(Sinks));
        Self { host: host::build(more(builder.http_transport(Arc::new(Echo)))) }
    }
}

struct Vault(HashMap<&'static str, &'static str>);

impl SecretSource for Vault {
    fn secret(&self, _: &TenantId, _: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        Ok(self.0.get(name).map(|text| SecretText::new((*text).to_owned())))
    }
}

/// Answers with the body that was sent, or with the URL.
struct Echo;

impl HttpTransport for Echo {
    fn carry(&self, request: CarriedRequest) -> Carrying<'_> {
        if request.url.ends_with("/broken") {
            return Box::pin(async { Err("it broke off".into()) });
        }
        if request.url.ends_with("/never") {
            return Box::pin(std::future::pending());
        }
        let body = if request.body.is_empty() { Bytes::from(request.url) } else { request.body };
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        Box::pin(async { Ok(CarriedResponse { status: 200, headers, body }) })
    }
}

struct Sinks;

impl EventSink for Sinks {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        Box::pin(async move { Ok(format!("evt_{}", event.name)) })
    }
}

impl JobSink for Sinks {
    fn enqueue(&self, _: NewJob) -> Answering<'_, String> {
        Box::pin(async { Ok("job_1".into()) })
    }

    fn cancel(&self, _: Origin, _: String) -> Answering<'_, bool> {
        Box::pin(async { Ok(false) })
    }

    fn progress(&self, _: Origin, _: String) -> Answering<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
