//! The secrets capability: texts that a tenant keeps for an applet, by the names that were granted. Where they are kept is the embedder's
//! [`SecretSource`].
//!
//! A secret without hosts is read: its text is given to the applet. Of one that is bound to hosts the applet gets a placeholder that means
//! nothing outside its invocation; `http` puts the text in its place, in the values of headers, when a request goes to one of those hosts.
//! Whatever an invocation has asked for is redacted in all that it leaves behind ([`in_use`]).

pub(crate) mod in_use;

use std::future::Future;
use std::sync::Arc;

use belljar_package::SecretRule;
use zeroize::Zeroizing;

use self::in_use::InUse;
use super::refusal::{CapabilityError, within};
use crate::floor::clock::Source;
use crate::floor::ids::{AppletId, TenantId};

/// Bytes of a secret that an applet can use.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The text of a secret. It is wiped from memory when it is dropped, and does not show itself.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: for whoever sends it where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Secrets cannot be had at the moment. The text is for the operator, who finds it in the log of the process.
#[derive(Debug, thiserror::Error)]
#[error("secrets cannot be read: {0}")]
pub struct SecretsUnavailable(pub String);

/// Has the secrets of all tenants.
pub trait SecretSource: Send + Sync + 'static {
    /// The text of one, at most 64 KiB; `None` when the tenant has not set it. Called on a thread that may block, once for each secret that
    /// an invocation uses.
    ///
    /// # Errors
    /// [`SecretsUnavailable`].
    fn secret(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        name: &str,
    ) -> Result<Option<SecretText>, SecretsUnavailable>;
}

/// The secrets of one invocation.
pub(crate) struct SecretsSession {
    source: Option<Arc<dyn SecretSource>>,
    rules: Vec<SecretRule>,
    tenant: TenantId,
    applet: AppletId,
    in_use: Arc<InUse>,
}

impl SecretsSession {
    pub(crate) fn new(
        source: Option<Arc<dyn SecretSource>>,
        rules: Vec<SecretRule>,
        tenant: TenantId,
        applet: AppletId,
    ) -> Self {
        Self { source, rules, tenant, applet, in_use: Arc::default() }
    }

    /// What this invocation uses: for `http`, which sends it, and for what is written down.
    pub(crate) fn in_use(&self) -> &Arc<InUse> {
        &self.in_use
    }

    /// The text of a secret, or its placeholder; `None` when the tenant has not set it. Placeholders are drawn from `random`.
    pub(crate) fn get(
        &self,
        name: String,
        random: &dyn Source,
    ) -> impl Future<Output = Result<Option<String>, CapabilityError>> + Send + use<> {
        let rule = self.rules.iter().find(|rule| rule.name == name).cloned();
        let placeholder = rule.as_ref().filter(|rule| !rule.hosts.is_empty()).map(|_| in_use::placeholder(random));
        let (source, in_use) = (self.source.clone(), self.in_use.clone());
        let (tenant, applet) = (self.tenant.clone(), self.applet.clone());
        async move {
            let Some(rule) = rule else {
                let named: String = name.chars().take(100).collect();
                return Err(CapabilityError::Denied(format!(
                    "secret {named:?} is not in permissions.secrets of the manifest, or not granted"
                )));
            };
            if let Some(given) = in_use.given(&rule.name) {
                return Ok(Some(given));
            }
            let source = source.ok_or_else(|| CapabilityError::Unavailable("it has no secrets".into()))?;
            let name = rule.name.clone();
            let found = tokio::task::spawn_blocking(move || source.secret(&tenant, &applet, &name)).await;
            let failed = || CapabilityError::Failed("the host cannot read its secrets".into());
            let found = found.map_err(|_| failed())?.map_err(|error| {
                tracing::error!(%error, "a secret cannot be read");
                failed()
            })?;
            let Some(text) = found else { return Ok(None) };
            within("secret_bytes_max", SECRET_BYTES_MAX, text.expose().len() as u64)?;
            Ok(Some(in_use.give(rule, text, placeholder)))
        }
    }
}
