//! Which applet a tenant has, what was granted to it, and within which limits it runs. A catalog answers with a [`Release`]: the
//! package together with the tenant's decision. It knows nothing of engines.

mod directory;

use std::sync::Arc;

use belljar_package::{Package, PackageError};

pub use directory::DirectoryCatalog;

use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, Digest, InvalidId, TenantId};
use crate::floor::limits::Limits;

/// A package that a tenant has admitted: what was granted, and the limits in force.
#[derive(Debug, Clone)]
pub struct Release {
    tenant: TenantId,
    applet: AppletId,
    package: Arc<Package>,
    digest: Digest,
    grants: Grants,
    limits: Limits,
}

impl Release {
    /// Admits a package for a tenant. What is granted is cut to what the package asks for, and its limits to the host's.
    ///
    /// `encoded` is the package file, whose digest names the release.
    ///
    /// # Errors
    /// [`CatalogError::Package`] when the file is not a package.
    pub fn admit(tenant: TenantId, encoded: &[u8], granted: &Grants, host: &Limits) -> Result<Self, CatalogError> {
        let package = Package::decode(encoded)?;
        let digest = Digest::from_bytes(*Package::digest_of(encoded).as_bytes());
        Self::admit_decoded(tenant, Arc::new(package), digest, granted, host)
    }

    /// As [`admit`](Self::admit), of a package that has been read: tenants that have the same one share it. `digest` is that of the file it
    /// was read from ([`Digest::of`]).
    ///
    /// # Errors
    /// [`CatalogError::Id`] when the package's id is no identity.
    pub fn admit_decoded(
        tenant: TenantId,
        package: Arc<Package>,
        digest: Digest,
        granted: &Grants,
        host: &Limits,
    ) -> Result<Self, CatalogError> {
        let grants = granted.cut_to(&package.descriptor.permissions);
        let limits = host.for_package(&package.descriptor.runtime.limits);
        let applet = AppletId::new(package.descriptor.id.clone())?;
        Ok(Self { tenant, applet, package, digest, grants, limits })
    }

    /// Admits a package with everything it asks for, as its author or an operator does who trusts it.
    ///
    /// # Errors
    /// [`CatalogError::Package`] when the file is not a package.
    pub fn admit_all(tenant: TenantId, encoded: &[u8], host: &Limits) -> Result<Self, CatalogError> {
        let package = Package::decode(encoded)?;
        Self::admit(tenant, encoded, &Grants::all_asked(&package.descriptor.permissions), host)
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The applet.
    pub fn applet(&self) -> &AppletId {
        &self.applet
    }

    /// The package.
    pub fn package(&self) -> &Arc<Package> {
        &self.package
    }

    /// Digest of the package file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Rights in force: asked for, and granted.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// This tenant has no such applet.
    #[error("tenant {tenant} has no applet {applet}")]
    NotFound {
        /// The tenant.
        tenant: TenantId,
        /// The applet.
        applet: AppletId,
    },
    /// The tenant has granted nothing, not even the nothing that an applet without permissions needs.
    #[error("tenant {tenant} has not granted applet {applet} anything: {path} is missing")]
    NotGranted {
        /// The tenant.
        tenant: TenantId,
        /// The applet.
        applet: AppletId,
        /// Where the grant would be, relative to the catalog.
        path: String,
    },
    /// The grant cannot be read.
    #[error("the grant of tenant {tenant} for applet {applet} is not valid: {message}")]
    InvalidGrant {
        /// The tenant.
        tenant: TenantId,
        /// The applet.
        applet: AppletId,
        /// Why, with its line and column.
        message: String,
    },
    /// The file is no package, or not a whole one.
    #[error("not a Belljar package")]
    Package(#[from] PackageError),
    /// The package's id is no identity.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The catalog cannot be read.
    #[error("the catalog cannot be read")]
    Io(#[from] std::io::Error),
}

/// Where a host finds its applets. Implementations may read disk: hosts call them from a blocking thread.
pub trait Catalog: Send + Sync + 'static {
    /// The release of `applet` at `tenant`.
    ///
    /// # Errors
    /// [`CatalogError`]; a tenant that is not known has no applets.
    fn release(&self, tenant: &TenantId, applet: &AppletId) -> Result<Release, CatalogError>;
}
