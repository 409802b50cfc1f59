//! One applet, as the server's registries see it: always installed, its release 1, in use.

use std::sync::Arc;

use belljar::{AppletId, Release, TenantId};
use belljar_server::directory::{Active, Directory, HostMapping, Identity, Quotas, Tenant, Unavailable};
use belljar_server::triggers::registry::{Installed, InstalledApplet};

/// The only applet there is. It has no host name and nobody has a key to it.
pub struct OneApplet(Arc<Active>);

impl OneApplet {
    /// Of the tenant that `release` was admitted for.
    pub fn new(release: Release) -> Self {
        let tenant = Arc::new(Tenant { id: release.tenant().clone(), is_enabled: true, quotas: Quotas::default() });
        Self(Arc::new(Active {
            release: Arc::new(release),
            release_number: 1,
            config: Arc::from(""),
            is_enabled: true,
            tenant,
        }))
    }

    /// What is called.
    pub fn release(&self) -> &Release {
        &self.0.release
    }
}

impl Directory for OneApplet {
    fn active(&self, _: &TenantId, _: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
        Ok(Some(self.0.clone()))
    }

    fn host(&self, _: &str) -> Result<Option<HostMapping>, Unavailable> {
        Ok(None)
    }

    fn identity(&self, _: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        Ok(None)
    }
}

impl Installed for OneApplet {
    fn generation(&self) -> u64 {
        1
    }

    fn applets(&self) -> Result<Vec<InstalledApplet>, Unavailable> {
        let applet = self.0.release.applet().clone();
        Ok(vec![InstalledApplet { tenant: self.0.tenant.id.clone(), applet, release_number: 1, is_enabled: true }])
    }
}
