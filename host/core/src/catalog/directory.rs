//! A catalog that is a directory: `TENANT/APPLET.belljar` is the package, `TENANT/APPLET.grant.json` what the tenant granted (the
//! permissions of the package's descriptor, as JSON). Without a grant there is no release.

use std::io::Read;
use std::path::Path;

use belljar_package::Permissions;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{Catalog, CatalogError, Release};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::Limits;

/// Bytes of a grant file.
const GRANT_BYTES_MAX: u64 = 1 << 20;

/// A catalog in a directory; it is read anew at each call.
#[derive(Debug)]
pub struct DirectoryCatalog {
    dir: Dir,
    limits: Limits,
}

impl DirectoryCatalog {
    /// Opens the directory. `limits` are the host's: packages may ask for less.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, limits: Limits) -> std::io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, limits })
    }

    /// Reads a file beneath the directory; links that lead out of it are not followed.
    fn read(&self, path: &str, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
        let file = match self.dir.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl Catalog for DirectoryCatalog {
    fn release(&self, tenant: &TenantId, applet: &AppletId) -> Result<Release, CatalogError> {
        let package = self.read(&format!("{tenant}/{applet}.belljar"), belljar_package::PACKAGE_BYTES_MAX as u64)?;
        let not_found = || CatalogError::NotFound { tenant: tenant.clone(), applet: applet.clone() };
        let package = package.ok_or_else(not_found)?;
        let path = format!("{tenant}/{applet}.grant.json");
        let grant = self.read(&path, GRANT_BYTES_MAX)?;
        let grant =
            grant.ok_or_else(|| CatalogError::NotGranted { tenant: tenant.clone(), applet: applet.clone(), path })?;
        let granted: Permissions = serde_json::from_slice(&grant).map_err(|error| CatalogError::InvalidGrant {
            tenant: tenant.clone(),
            applet: applet.clone(),
            message: error.to_string(),
        })?;
        let release = Release::admit(tenant.clone(), &package, &Grants::all_asked(&granted), &self.limits)?;
        // The name is the applet's identity: a package of another applet under it would get that one's database.
        if release.applet() == applet { Ok(release) } else { Err(not_found()) }
    }
}
