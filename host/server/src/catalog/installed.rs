//! Which applets are installed, for events and schedules.

use belljar::{AppletId, TenantId};

use super::audit::unsigned;
use super::{Catalog, CatalogError};
use crate::directory::Unavailable;
use crate::triggers::registry::{Installed, InstalledApplet};

impl Installed for Catalog {
    fn generation(&self) -> u64 {
        self.inner.active.generation()
    }

    fn applets(&self) -> Result<Vec<InstalledApplet>, Unavailable> {
        let sql = "SELECT a.tenant, a.applet, a.active_release, a.is_enabled AND t.is_enabled FROM applets a \
             JOIN tenants t ON t.tenant = a.tenant WHERE a.active_release IS NOT NULL ORDER BY a.tenant, a.applet";
        let found: Result<Vec<(String, String, i64, bool)>, CatalogError> = self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        let found = found.map_err(|error| Unavailable(error.to_string()))?;
        let installed = found.into_iter().map(|(tenant, applet, number, is_enabled)| {
            Ok(InstalledApplet {
                tenant: TenantId::new(tenant)?,
                applet: AppletId::new(applet)?,
                release_number: unsigned(number),
                is_enabled,
            })
        });
        installed.collect::<Result<_, belljar::InvalidId>>().map_err(|error| Unavailable(error.to_string()))
    }
}
