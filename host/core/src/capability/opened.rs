//! What one invocation may do: the session of each capability that was granted. Both engines call the same ones.

use std::sync::Arc;

use super::crypto::CryptoSession;
use super::custom::CustomSession;
use super::db::DbSession;
use super::events::EventsSession;
use super::http::HttpSession;
use super::jobs::JobsSession;
use super::kv::KvSession;
use super::log::LogSession;
use super::secrets::SecretsSession;
use crate::floor::usage::Usage;
use crate::invocation::Modules;
use crate::observe::Watch;

/// Capabilities of one invocation. What was not granted is not there.
pub(crate) struct Capabilities {
    pub(crate) db: Option<DbSession>,
    pub(crate) http: Option<HttpSession>,
    pub(crate) kv: Option<KvSession>,
    pub(crate) secrets: Option<SecretsSession>,
    pub(crate) events: Option<EventsSession>,
    pub(crate) jobs: Option<JobsSession>,
    pub(crate) custom: Option<CustomSession>,
    pub(crate) crypto: CryptoSession,
    pub(crate) log: LogSession,
    pub(crate) modules: Option<Arc<dyn Modules>>,
    /// Is told of each use of what was granted, and of what was not.
    pub(crate) watch: Option<Watch>,
}

impl Capabilities {
    /// Those of the embedder's own, by name, with the names of their functions.
    pub(crate) fn custom_names(&self) -> Vec<(String, Vec<String>)> {
        self.custom.as_ref().map(CustomSession::names).unwrap_or_default()
    }

    /// What was used of them so far; the engine's own part is left at nothing.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            db: self.db.as_ref().map(|db| db.usage()).unwrap_or_default(),
            http: self.http.as_ref().map(|http| http.usage()).unwrap_or_default(),
            crypto: self.crypto.usage(),
            kv: self.kv.as_ref().map(|kv| kv.usage()).unwrap_or_default(),
            events: self.events.as_ref().map(|events| events.usage()).unwrap_or_default(),
            jobs: self.jobs.as_ref().map(|jobs| jobs.usage()).unwrap_or_default(),
            custom: self.custom.as_ref().map(|custom| custom.usage()).unwrap_or_default(),
            log: self.log.usage(),
            ..Usage::default()
        }
    }
}
