//! Which handlers want what: the event and schedule handlers of all installed applets. It is kept beside the queue, so that publishing reads
//! no package, and brought up to date when the catalog has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use belljar::package::{Batch, EventOrder, Misfire, Overlap, Trigger};
use belljar::{AppletId, TenantId};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::cron::Timetable;
use crate::directory::{Active, Directory, Unavailable};
use crate::queue::{Queue, QueueError};

/// An applet that a tenant has installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledApplet {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// Number of the release in force.
    pub release_number: u64,
    /// Whether the applet and its tenant take calls.
    pub is_enabled: bool,
}

/// Tells what is installed.
pub trait Installed: Send + Sync + 'static {
    /// Another number whenever anything that [`applets`](Self::applets) answers may have changed. Cheap.
    fn generation(&self) -> u64;
    /// Everything that is installed, of all tenants. Blocks.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn applets(&self) -> Result<Vec<InstalledApplet>, Unavailable>;
}

/// An event handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) handler: String,
    names: Vec<String>,
    pub(super) attempts: u32,
    pub(super) backoff_ms: u64,
    pub(super) backoff_ms_max: u64,
    pub(super) order: EventOrder,
    pub(super) batch: Batch,
}

impl Subscription {
    fn wants(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| matches(pattern, name))
    }
}

/// A schedule handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) handler: String,
    pub(super) cron: String,
    pub(super) time_zone: String,
    pub(super) overlap: Overlap,
    pub(super) misfire: Misfire,
    pub(super) attempts: u32,
    pub(super) backoff_ms: u64,
}

/// The handlers of one applet that something else than a caller triggers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Handlers {
    /// Names that the applet publishes.
    publishes: Vec<String>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) schedules: Vec<Scheduled>,
}

impl Handlers {
    /// Of a release: events only as far as the tenant has granted them.
    fn of(active: &Active) -> Self {
        let mut handlers = Self { publishes: active.release.grants().events_publish.clone(), ..Self::default() };
        let granted = &active.release.grants().events_subscribe;
        for handler in &active.release.package().descriptor.handlers {
            match &handler.trigger {
                Trigger::Event { names, attempts, backoff_ms, backoff_ms_max, order, batch } => {
                    let names: Vec<String> = names.iter().filter(|name| granted.contains(name)).cloned().collect();
                    if !names.is_empty() {
                        handlers.subscriptions.push(Subscription {
                            handler: handler.name.clone(),
                            names,
                            attempts: *attempts,
                            backoff_ms: *backoff_ms,
                            backoff_ms_max: *backoff_ms_max,
                            order: *order,
                            batch: *batch,
                        });
                    }
                }
                Trigger::Schedule { cron, time_zone, overlap, misfire, attempts, backoff_ms } => {
                    handlers.schedules.push(Scheduled {
                        handler: handler.name.clone(),
                        cron: cron.clone(),
                        time_zone: time_zone.clone(),
                        overlap: *overlap,
                        misfire: *misfire,
                        attempts: *attempts,
                        backoff_ms: *backoff_ms,
                    });
                }
                _ => {}
            }
        }
        handlers
    }
}

/// Whether an event's name fits a pattern: the same, or a `*` at its end stands for the rest.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |stem| name.starts_with(stem))
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    release: u64,
    is_enabled: bool,
    handlers: Arc<Handlers>,
}

type Applets = HashMap<String, HashMap<String, Entry>>;

/// The handlers of all applets, by tenant and applet.
pub struct Registry {
    queue: Queue,
    directory: Arc<dyn Directory>,
    installed: Arc<dyn Installed>,
    /// Of the catalog when `applets` was read last.
    generation: AtomicU64,
    applets: RwLock<Applets>,
    syncing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// What a catalog's change means for the queue.
#[derive(Debug, Default)]
struct Changes {
    put: Vec<(String, String, Entry)>,
    removed: Vec<(String, String)>,
}

impl Registry {
    /// Reads what was known when the server last ran; nothing of the catalog yet.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn open(
        queue: Queue,
        directory: Arc<dyn Directory>,
        installed: Arc<dyn Installed>,
    ) -> Result<Self, QueueError> {
        let applets = queue.read(load).await?;
        Ok(Self {
            queue,
            directory,
            installed,
            generation: AtomicU64::new(u64::MAX),
            applets: RwLock::new(applets),
            syncing: tokio::sync::Mutex::new(()),
        })
    }

