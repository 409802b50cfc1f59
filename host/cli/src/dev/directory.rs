//! The catalog as the front sees it, with two differences: names lead to the one applet there is, at the root, and any token is somebody.

use std::sync::{Arc, PoisonError, RwLock};

use belljar::{AppletId, TenantId};
use belljar_server::catalog::Catalog;
use belljar_server::directory::{Active, Directory, HostMapping, Identity, Unavailable};
use belljar_server::front::{Authenticator, Identifying};
use http::header::AUTHORIZATION;
use http::request::Parts;

/// The applet at the root of every host.
pub(super) struct AtRoot {
    catalog: Catalog,
    tenant: TenantId,
    applet: RwLock<Option<AppletId>>,
}

impl AtRoot {
    pub(super) fn new(catalog: Catalog, tenant: TenantId) -> Self {
        Self { catalog, tenant, applet: RwLock::default() }
    }

    /// From now on it is this one.
    pub(super) fn put(&self, applet: AppletId) {
        *self.applet.write().unwrap_or_else(PoisonError::into_inner) = Some(applet);
    }

    fn applet(&self) -> Option<AppletId> {
        self.applet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Directory for AtRoot {
    fn active(&self, tenant: &TenantId, applet: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
        self.catalog.active(tenant, applet)
    }

    fn host(&self, _: &str) -> Result<Option<HostMapping>, Unavailable> {
        Ok(self.applet().map(|applet| HostMapping { tenant: self.tenant.clone(), applet: Some(applet) }))
    }

    /// The key is the name of the user, who holds every permission that a handler asks for.
    fn identity(&self, api_key: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        let active = match self.applet() {
            Some(applet) => self.catalog.active(&self.tenant, &applet)?,
            None => None,
        };
        let mut permissions: Vec<String> = Vec::new();
        for handler in active.iter().flat_map(|active| &active.release.package().descriptor.handlers) {
            let asked = handler.trigger.route().map(|route| route.permissions).unwrap_or_default();
            permissions.extend(asked.iter().cloned());
        }
        permissions.sort();
        permissions.dedup();
        Ok(Some(Arc::new(Identity {
            tenant: self.tenant.clone(),
            key: "dev".to_owned(),
            user: api_key.chars().take(64).collect(),
            organisation: None,
            permissions,
            locale: None,
        })))
    }
}

/// Takes every caller at their word.
pub(super) struct Anybody {
    directory: Arc<AtRoot>,
    /// Who calls when the request does not say.
    user: Option<String>,
}

impl Anybody {
    pub(super) fn new(directory: Arc<AtRoot>, user: Option<String>) -> Self {
        Self { directory, user }
    }
}

impl Authenticator for Anybody {
    fn identify<'a>(&'a self, head: &'a Parts) -> Identifying<'a> {
        let header = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
        let named = token.map(|token| token.trim().trim_start_matches("bj_")).filter(|name| !name.is_empty());
        let name = named.or(self.user.as_deref());
        let found = name.map_or(Ok(None), |name| self.directory.identity(name).map_err(Into::into));
        Box::pin(async { found })
    }
}
