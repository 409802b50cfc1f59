//! Secrets: set for names that a package declares, encrypted in the catalog, given to applets through the core's
//! [`SecretSource`](belljar::SecretSource). Texts are in no error, no audit entry and no `Debug`.

use std::sync::PoisonError;

use belljar::package::Permissions;
use belljar::{AppletId, SECRET_BYTES_MAX, SecretSource, SecretText, SecretsUnavailable, TenantId};
use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;
use serde_json::json;

use super::audit::{Change, signed, unsigned};
use super::install::change;
use super::seal::{Owner, SecretsKey};
use super::{Catalog, CatalogError, Inner};
use crate::failpoint;

/// One secret, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// Whether the package declares it. One that it does not declare any more is kept for going back.
    pub is_declared: bool,
    /// Whether the applet cannot be installed without it.
    pub is_required: bool,
    /// The only hosts it may be sent to; empty: the applet reads it.
    pub hosts: Vec<String>,
    /// When it was set, Unix time in microseconds; `None` when it is not.
    pub set_us: Option<u64>,
}

/// What is written for one secret.
pub(super) struct Sealed {
    name: String,
    key_id: String,
    bytes: Vec<u8>,
}

/// The key in force, and the one before it: a look-up may have read a row just before it was encrypted anew.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) current: Option<SecretsKey>,
    previous: Option<SecretsKey>,
}

impl Keys {
    pub(super) fn new(current: Option<SecretsKey>) -> Self {
        Self { current, previous: None }
    }

    fn of(&self, id: &str) -> Option<&SecretsKey> {
        self.current.iter().chain(&self.previous).find(|key| key.id() == id)
    }
}