    /// Brings everything up to date with the catalog, if that has changed: schedules begin and end, and what waits for an applet that is
    /// not installed any more is dropped.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] when the catalog or the queue cannot be read or written; what was known before stays.
    pub async fn sync(self: &Arc<Self>) -> Result<(), QueueError> {
        if self.installed.generation() == self.generation.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one = self.syncing.lock().await;
        // What changes from here on is seen the next time.
        let generation = self.installed.generation();
        if generation == self.generation.load(Ordering::Acquire) {
            return Ok(());
        }
        let this = self.clone();
        let joined = tokio::task::spawn_blocking(move || this.changes()).await;
        let changes = joined.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        let changes = Arc::new(changes.map_err(|error| QueueError::Unavailable(error.to_string()))?);
        if !changes.put.is_empty() || !changes.removed.is_empty() {
            let written = changes.clone();
            self.queue.run(move |work| work.put_applets(&written)).await?;
            let mut applets = self.applets.write().unwrap_or_else(PoisonError::into_inner);
            for (tenant, applet) in &changes.removed {
                if let Some(of_tenant) = applets.get_mut(tenant) {
                    of_tenant.remove(applet);
                }
            }
            for (tenant, applet, entry) in &changes.put {
                applets.entry(tenant.clone()).or_default().insert(applet.clone(), entry.clone());
            }
            applets.retain(|_, of_tenant| !of_tenant.is_empty());
        }
        self.generation.store(generation, Ordering::Release);
        Ok(())
    }

    /// Compares the catalog with what is known. Reads the packages of those that are new.
    fn changes(&self) -> Result<Changes, Unavailable> {
        let installed = self.installed.applets()?;
        let known = self.applets.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut gone: HashMap<(&str, &str), ()> = known
            .iter()
            .flat_map(|(tenant, applets)| applets.keys().map(|applet| ((tenant.as_str(), applet.as_str()), ())))
            .collect();
        let mut changes = Changes::default();
        for InstalledApplet { tenant, applet, release_number, is_enabled } in &installed {
            gone.remove(&(tenant.as_str(), applet.as_str()));
            let before = known.get(tenant.as_str()).and_then(|applets| applets.get(applet.as_str()));
            let handlers = match before {
                Some(before) if before.release == *release_number && before.is_enabled == *is_enabled => continue,
                Some(before) if before.release == *release_number => before.handlers.clone(),
                _ => match self.directory.active(tenant, applet)? {
                    Some(active) if active.release_number == *release_number => Arc::new(Handlers::of(&active)),
                    // It changes while it is looked at: the next look finds it.
                    _ => continue,
                },
            };
            let entry = Entry { release: *release_number, is_enabled: *is_enabled, handlers };
            changes.put.push((tenant.to_string(), applet.to_string(), entry));
        }
        changes.removed = gone.into_keys().map(|(tenant, applet)| (tenant.to_owned(), applet.to_owned())).collect();
        Ok(changes)
    }

    /// The event handlers of a tenant that want an event, those of disabled applets too: their events wait.
    pub(super) fn subscribers(&self, tenant: &str, name: &str) -> Vec<(String, Subscription)> {
        let applets = self.applets.read().unwrap_or_else(PoisonError::into_inner);
        let Some(of_tenant) = applets.get(tenant) else { return Vec::new() };
        let mut wanting: Vec<_> = of_tenant
            .iter()
            .flat_map(|(applet, entry)| {
                entry.handlers.subscriptions.iter().map(move |subscription| (applet, subscription))
            })
            .filter(|(_, subscription)| subscription.wants(name))
            .map(|(applet, subscription)| (applet.clone(), subscription.clone()))
            .collect();
        wanting.sort_by(|a, b| (&a.0, &a.1.handler).cmp(&(&b.0, &b.1.handler)));
        wanting
    }

    /// Whether any applet of a tenant publishes or handles an event.
    pub(super) fn is_declared(&self, tenant: &str, name: &str) -> bool {
        let applets = self.applets.read().unwrap_or_else(PoisonError::into_inner);
        applets.get(tenant).is_some_and(|of_tenant| {
            of_tenant.values().any(|entry| {
                let Handlers { publishes, subscriptions, .. } = &*entry.handlers;
                publishes.iter().any(|known| known == name) || subscriptions.iter().any(|one| one.wants(name))
            })
        })
    }

