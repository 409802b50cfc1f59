//! The catalog as the front sees it, with two differences: names lead to the one applet there is, at the root, and any API key is somebody.

use std::sync::{Arc, PoisonError, RwLock};

use belljar::{AppletId, TenantId};
use belljar_server::catalog::Catalog;
use belljar_server::directory::{Active, Directory, HostMapping, Identity, Unavailable};

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
