//! API keys: `bj_ID_SECRET`. The secret is 256 random bits, of which only the BLAKE3 is kept: a slow hash such as argon2 protects what people
//! choose, and nobody finds 256 bits by trying; a fast one can be computed for each request.

use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belljar::TenantId;
use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::audit::{Change, signed, unsigned};
use super::{Catalog, CatalogError, tenants};
use crate::directory::Identity;

/// Permissions of one key.
const PERMISSIONS_MAX: usize = 256;
/// Bytes of each text of a key.
const TEXT_BYTES_MAX: usize = 256;

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The tenant whose applets it opens.
    pub tenant: TenantId,
    /// What it is for, for people.
    pub label: String,
    /// On whose behalf calls with it are.
    pub user: String,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// BCP 47 locale of the user.
    pub locale: Option<String>,
    /// When it ends, Unix time in microseconds.
    pub expires_us: Option<u64>,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct KeyInfo {
    /// Its public name.
    pub id: String,
    /// The tenant whose applets it opens.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// What it is for, for people.
    pub label: String,
    /// On whose behalf calls with it are.
    pub user: String,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// BCP 47 locale of the user.
    pub locale: Option<String>,
    /// When it was made, Unix time in microseconds.
    pub created_us: u64,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_us: Option<u64>,
    /// When it was revoked.
    pub revoked_us: Option<u64>,
    /// When it was used last, to about a minute.
    pub last_used_us: Option<u64>,
}

/// A key that opens something, as it is kept in memory.
#[derive(Debug)]
pub(super) struct KnownKey {
    hash: blake3::Hash,
    expires_us: Option<u64>,
    identity: Arc<Identity>,
}

impl Catalog {
    /// Makes a key. Its text is answered here and never again.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] without such a tenant, [`CatalogError::Invalid`] for texts that are too long or not valid.
    pub fn create_key(&self, new: &NewKey, by: &str) -> Result<(KeyInfo, Zeroizing<String>), CatalogError> {
        check(new)?;
        let at = self.now_us();
        let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 32]));
        self.inner.options.source.random(&mut id);
        self.inner.options.source.random(secret.as_mut_slice());
        let id = format!("{:016x}", u64::from_be_bytes(id));
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        let text = Zeroizing::new(format!("bj_{id}_{}", secret.as_str()));
        let hash = blake3::hash(secret.as_bytes());
        self.inner.store.write(|transaction| {
            tenants::require(transaction, &new.tenant)?;
            let sql = "INSERT INTO api_keys (id, hash, tenant, label, user, organisation, permissions, locale, created_us, created_by, expires_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
            let permissions = json!(new.permissions).to_string();
            let expires = new.expires_us.map(signed);
            transaction.execute(
                sql,
                (&id, hash.as_bytes(), new.tenant.as_str(), &new.label, &new.user, &new.organisation, permissions, &new.locale, signed(at), by, expires),
            )?;
            let detail = json!({ "id": id, "user": new.user, "permissions": new.permissions, "expires_us": new.expires_us });
            Change { by, action: "key.create", tenant: Some(new.tenant.as_str()), applet: None, detail }.write(transaction, at)
        })?;
        Ok((self.key(&id)?, text))
    }

    /// The keys of a tenant, the newest first; revoked and expired ones included.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyInfo>, CatalogError> {
        self.flush_key_uses()?;
        self.inner.store.read(|connection| {
            tenants::require(connection, tenant)?;
            let mut select =
                connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1 ORDER BY created_us DESC, id"))?;
            let rows = select.query_map([tenant.as_str()], |row| Ok(info(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// One key.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn key(&self, id: &str) -> Result<KeyInfo, CatalogError> {
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
            let found = select.query_row([id], |row| Ok(info(row))).optional()?;
            found.ok_or_else(|| not_found(id))?
        })
    }

    /// Ends a key, from the next request on.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; for a key that was revoked before, nothing happens.
    pub fn revoke_key(&self, id: &str, by: &str) -> Result<(), CatalogError> {
        let KeyInfo { tenant, revoked_us, .. } = self.key(id)?;
        if revoked_us.is_some() {
            return Ok(());
        }
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            transaction.execute("UPDATE api_keys SET revoked_us = ?2 WHERE id = ?1", (id, signed(at)))?;
            let detail = json!({ "id": id });
            Change { by, action: "key.revoke", tenant: Some(tenant.as_str()), applet: None, detail }
                .write(transaction, at)
        })?;
        self.inner.keys.forget_one(id);
        Ok(())
    }

    /// Who presents this key.
    pub(super) fn identify(&self, text: &str) -> Result<Option<Arc<Identity>>, CatalogError> {
        let parts = text.strip_prefix("bj_").and_then(|rest| rest.split_once('_'));
        let Some((id, secret)) = parts.filter(|(id, secret)| id.len() == 16 && secret.len() == 43) else {
            return Ok(None);
        };
        let now = self.now_us();
        let known = match self.inner.keys.get(id) {
            Some(known) => known,
            None => {
                let epoch = self.inner.keys.epoch();
                let Some(known) = self.read_key(id)? else { return Ok(None) };
                let known = Arc::new(known);
                self.inner.keys.keep(id.to_owned(), known.clone(), 1, epoch);
                known
            }
        };
        // Comparing digests takes the same time wherever they differ.
        if known.hash != blake3::hash(secret.as_bytes()) || known.expires_us.is_some_and(|at| at <= now) {
            return Ok(None);
        }
        self.inner.keys_used.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), now);
        Ok(Some(known.identity.clone()))
    }

    fn read_key(&self, id: &str) -> Result<Option<KnownKey>, CatalogError> {
        self.inner.store.read(|connection| {
            let sql = "SELECT hash, tenant, user, organisation, permissions, locale, expires_us FROM api_keys WHERE id = ?1 AND revoked_us IS NULL";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([id])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let identity = Identity {
                tenant: TenantId::new(row.get::<_, String>(1)?)?,
                key: id.to_owned(),
                user: row.get(2)?,
                organisation: row.get(3)?,
                permissions: permissions_of(row.get(4)?)?,
                locale: row.get(5)?,
            };
            let hash = blake3::Hash::from_bytes(row.get(0)?);
            Ok(Some(KnownKey { hash, expires_us: row.get::<_, Option<i64>>(6)?.map(unsigned), identity: Arc::new(identity) }))
        })
    }

    /// Writes down when keys were used last: now and then, not at each request.
    ///
    /// # Errors
    /// [`CatalogError::Storage`]; it is tried again next time.
    pub fn flush_key_uses(&self) -> Result<(), CatalogError> {
        let used: Vec<(String, u64)> = {
            let mut used = self.inner.keys_used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        let written = self.inner.store.write(|transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE api_keys SET last_used_us = max(coalesce(last_used_us, 0), ?2) WHERE id = ?1",
            )?;
            for (id, at) in &used {
                update.execute((id, signed(*at)))?;
            }
            Ok(())
        });
        if written.is_err() {
            let mut kept = self.inner.keys_used.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, at) in used {
                kept.entry(id).or_insert(at);
            }
        }
        written
    }
}