impl Catalog {
    /// Sets a secret that the applet declares.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when it does not declare it, or the text is too long; [`CatalogError::SecretsKey`] without a key.
    pub fn set_secret(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        name: &str,
        text: SecretText,
        by: &str,
    ) -> Result<(), CatalogError> {
        let declared = self.declared(tenant, applet)?;
        let sealed = self.seal_all(tenant, applet, &[(name.to_owned(), text)], &declared.descriptor.permissions)?;
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            self.inner.put_secrets(transaction, tenant, applet, &sealed, at)?;
            change(tenant, applet, by, "secret.set", json!({ "name": name })).write(transaction, at)
        })
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when it is not set.
    pub fn delete_secret(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        name: &str,
        by: &str,
    ) -> Result<(), CatalogError> {
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = "DELETE FROM secrets WHERE tenant = ?1 AND applet = ?2 AND name = ?3";
            if transaction.execute(sql, (tenant.as_str(), applet.as_str(), name))? == 0 {
                return Err(CatalogError::NotFound(format!("secret {name} of {applet} is not set at tenant {tenant}")));
            }
            change(tenant, applet, by, "secret.delete", json!({ "name": name })).write(transaction, at)
        })
    }

    /// What an applet declares and what is set, by name.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn secrets(&self, tenant: &TenantId, applet: &AppletId) -> Result<Vec<SecretInfo>, CatalogError> {
        let declared = self.declared(tenant, applet)?;
        let rules = &declared.descriptor.permissions.secrets;
        let mut infos: Vec<SecretInfo> = rules
            .iter()
            .map(|rule| SecretInfo {
                name: rule.name.clone(),
                is_declared: true,
                is_required: rule.required,
                hosts: rule.hosts.clone(),
                set_us: None,
            })
            .collect();
        let set: Vec<(String, i64)> = self.inner.store.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT name, updated_us FROM secrets WHERE tenant = ?1 AND applet = ?2")?;
            let rows = select.query_map((tenant.as_str(), applet.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for (name, set_us) in set {
            let set_us = Some(unsigned(set_us));
            match infos.iter_mut().find(|info| info.name == name) {
                Some(info) => info.set_us = set_us,
                None => {
                    infos.push(SecretInfo { name, is_declared: false, is_required: false, hosts: Vec::new(), set_us })
                }
            }
        }
        infos.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(infos)
    }

    /// Encrypts all secrets anew, in one transaction, and uses the new key from then on. Answers how many there are.
    ///
    /// # Errors
    /// [`CatalogError::SecretsKey`] when one does not open with the key in force.
    pub fn rekey(&self, new: SecretsKey, by: &str) -> Result<u64, CatalogError> {
        let at = self.now_us();
        let swap = |current: Option<SecretsKey>, previous: Option<SecretsKey>| {
            *self.inner.secrets_keys.write().unwrap_or_else(PoisonError::into_inner) = Keys { current, previous };
        };
        let old = self.keys_read().current.clone();
        let count = self.inner.store.write(|transaction| {
            let mut count = 0;
            let mut select = transaction.prepare("SELECT tenant, applet, name, key_id, sealed FROM secrets")?;
            let rows = select.query_map([], |row| {
                let names = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?);
                Ok((names, row.get::<_, String>(3)?, row.get::<_, Vec<u8>>(4)?))
            })?;
            for ((tenant, applet, name), key_id, sealed) in rows.collect::<Result<Vec<_>, _>>()? {
                let (tenant, applet) = (TenantId::new(tenant)?, AppletId::new(applet)?);
                let owner = Owner { tenant: &tenant, applet: &applet, name: &name };
                let text = self
                    .keys_read()
                    .of(&key_id)
                    .and_then(|key| key.open(&owner, &sealed))
                    .ok_or_else(|| does_not_open(&owner))?;
                let sealed = new.seal(&owner, &text, &*self.inner.options.source);
                let sql = "UPDATE secrets SET key_id = ?4, sealed = ?5 WHERE tenant = ?1 AND applet = ?2 AND name = ?3";
                transaction.prepare_cached(sql)?.execute((
                    tenant.as_str(),
                    applet.as_str(),
                    &name,
                    new.id(),
                    sealed,
                ))?;
                count += 1;
            }
            failpoint::hit("secret.sealed");
            let detail = json!({ "secrets": count, "from": old.as_ref().map(SecretsKey::id), "to": new.id() });
            Change { by, action: "secrets.rekey", tenant: None, applet: None, detail }.write(transaction, at)?;
            // Within the transaction, so that whoever writes next encrypts with the new one; both open until then.
            swap(Some(new.clone()), old.clone());
            Ok(count)
        });
        if count.is_err() {
            swap(old, None);
        }
        count
    }

    /// Looks whether the key is the one that secrets were encrypted with.
    pub(super) fn check_secrets_key(&self) -> Result<(), CatalogError> {
        let used: Vec<String> = self.inner.store.read(|connection| {
            let ends = |row: &rusqlite::Row<'_>| Ok([row.get::<_, Option<String>>(0)?, row.get(1)?]);
            let ends = connection.query_row("SELECT min(key_id), max(key_id) FROM secrets", [], ends)?;
            Ok(ends.into_iter().flatten().collect())
        })?;
        let keys = self.keys_read();
        match (used.iter().find(|id| keys.of(id).is_none()), &keys.current) {
            (None, _) => Ok(()),
            (Some(used), Some(key)) => Err(CatalogError::SecretsKey(format!(
                "the secrets in the catalog are encrypted with the key {used}, the one that is configured is {}: configure that one; `secrets rekey` changes it",
                key.id()
            ))),
            (Some(used), None) => Err(CatalogError::SecretsKey(format!(
                "the secrets in the catalog are encrypted with the key {used}, and none is configured: set it by file or environment"
            ))),
        }
    }

    fn keys_read(&self) -> std::sync::RwLockReadGuard<'_, Keys> {
        self.inner.secrets_keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encrypts secrets that `permissions` declare.
    pub(super) fn seal_all(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        secrets: &[(String, SecretText)],
        permissions: &Permissions,
    ) -> Result<Vec<Sealed>, CatalogError> {
        if secrets.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.keys_read().current.clone().ok_or_else(no_key)?;
        let seal = |(name, text): &(String, SecretText)| {
            if !permissions.secrets.iter().any(|rule| rule.name == *name) {
                let names: Vec<&str> = permissions.secrets.iter().map(|rule| rule.name.as_str()).collect();
                let named: String = name.chars().take(128).collect();
                return Err(CatalogError::Invalid(format!(
                    "applet {applet} does not declare the secret {named:?}; it declares: {}",
                    names.join(", ")
                )));
            }
            if text.expose().is_empty() || text.expose().len() as u64 > SECRET_BYTES_MAX {
                return Err(CatalogError::Invalid(format!("secret {name} has 1 to {SECRET_BYTES_MAX} bytes")));
            }
            let owner = Owner { tenant, applet, name };
            Ok(Sealed {
                name: name.clone(),
                key_id: key.id(),
                bytes: key.seal(&owner, text.expose(), &*self.inner.options.source),
            })
        };
        secrets.iter().map(seal).collect()
    }
}

