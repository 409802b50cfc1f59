//! Uninstalling: the applet is gone at once, its data is kept for a while, and can be taken out first.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belljar::package::LifecycleEvent;
use belljar::{AppletId, KvEntry, KvOwner, KvValue, TenantId};
use serde_json::json;

use super::audit::signed;
use super::backup::{Archive, Staged};
use super::install::change;
use super::lookup::key_of;
use super::plan::Preparer;
use super::releases::not_installed;
use super::{Catalog, CatalogError, config};
use crate::failpoint;

impl Catalog {
    /// Takes an applet out of service. Its database, keys and values, configuration and secrets are kept for the days of
    /// [`retention_days`](super::CatalogOptions::retention_days), and found again when it is installed anew; its rights have to be granted
    /// anew.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when it is not installed.
    pub fn uninstall(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        by: &str,
        preparer: &dyn Preparer,
    ) -> Result<(), CatalogError> {
        let _turn = self.inner.underway.turn(key_of(tenant, applet));
        let hook = self.hook(tenant, applet, LifecycleEvent::Uninstall, preparer)?;
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = "UPDATE applets SET active_release = NULL, is_enabled = 1, uninstalled_us = ?3
                 WHERE tenant = ?1 AND applet = ?2 AND active_release IS NOT NULL";
            if transaction.execute(sql, (tenant.as_str(), applet.as_str(), signed(at)))? == 0 {
                return Err(not_installed(tenant, applet));
            }
            transaction
                .execute("DELETE FROM pending WHERE tenant = ?1 AND applet = ?2", (tenant.as_str(), applet.as_str()))?;
            transaction
                .execute("DELETE FROM hosts WHERE tenant = ?1 AND applet = ?2", (tenant.as_str(), applet.as_str()))?;
            failpoint::hit("uninstall.marked");
            let detail = json!({ "kept_days": self.inner.options.retention_days, "hook_failed": hook });
            change(tenant, applet, by, "uninstall", detail).write(transaction, at)
        })?;
        self.forget_applet(tenant, applet);
        self.inner.hosts.forget(|_| true);
        Ok(())
    }

    /// Writes an applet's data as a tar archive: `db.sqlite` as of one moment, `kv.jsonl` with an entry on each line (`key`, `json` or
    /// `base64`, `expires_ms`), `config.json` with what was set. Secrets are not in it. Works for an uninstalled applet too, while its data is kept.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is none, [`CatalogError::Storage`].
    pub fn export(&self, tenant: &TenantId, applet: &AppletId, out: &mut dyn Write) -> Result<(), CatalogError> {
        self.applet(tenant, applet)?;
        let staged = Staged::new(&self.inner)?;
        let mut archive = Archive::new(out);
        let database = staged.path("db.sqlite");
        if self.inner.databases.copy(tenant, applet, &database)?.is_some() {
            archive.file("db.sqlite", &database)?;
        }
        if let Some(kv) = &self.inner.options.kv {
            let path = staged.path("kv.jsonl");
            let owner = KvOwner { tenant: tenant.clone(), applet: applet.clone() };
            let written = (|| {
                let mut file = io::BufWriter::new(std::fs::File::create_new(&path)?);
                kv.export(&owner, self.now_us() / 1_000, &mut |entry| writeln!(file, "{}", line(&entry)))?;
                file.flush()
            })();
            written.map_err(|error| CatalogError::io("the keys and values cannot be exported", &error))?;
            archive.file("kv.jsonl", &path)?;
        }
        let set = self.inner.store.read(|connection| config::set_of(connection, tenant, applet))?;
        archive.bytes("config.json", format!("{:#}\n", serde_json::Value::Object(set)).as_bytes())?;
        archive.end()
    }
}

/// An entry as JSON. A value is the JSON text it was kept as, so that its numbers are what they were.
fn line(entry: &KvEntry) -> serde_json::Value {
    let mut line = json!({ "key": entry.key });
    match &entry.value {
        KvValue::Json(text) => line["json"] = text.as_str().into(),
        KvValue::Bytes(bytes) => line["base64"] = STANDARD.encode(bytes).into(),
    }
    if let Some(expires_ms) = entry.expires_ms {
        line["expires_ms"] = expires_ms.into();
    }
    line
}