const SELECT: &str = "SELECT id, tenant, label, user, organisation, permissions, locale, created_us, created_by, expires_us, revoked_us, last_used_us FROM api_keys";

fn info(row: &Row<'_>) -> Result<KeyInfo, CatalogError> {
    let time = |index: usize| row.get::<_, Option<i64>>(index).map(|at| at.map(unsigned));
    Ok(KeyInfo {
        id: row.get(0)?,
        tenant: TenantId::new(row.get::<_, String>(1)?)?,
        label: row.get(2)?,
        user: row.get(3)?,
        organisation: row.get(4)?,
        permissions: permissions_of(row.get(5)?)?,
        locale: row.get(6)?,
        created_us: unsigned(row.get(7)?),
        created_by: row.get(8)?,
        expires_us: time(9)?,
        revoked_us: time(10)?,
        last_used_us: time(11)?,
    })
}

fn permissions_of(json: String) -> Result<Vec<String>, CatalogError> {
    serde_json::from_str(&json)
        .map_err(|error| CatalogError::Storage(format!("the permissions of an API key are not valid: {error}")))
}

fn not_found(id: &str) -> CatalogError {
    let shown: String = id.chars().take(32).collect();
    CatalogError::NotFound(format!("there is no API key {shown:?}"))
}

fn check(new: &NewKey) -> Result<(), CatalogError> {
    let invalid = |text: String| Err(CatalogError::Invalid(text));
    if new.user.is_empty() {
        return invalid("a key needs a user, on whose behalf its calls are".into());
    }
    let texts = [Some(&new.label), Some(&new.user), new.organisation.as_ref(), new.locale.as_ref()];
    for text in texts.into_iter().flatten().chain(&new.permissions) {
        if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            return invalid(format!(
                "the texts of a key have at most {TEXT_BYTES_MAX} bytes and no control characters"
            ));
        }
    }
    if new.permissions.len() > PERMISSIONS_MAX {
        return invalid(format!("a key has at most {PERMISSIONS_MAX} permissions"));
    }
    for permission in &new.permissions {
        if let Err(rule) = belljar::package::rules::name(permission) {
            return invalid(format!("permission {permission:?} is not valid: {rule}"));
        }
    }
    match new.locale.as_deref().map(belljar::package::rules::locale) {
        Some(Err(rule)) => invalid(format!("the locale is not valid: {rule}")),
        _ => Ok(()),
    }
}