impl SecretSource for Catalog {
    fn secret(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        name: &str,
    ) -> Result<Option<SecretText>, SecretsUnavailable> {
        let failed = |error: CatalogError| SecretsUnavailable(error.to_string());
        let sealed: Option<(String, Vec<u8>)> = self
            .inner
            .store
            .read(|connection| {
                let sql = "SELECT key_id, sealed FROM secrets WHERE tenant = ?1 AND applet = ?2 AND name = ?3";
                let mut select = connection.prepare_cached(sql)?;
                Ok(select
                    .query_row((tenant.as_str(), applet.as_str(), name), |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?)
            })
            .map_err(failed)?;
        let Some((key_id, sealed)) = sealed else { return Ok(None) };
        let owner = Owner { tenant, applet, name };
        let text = self
            .keys_read()
            .of(&key_id)
            .and_then(|key| key.open(&owner, &sealed))
            .ok_or_else(|| failed(does_not_open(&owner)))?;
        Ok(Some(SecretText::new(text.as_str().to_owned())))
    }
}

fn no_key() -> CatalogError {
    CatalogError::SecretsKey("no secrets key is configured: set it by file or environment (32 random bytes, such as `openssl rand -hex 32` prints)".into())
}

fn does_not_open(owner: &Owner<'_>) -> CatalogError {
    CatalogError::SecretsKey(format!(
        "secret {} of {} of tenant {} does not open with the configured key: it was damaged, or put there by something else",
        owner.name, owner.applet, owner.tenant
    ))
}

/// Names of the secrets that are set.
pub(super) fn names_of(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
) -> Result<Vec<String>, CatalogError> {
    let mut select = connection.prepare_cached("SELECT name FROM secrets WHERE tenant = ?1 AND applet = ?2")?;
    let rows = select.query_map((tenant.as_str(), applet.as_str()), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Inner {
    /// Writes secrets, in the transaction that they belong to.
    pub(super) fn put_secrets(
        &self,
        transaction: &Connection,
        tenant: &TenantId,
        applet: &AppletId,
        secrets: &[Sealed],
        at_us: u64,
    ) -> Result<(), CatalogError> {
        let current =
            self.secrets_keys.read().unwrap_or_else(PoisonError::into_inner).current.as_ref().map(SecretsKey::id);
        for secret in secrets {
            if current.as_ref() != Some(&secret.key_id) {
                return Err(CatalogError::Conflict("the secrets key was changed meanwhile: try again".into()));
            }
            let sql = "INSERT INTO secrets (tenant, applet, name, key_id, sealed, updated_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, updated_us = excluded.updated_us";
            let values = (tenant.as_str(), applet.as_str(), &secret.name, &secret.key_id, &secret.bytes, signed(at_us));
            transaction.prepare_cached(sql)?.execute(values)?;
            failpoint::hit("secret.sealed");
        }
        Ok(())
    }
}