    /// A schedule handler, and whether its applet takes calls.
    pub(super) fn schedule(&self, tenant: &str, applet: &str, handler: &str) -> Option<(Scheduled, bool)> {
        let applets = self.applets.read().unwrap_or_else(PoisonError::into_inner);
        let entry = applets.get(tenant)?.get(applet)?;
        let found = entry.handlers.schedules.iter().find(|scheduled| scheduled.handler == handler)?;
        Some((found.clone(), entry.is_enabled))
    }
}

fn load(db: &rusqlite::Connection) -> Result<Applets, QueueError> {
    let mut applets = Applets::new();
    let mut found = db.prepare("SELECT tenant, applet, release, is_enabled, triggers FROM applets")?;
    let mut rows = found.query([])?;
    while let Some(row) = rows.next()? {
        let (tenant, applet, triggers): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(4)?);
        // What cannot be read any more, because another version wrote it, is read from its package again.
        let Ok(handlers) = serde_json::from_str::<Handlers>(&triggers) else { continue };
        let entry = Entry { release: row.get(2)?, is_enabled: row.get(3)?, handlers: Arc::new(handlers) };
        applets.entry(tenant).or_default().insert(applet, entry);
    }
    Ok(applets)
}

impl crate::queue::Work<'_> {
    /// Writes down what has changed in the catalog.
    fn put_applets(&mut self, changes: &Changes) -> Result<(), QueueError> {
        for (tenant, applet) in &changes.removed {
            self.remove_applet(tenant, applet, "the applet was uninstalled")?;
            let db = self.db()?;
            db.prepare_cached("DELETE FROM schedules WHERE tenant = ?1 AND applet = ?2")?.execute([tenant, applet])?;
            db.prepare_cached("DELETE FROM applets WHERE tenant = ?1 AND applet = ?2")?.execute([tenant, applet])?;
        }
        for (tenant, applet, entry) in &changes.put {
            let triggers =
                serde_json::to_string(&*entry.handlers).map_err(|error| QueueError::Unavailable(error.to_string()))?;
            let sql = "INSERT OR REPLACE INTO applets (tenant, applet, release, is_enabled, triggers) VALUES (?1, ?2, ?3, ?4, ?5)";
            self.db()?.prepare_cached(sql)?.execute(params![
                tenant,
                applet,
                entry.release,
                entry.is_enabled,
                triggers
            ])?;
            self.put_schedules(tenant, applet, &entry.handlers.schedules)?;
        }
        Ok(())
    }

    /// Schedules that are as they were keep their next time.
    fn put_schedules(&mut self, tenant: &str, applet: &str, schedules: &[Scheduled]) -> Result<(), QueueError> {
        let (db, wall_us) = (self.db()?, self.wall_us());
        let known: Vec<String> = {
            let mut found = db.prepare_cached("SELECT handler FROM schedules WHERE tenant = ?1 AND applet = ?2")?;
            let rows = found.query_map([tenant, applet], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        for gone in known.iter().filter(|handler| !schedules.iter().any(|scheduled| scheduled.handler == **handler)) {
            let sql = "DELETE FROM schedules WHERE tenant = ?1 AND applet = ?2 AND handler = ?3";
            db.prepare_cached(sql)?.execute([tenant, applet, gone])?;
        }
        for scheduled in schedules {
            let Scheduled { handler, cron, time_zone, .. } = scheduled;
            let mut same = db.prepare_cached(
                "SELECT 1 FROM schedules WHERE tenant = ?1 AND applet = ?2 AND handler = ?3 AND cron = ?4 AND time_zone = ?5",
            )?;
            if same.query_row([tenant, applet, handler, cron, time_zone], |_| Ok(())).optional()?.is_some() {
                continue;
            }
            // A package that says what no build would write was refused before.
            let timetable = Timetable::new(cron, time_zone).ok();
            let next_us = timetable.and_then(|timetable| timetable.next_after_us(wall_us.cast_signed()));
            let mut put = db.prepare_cached(
                "INSERT INTO schedules (tenant, applet, handler, cron, time_zone, next_us, last_us, paused, fired, missed, skipped) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0, 0, 0, 0) \
                 ON CONFLICT DO UPDATE SET cron = excluded.cron, time_zone = excluded.time_zone, next_us = excluded.next_us, last_us = NULL",
            )?;
            put.execute(params![tenant, applet, handler, cron, time_zone, next_us])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest() {
        assert!(matches("order.paid", "order.paid") && matches("order.*", "order.paid") && matches("*", "x"));
        assert!(!matches("order.paid", "order.paid.twice") && !matches("order.*", "orders"));
    }
}
