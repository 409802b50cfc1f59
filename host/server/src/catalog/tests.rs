//! The catalog as an operator and the request path see it, without an engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use belljar::package::{
    ConfigField, ConfigType, Descriptor, HttpRule, LifecycleEvent, Package, Permissions, SecretRule,
};
use belljar::{AppletId, DatabasesConfig, Release, SecretSource as _, SecretText, Seeded, Source, SqliteKv, TenantId};
use serde_json::{Map, Value, json};

use super::*;
use crate::directory::{Directory as _, Quotas};

const DAY_US: u64 = 86_400_000_000;
const KEY: [u8; 32] = [0x5a; 32];

/// A clock that tests set.
struct Clock {
    now_us: AtomicU64,
    random: Seeded,
}

impl Source for Clock {
    fn now_us(&self) -> u64 {
        self.now_us.load(Ordering::SeqCst)
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.random(bytes);
    }
}

struct Fixture {
    catalog: Catalog,
    clock: Arc<Clock>,
    tenant: TenantId,
    applet: AppletId,
    data: tempfile::TempDir,
}

fn open(path: &Path, clock: &Arc<Clock>, key: Option<[u8; 32]>) -> Result<Catalog, CatalogError> {
    let dir = Arc::new(DataDir::open(path).expect("the directory is free"));
    let databases = Databases::open(dir.path(), DatabasesConfig::default()).expect("it opens");
    let kv = SqliteKv::open(dir.path()).expect("it opens");
    let options = CatalogOptions {
        kv: Some(Arc::new(kv)),
        secrets_key: key.map(SecretsKey::from),
        source: clock.clone(),
        releases_kept: 2,
        ..CatalogOptions::default()
    };
    Catalog::open(dir, databases, options)
}

fn fixture() -> Fixture {
    let data = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(Clock { now_us: AtomicU64::new(1_700_000_000_000_000), random: Seeded::new(0, 1) });
    let catalog = open(data.path(), &clock, Some(KEY)).expect("it opens");
    let (tenant, applet) = (TenantId::new("acme").expect("valid"), AppletId::new("shop").expect("valid"));
    catalog.create_tenant(&tenant, Quotas::default(), "op").expect("it is made");
    Fixture { catalog, clock, tenant, applet, data }
}

impl Fixture {
    fn reopen(self, key: Option<[u8; 32]>) -> (Result<Catalog, CatalogError>, tempfile::TempDir) {
        drop(self.catalog);
        (open(self.data.path(), &self.clock, key), self.data)
    }

    fn installation(&self, package: &Package, grant: Grant) -> Installation {
        Installation::new(
            self.tenant.clone(),
            PackageFrom::Bytes(package.encode().expect("it can be encoded")),
            grant,
            "op",
        )
    }

    fn install(&self, package: &Package, grant: Grant) -> Result<Installed, CatalogError> {
        self.catalog.install(self.installation(package, grant), &Unprepared)
    }

    fn active(&self) -> Option<Arc<Active>> {
        self.catalog.active(&self.tenant, &self.applet).expect("it can be read")
    }

    fn version(&self) -> String {
        self.active().map(|active| active.release.package().descriptor.version.to_string()).unwrap_or_default()
    }

    fn later(&self, us: u64) {
        self.clock.now_us.fetch_add(us, Ordering::SeqCst);
    }
}

fn descriptor(version: &str, permissions: Permissions) -> Descriptor {
    let json = json!({
        "format": 1, "id": "shop", "version": version, "name": "Shop", "description": null,
        "runtime": {"engine": "wasm", "version": null, "entrypoint": "main.ts", "limits": {}, "health_check": null},
        "handlers": [{"name": "default", "export": "default", "trigger": {"type": "call"}}],
        "permissions": permissions,
    });
    serde_json::from_value(json).expect("it is valid")
}

fn package(version: &str, permissions: Permissions) -> Package {
    Package {
        descriptor: descriptor(version, permissions),
        bundle: format!("export default () => '{version}';\n"),
        source_map: r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into(),
        files: BTreeMap::new(),
    }
}

fn plain(version: &str) -> Package {
    package(version, Permissions::default())
}

fn http(host: &str) -> HttpRule {
    HttpRule { host: host.into(), ports: vec![], methods: vec![], allow_http: false }
}

fn calls(host: &str) -> Permissions {
    Permissions { http: vec![http(host)], ..Permissions::default() }
}

fn with_migrations(version: &str, migrations: &[(&str, &str)]) -> Package {
    let mut package = package(version, Permissions { db: true, ..Permissions::default() });
    package.files =
        migrations.iter().map(|(name, sql)| (format!("migrations/{name}"), sql.as_bytes().to_vec())).collect();
    package
}

fn number(installed: Result<Installed, CatalogError>) -> u64 {
    match installed {
        Ok(Installed::Active { release, .. }) => release.number,
        other => panic!("{other:?}"),
    }
}

fn pending(installed: Result<Installed, CatalogError>) -> Plan {
    match installed {
        Ok(Installed::Pending { plan }) => *plan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_applet_is_installed_updated_and_rolled_back() {
    let fixture = fixture();
    assert!(fixture.active().is_none());
    assert_eq!(number(fixture.install(&plain("1.0.0"), Grant::Standing)), 1, "it asks for nothing");
    assert_eq!(fixture.version(), "1.0.0");
    let before = fixture.active().expect("it is installed");
    assert_eq!(number(fixture.install(&plain("2.0.0"), Grant::Standing)), 2);
    assert_eq!(fixture.version(), "2.0.0");
    assert_eq!(before.release.package().descriptor.version.to_string(), "1.0.0", "what is under way keeps its release");
    let again = fixture.install(&plain("2.0.0"), Grant::Standing).expect("nothing to do");
    assert!(matches!(again, Installed::Unchanged { release } if release.number == 2));

    let back =
        fixture.catalog.rollback(&fixture.tenant, &fixture.applet, None, "op", &Unprepared).expect("there is one");
    assert_eq!((back.from, back.release.number, fixture.version()), (2, 1, "1.0.0".into()));
    let none = fixture
        .catalog
        .rollback(&fixture.tenant, &fixture.applet, None, "op", &Unprepared)
        .expect_err("it is the first");
    assert_eq!(none.kind(), ErrorKind::NotFound);
    fixture.catalog.rollback(&fixture.tenant, &fixture.applet, Some(2), "op", &Unprepared).expect("and forth");
    assert_eq!(fixture.version(), "2.0.0");
    let actions: Vec<String> = fixture
        .catalog
        .audit(&AuditQuery { limit: 10, ..AuditQuery::default() })
        .expect("it can be read")
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, ["rollback", "rollback", "update", "install", "tenant.create"]);
}

#[test]
fn what_is_installed_is_there_after_a_restart() {
    let fixture = fixture();
    number(fixture.install(&plain("1.0.0"), Grant::All));
    let (tenant, applet) = (fixture.tenant.clone(), fixture.applet.clone());
    let (catalog, _data) = fixture.reopen(Some(KEY));
    let active = catalog.expect("it opens").active(&tenant, &applet).expect("it can be read").expect("it is installed");
    assert_eq!((active.release_number, active.is_enabled, &*active.config), (1, true, "{}"));
}

#[test]
fn rights_are_decided_once_and_more_of_them_wait() {
    let fixture = fixture();
    let plan = pending(fixture.install(&package("1.0.0", calls("*")), Grant::Standing));
    assert_eq!((plan.risks, plan.needs_approval, plan.from_release), (vec![Risk::AnyHost], true, None));
    assert!(fixture.active().is_none());
    assert_eq!(fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect("it waits").state, AppletState::Pending);

    let asks = Permissions { kv: true, ..calls("a.example") };
    let only = Grant::Only(calls("*"));
    assert_eq!(number(fixture.install(&package("1.1.0", asks.clone()), only)), 1);
    let grants = fixture.active().expect("it is installed").release.grants().clone();
    assert_eq!((grants.http, grants.kv), (vec![http("a.example")], false), "kv was refused");
    assert!(fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect("it is there").pending.is_none());

    assert_eq!(number(fixture.install(&package("1.2.0", asks.clone()), Grant::Standing)), 2, "it asks for nothing new");
    assert!(!fixture.active().expect("it is installed").release.grants().kv, "and what was refused stays refused");

    let more = package("1.3.0", Permissions { jobs: true, ..asks });
    let plan = pending(fixture.install(&more, Grant::Standing));
    assert_eq!(plan.new, Permissions { jobs: true, ..Permissions::default() });
    assert_eq!(fixture.version(), "1.2.0");
    let digest = packages::digest_of(&plan.digest).expect("it is a digest");
    let approval = |digest, grant| Approval {
        tenant: fixture.tenant.clone(),
        applet: fixture.applet.clone(),
        digest,
        grant,
        config: None,
        secrets: vec![],
        by: "boss".into(),
    };
    let other =
        fixture.catalog.approve(approval(Digest::of(b"x"), Grant::All), &Unprepared).expect_err("it is another");
    assert_eq!(other.kind(), ErrorKind::Conflict);
    assert_eq!(
        number(fixture.catalog.approve(approval(digest, Grant::Standing), &Unprepared)),
        3,
        "without the new right"
    );
    assert!(!fixture.active().expect("it is installed").release.grants().jobs);
    let release = fixture
        .catalog
        .set_grants(&fixture.tenant, &fixture.applet, &more.descriptor.permissions, "boss")
        .expect("it is granted");
    assert_eq!(release.number, 4);
    assert!(fixture.active().expect("it is installed").release.grants().jobs);
    let gone = fixture.catalog.approve(approval(digest, Grant::All), &Unprepared).expect_err("nothing waits");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_package_that_waits_can_be_rejected() {
    let fixture = fixture();
    pending(fixture.install(&package("1.0.0", calls("a.example")), Grant::Standing));
    fixture.catalog.reject(&fixture.tenant, &fixture.applet, "op").expect("it waits");
    assert_eq!(
        fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect_err("there is nothing").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(fixture.catalog.collect().expect("it collects").packages, 1);
}

#[test]
fn what_cannot_run_here_is_refused() {
    let fixture = fixture();
    let mut other = plain("1.0.0");
    other.descriptor.runtime.version = Some(">=99".parse().expect("a range"));
    let error = fixture.install(&other, Grant::All).expect_err("it needs another Belljar");
    assert!(error.to_string().contains("needs Belljar >=99"), "{error}");
    other.descriptor.runtime.version = None;
    other.descriptor.runtime.engine = belljar::package::Engine::Bun;
    assert_eq!(fixture.install(&other, Grant::All).expect_err("no such engine").kind(), ErrorKind::Invalid);
    let bytes = PackageFrom::Bytes(b"no package".to_vec());
    let error = fixture
        .catalog
        .install(Installation::new(fixture.tenant.clone(), bytes, Grant::All, "op"), &Unprepared)
        .expect_err("it is none");
    assert!(matches!(error, CatalogError::Package(_)), "{error}");
    let nobody = TenantId::new("nobody").expect("valid");
    let package = PackageFrom::Bytes(plain("1.0.0").encode().expect("it can be encoded"));
    let error = fixture
        .catalog
        .install(Installation::new(nobody, package, Grant::All, "op"), &Unprepared)
        .expect_err("no such tenant");
    assert_eq!(error.to_string(), "there is no tenant nobody");
    assert!(fixture.active().is_none());
}

/// Fails where it is told to.
struct Failing {
    prepare: bool,
    hook: bool,
}

impl Preparer for Failing {
    fn prepare(&self, _: &Release) -> Result<(), String> {
        if self.prepare { Err("top-level code threw".into()) } else { Ok(()) }
    }

    fn lifecycle(&self, active: &Active, event: LifecycleEvent) -> Result<(), String> {
        let expected = if active.release_number == 1 { LifecycleEvent::Install } else { LifecycleEvent::Update };
        assert_eq!(event, expected);
        if self.hook { Err("the hook threw".into()) } else { Ok(()) }
    }
}

#[test]
fn a_failed_update_leaves_what_was() {
    let fixture = fixture();
    number(fixture.install(&with_migrations("1.0.0", &[("0001_a.sql", "CREATE TABLE a (x)")]), Grant::All));
    let applied = || {
        fixture.catalog.inner.databases.migrations_applied(&fixture.tenant, &fixture.applet).expect("it can be read")
    };
    let update =
        with_migrations("2.0.0", &[("0001_a.sql", "CREATE TABLE a (x)"), ("0002_b.sql", "CREATE TABLE b (x)")]);
    let attempt = |package: &Package, preparer: &dyn Preparer| {
        let error = fixture.catalog.install(fixture.installation(package, Grant::All), preparer).expect_err("it fails");
        assert_eq!(fixture.version(), "1.0.0");
        assert_eq!(fixture.catalog.releases(&fixture.tenant, &fixture.applet).expect("they can be read").len(), 1);
        error.to_string()
    };
    assert_eq!(attempt(&update, &Failing { prepare: true, hook: false }), "top-level code threw");
    assert_eq!(applied(), ["0001_a.sql"]);
    let broken = with_migrations(
        "2.0.0",
        &[("0001_a.sql", "CREATE TABLE a (x)"), ("0002_b.sql", "CREATE TABLE b (x);\nCREATE TABLE a (x)")],
    );
    assert_eq!(
        attempt(&broken, &Failing { prepare: false, hook: false }),
        "migrations/0002_b.sql:2:14: table a already exists"
    );
    assert_eq!(applied(), ["0001_a.sql"]);
    assert!(attempt(&update, &Failing { prepare: false, hook: true }).contains("the hook threw"));
    assert_eq!(applied(), ["0001_a.sql", "0002_b.sql"], "schemas go forward only");
    let installed =
        fixture.catalog.install(fixture.installation(&update, Grant::All), &Failing { prepare: false, hook: false });
    assert_eq!(number(installed), 2);
    let failed = fixture.catalog.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).expect("it can be read");
    assert_eq!(failed.iter().filter(|entry| entry.action == "install.failed").count(), 3);
    let back =
        fixture.catalog.rollback(&fixture.tenant, &fixture.applet, None, "op", &Unprepared).expect("it goes back");
    assert_eq!(back.schema_ahead, ["0002_b.sql"]);
}

#[test]
fn a_failed_first_installation_leaves_nothing_but_its_note() {
    let fixture = fixture();
    let package = with_migrations("1.0.0", &[("0001_a.sql", "CREATE TABLE a (x)")]);
    let failing = Failing { prepare: false, hook: true };
    let error =
        fixture.catalog.install(fixture.installation(&package, Grant::All), &failing).expect_err("its hook fails");
    assert!(error.to_string().contains("the hook threw"), "{error}");
    let error = fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect_err("nothing is left");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let applied = || {
        fixture.catalog.inner.databases.migrations_applied(&fixture.tenant, &fixture.applet).expect("it can be read")
    };
    assert!(applied().is_empty());
    let audit = fixture.catalog.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).expect("it can be read");
    assert!(audit.iter().any(|entry| entry.action == "install.failed"));

    pending(fixture.install(&with_migrations("1.0.0", &[("0001_a.sql", "CREATE TABLE a (x)")]), Grant::Standing));
    let digest =
        fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect("it waits").pending.expect("it waits").digest;
    let approval = Approval {
        tenant: fixture.tenant.clone(),
        applet: fixture.applet.clone(),
        digest: packages::digest_of(&digest).expect("it is a digest"),
        grant: Grant::All,
        config: None,
        secrets: vec![],
        by: "boss".into(),
    };
    fixture.catalog.approve(approval.clone(), &failing).expect_err("its hook fails");
    assert_eq!(fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect("it waits").state, AppletState::Pending);
    assert!(applied().is_empty());
    assert_eq!(number(fixture.catalog.approve(approval, &Unprepared)), 1);
    assert_eq!(applied(), ["0001_a.sql"]);
}

#[test]
fn config_is_checked_and_its_defaults_filled_in() {
    let fixture = fixture();
    let mut package = plain("1.0.0");
    package.descriptor.config = vec![
        ConfigField {
            min: Some(0.0),
            max: Some(2.0),
            default: Some(json!(0.7)),
            ..ConfigField::new("temperature", ConfigType::Number)
        },
        ConfigField { required: true, ..ConfigField::new("model", ConfigType::String) },
    ];
    let set = |value: Value| value.as_object().expect("a map").clone();
    let error = fixture.install(&package, Grant::All).expect_err("the model is missing");
    assert_eq!(error.to_string(), "config model: it must be set");
    let with = |config: Map<String, Value>| Installation {
        config: Some(config),
        ..fixture.installation(&package, Grant::All)
    };
    number(fixture.catalog.install(with(set(json!({"model": "m"}))), &Unprepared));
    assert_eq!(&*fixture.active().expect("it is installed").config, r#"{"temperature":0.7,"model":"m"}"#);
    let config = fixture
        .catalog
        .set_config(&fixture.tenant, &fixture.applet, set(json!({"model": "n", "temperature": 2})), "op")
        .expect("it fits");
    assert_eq!(Value::Object(config.resolved), json!({"temperature": 2, "model": "n"}));
    assert_eq!(&*fixture.active().expect("it is installed").config, r#"{"temperature":2,"model":"n"}"#);
    let error = fixture
        .catalog
        .set_config(&fixture.tenant, &fixture.applet, set(json!({"model": "n", "temperature": 3})), "op")
        .expect_err("too hot");
    assert_eq!(error.to_string(), "config temperature: use 0 to 2");
    // A release that declares something else sees what fits it.
    package.descriptor.version = semver::Version::new(2, 0, 0);
    package.descriptor.config[0].max = Some(1.0);
    let error = fixture.install(&package, Grant::All).expect_err("what is set does not fit");
    assert!(matches!(error, CatalogError::Config(_)), "{error}");
}

#[test]
fn secrets_are_required_kept_encrypted_and_given_to_their_applet() {
    let fixture = fixture();
    let secret = |name: &str, required| SecretRule { name: name.into(), required, hosts: vec![] };
    let permissions =
        Permissions { secrets: vec![secret("KEY", true), secret("MORE", false)], ..Permissions::default() };
    let package = package("1.0.0", permissions);
    let error = fixture.install(&package, Grant::All).expect_err("it is missing");
    assert_eq!(error.to_string(), "secrets are missing: KEY");
    let text = || SecretText::new("hunter2-hunter2".into());
    let with = |name: &str| Installation {
        secrets: vec![(name.into(), text())],
        ..fixture.installation(&package, Grant::All)
    };
    let error = fixture.catalog.install(
        Installation { secrets: vec![("KEY".into(), text()), ("WRONG".into(), text())], ..with("KEY") },
        &Unprepared,
    );
    assert!(error.expect_err("it is not declared").to_string().contains("\"WRONG\""));
    number(fixture.catalog.install(with("KEY"), &Unprepared));
    let of = |name: &str| {
        fixture
            .catalog
            .secret(&fixture.tenant, &fixture.applet, name)
            .expect("it opens")
            .map(|text| text.expose().to_owned())
    };
    assert_eq!((of("KEY").as_deref(), of("MORE")), (Some("hunter2-hunter2"), None));
    fixture
        .catalog
        .set_secret(&fixture.tenant, &fixture.applet, "MORE", SecretText::new("more-more".into()), "op")
        .expect("it is set");
    let infos = fixture.catalog.secrets(&fixture.tenant, &fixture.applet).expect("it can be read");
    assert_eq!(
        infos.iter().map(|info| (info.name.as_str(), info.set_us.is_some())).collect::<Vec<_>>(),
        [("KEY", true), ("MORE", true)]
    );

    let audit = format!(
        "{:?}",
        fixture.catalog.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).expect("it can be read")
    );
    assert!(!audit.contains("hunter2"), "{audit}");
    for entry in std::fs::read_dir(fixture.data.path()).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let found = path.is_file()
            && std::fs::read(&path).expect("it can be read").windows(7).any(|window| window == b"hunter2");
        assert!(!found, "{}", path.display());
    }

    let new = [0x5b; 32];
    assert_eq!(fixture.catalog.rekey(SecretsKey::from(new), "op").expect("it is changed"), 2);
    assert_eq!(of("KEY").as_deref(), Some("hunter2-hunter2"));
    fixture.catalog.delete_secret(&fixture.tenant, &fixture.applet, "MORE", "op").expect("it was set");
    assert_eq!(of("MORE"), None);

    let (tenant, applet) = (fixture.tenant.clone(), fixture.applet.clone());
    let clock = fixture.clock.clone();
    let (opened, data) = fixture.reopen(Some(KEY));
    let error = opened.expect_err("it is the old key");
    assert!(matches!(&error, CatalogError::SecretsKey(text) if text.contains("encrypted with the key")), "{error}");
    let error = open(data.path(), &clock, None).expect_err("there is no key");
    assert!(error.to_string().contains("none is configured"), "{error}");
    let catalog = open(data.path(), &clock, Some(new)).expect("it opens");
    assert_eq!(
        catalog.secret(&tenant, &applet, "KEY").expect("it opens").expect("it is set").expose(),
        "hunter2-hunter2"
    );
}

#[test]
fn keys_open_until_they_are_revoked_or_expire() {
    let fixture = fixture();
    let new = NewKey {
        tenant: fixture.tenant.clone(),
        label: "ci".into(),
        user: "ada".into(),
        organisation: None,
        permissions: vec!["orders.read".into()],
        locale: Some("de".into()),
        expires_us: Some(fixture.catalog.now_us() + DAY_US),
    };
    let (info, text) = fixture.catalog.create_key(&new, "op").expect("it is made");
    assert!(text.starts_with(&format!("bj_{}_", info.id)));
    let identity = |text: &str| fixture.catalog.identity(text).expect("it can be read");
    let known = identity(&text).expect("it opens");
    assert_eq!(
        (known.user.as_str(), known.key.as_str(), known.permissions.as_slice()),
        ("ada", info.id.as_str(), ["orders.read".to_owned()].as_slice())
    );
    let last = text.chars().next_back().expect("it has one");
    let wrong = format!("{}{}", &text[..text.len() - 1], if last == 'A' { 'B' } else { 'A' });
    for bad in [
        "",
        "bj_",
        "bj__",
        &wrong,
        &text.to_uppercase(),
        &text[..text.len() - 1],
        &text.replace(&info.id, "0000000000000000"),
    ] {
        assert!(identity(bad).is_none(), "{bad}");
    }
    assert!(fixture.catalog.keys(&fixture.tenant).expect("they can be read")[0].last_used_us.is_some());
    fixture.later(2 * DAY_US);
    assert!(identity(&text).is_none(), "it has expired");
    // A clock that goes back does no harm beyond that.
    fixture.clock.now_us.store(0, Ordering::SeqCst);
    assert!(identity(&text).is_some());
    fixture.catalog.revoke_key(&info.id, "op").expect("it is revoked");
    assert!(identity(&text).is_none());
    fixture.catalog.revoke_key(&info.id, "op").expect("once more is no error");
    assert_eq!(fixture.catalog.revoke_key("none", "op").expect_err("there is none").kind(), ErrorKind::NotFound);
    let nameless = NewKey { user: String::new(), ..new };
    assert_eq!(fixture.catalog.create_key(&nameless, "op").expect_err("whose is it").kind(), ErrorKind::Invalid);
}

#[test]
fn switches_and_quotas_are_seen_at_once() {
    let fixture = fixture();
    number(fixture.install(&plain("1.0.0"), Grant::All));
    assert!(fixture.active().expect("it is installed").is_enabled);
    fixture.catalog.set_enabled(&fixture.tenant, &fixture.applet, false, "op", &Unprepared).expect("it is installed");
    assert!(!fixture.active().expect("it is installed").is_enabled);
    assert_eq!(number(fixture.install(&plain("1.0.1"), Grant::All)), 2);
    assert!(!fixture.active().expect("it is installed").is_enabled, "an update does not enable it");
    fixture.catalog.set_enabled(&fixture.tenant, &fixture.applet, true, "op", &Unprepared).expect("it is installed");
    fixture.catalog.set_tenant_enabled(&fixture.tenant, false, "op").expect("there is one");
    assert!(!fixture.active().expect("it is installed").tenant.is_enabled);
    let quotas = Quotas { weight: 7, ..Quotas::default() };
    fixture.catalog.set_quotas(&fixture.tenant, quotas, "op").expect("there is one");
    assert_eq!(fixture.active().expect("it is installed").tenant.quotas.weight, 7);
    let heavy = Quotas { weight: 0, ..quotas };
    assert_eq!(
        fixture.catalog.set_quotas(&fixture.tenant, heavy, "op").expect_err("too light").kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn hosts_lead_to_one_tenant() {
    let fixture = fixture();
    let other = TenantId::new("other").expect("valid");
    fixture.catalog.create_tenant(&other, Quotas::default(), "op").expect("it is made");
    let lookup = |name: &str| fixture.catalog.host(name).expect("it can be read");
    fixture.catalog.map_host("Shop.Example.com", &fixture.tenant, Some(&fixture.applet), "op").expect("it is mapped");
    assert_eq!(
        lookup("shop.example.com"),
        Some(HostMapping { tenant: fixture.tenant.clone(), applet: Some(fixture.applet.clone()) })
    );
    fixture.catalog.map_host("shop.example.com", &fixture.tenant, None, "op").expect("it is changed");
    assert_eq!(lookup("shop.example.com").expect("it is mapped").applet, None);
    assert_eq!(
        fixture.catalog.map_host("shop.example.com", &other, None, "op").expect_err("it is taken").kind(),
        ErrorKind::Conflict
    );
    assert_eq!(
        fixture.catalog.map_host("*.example.com", &other, None, "op").expect_err("no pattern").kind(),
        ErrorKind::Invalid
    );
    fixture.catalog.unmap_host("shop.example.com", "op").expect("it was mapped");
    assert_eq!(lookup("shop.example.com"), None);
}

#[test]
fn data_of_an_uninstalled_applet_is_kept_and_then_collected() {
    let fixture = fixture();
    let package = with_migrations("1.0.0", &[("0001_a.sql", "CREATE TABLE a (x)")]);
    number(fixture.install(&package, Grant::All));
    let kv = fixture.catalog.inner.options.kv.clone().expect("there is one");
    let owner = belljar::KvOwner { tenant: fixture.tenant.clone(), applet: fixture.applet.clone() };
    let entry = belljar::KvEntry { key: "k".into(), value: belljar::KvValue::Json("1".into()), expires_ms: None };
    kv.import(&owner, vec![entry]).expect("it can be written");
    fixture.catalog.collect().expect("it collects");
    fixture.catalog.uninstall(&fixture.tenant, &fixture.applet, "op", &Unprepared).expect("it is installed");
    assert!(fixture.active().is_none());
    assert_eq!(
        fixture.catalog.applet(&fixture.tenant, &fixture.applet).expect("its data is kept").state,
        AppletState::Uninstalled
    );

    let mut exported = Vec::new();
    fixture.catalog.export(&fixture.tenant, &fixture.applet, &mut exported).expect("it can be exported");
    let mut names = Vec::new();
    for entry in tar::Archive::new(exported.as_slice()).entries().expect("it is an archive") {
        names.push(entry.expect("it is whole").path().expect("it has a name").to_string_lossy().into_owned());
    }
    assert_eq!(names, ["db.sqlite", "kv.jsonl", "config.json"]);

    fixture.later(6 * DAY_US);
    assert_eq!(fixture.catalog.collect().expect("it collects").applets, Vec::<String>::new());
    let plan = fixture.catalog.plan(&fixture.installation(&package, Grant::Standing)).expect("it can be installed");
    assert!(plan.finds_data && plan.needs_approval && plan.migrations.is_empty(), "{plan:?}");
    assert_eq!(number(fixture.install(&package, Grant::All)), 2, "numbers go on");

    fixture.catalog.uninstall(&fixture.tenant, &fixture.applet, "op", &Unprepared).expect("it is installed");
    fixture.later(40 * DAY_US);
    let collected = fixture.catalog.collect().expect("it collects");
    assert!(collected.clock_leapt && collected.applets.is_empty(), "the clock may be wrong");
    let collected = fixture.catalog.collect().expect("it collects");
    assert_eq!((collected.applets, collected.packages), (vec!["acme/shop".to_owned()], 1));
    assert_eq!(fixture.catalog.inner.databases.list().expect("it can be listed"), []);
    assert_eq!(kv.used(None).expect("it can be asked").len(), 0);
    assert_eq!(std::fs::read_dir(fixture.catalog.dir().packages()).expect("it can be listed").count(), 0);
    fixture.catalog.delete_tenant(&fixture.tenant, "op").expect("nothing is left of it");
}

#[test]
fn old_releases_are_collected_but_for_the_one_in_force() {
    let fixture = fixture();
    for patch in 0..6 {
        number(fixture.install(&plain(&format!("1.0.{patch}")), Grant::All));
    }
    fixture.catalog.rollback(&fixture.tenant, &fixture.applet, Some(1), "op", &Unprepared).expect("it goes back");
    let collected = fixture.catalog.collect().expect("it collects");
    assert_eq!((collected.releases, collected.packages), (2, 2));
    let kept: Vec<u64> = fixture
        .catalog
        .releases(&fixture.tenant, &fixture.applet)
        .expect("they can be read")
        .iter()
        .map(|release| release.number)
        .collect();
    assert_eq!(kept, [6, 5, 4, 1]);
    assert_eq!(number(fixture.install(&plain("2.0.0"), Grant::All)), 7);
}

#[test]
fn a_package_without_a_row_is_collected() {
    let fixture = fixture();
    number(fixture.install(&plain("1.0.0"), Grant::All));
    let orphan = fixture.catalog.dir().packages().join(format!("{}.belljar", "0".repeat(64)));
    std::fs::write(&orphan, b"left by a process that was killed").expect("it can be written");
    fixture.catalog.collect().expect("it collects");
    assert!(!orphan.exists());
    assert_eq!(std::fs::read_dir(fixture.catalog.dir().packages()).expect("it can be listed").count(), 1);
}

#[test]
fn tenants_share_a_package_and_nothing_else() {
    let fixture = fixture();
    let other = TenantId::new("other").expect("valid");
    fixture.catalog.create_tenant(&other, Quotas::default(), "op").expect("it is made");
    number(fixture.install(&package("1.0.0", calls("a.example")), Grant::All));
    let digest = fixture.active().expect("it is installed").release.digest();
    let stored =
        Installation::new(other.clone(), PackageFrom::Stored(digest), Grant::Only(Permissions::default()), "op");
    number(fixture.catalog.install(stored, &Unprepared));
    let (mine, theirs) = (
        fixture.active().expect("it is installed"),
        fixture.catalog.active(&other, &fixture.applet).expect("it can be read").expect("it is installed"),
    );
    assert!(std::ptr::eq(&**mine.release.package(), &**theirs.release.package()));
    assert_eq!((mine.release.grants().http.len(), theirs.release.grants().http.len()), (1, 0));
}

#[test]
fn a_damaged_package_is_told_and_can_be_installed_again() {
    let fixture = fixture();
    number(fixture.install(&plain("1.0.0"), Grant::All));
    let file = std::fs::read_dir(fixture.catalog.dir().packages())
        .expect("it can be listed")
        .next()
        .expect("there is one")
        .expect("it can be listed")
        .path();
    std::fs::write(&file, b"damaged").expect("it can be written");
    let error = fixture.catalog.active(&fixture.tenant, &fixture.applet).expect_err("it is damaged");
    assert!(error.to_string().contains("is damaged"), "{error}");
    let installed = fixture.install(&plain("1.0.0"), Grant::All).expect("it is put back");
    assert!(matches!(installed, Installed::Unchanged { .. }), "{installed:?}");
    assert_eq!(fixture.version(), "1.0.0");
}

#[test]
fn a_backup_is_restored_elsewhere() {
    let fixture = fixture();
    let package = with_migrations("1.0.0", &[("0001_a.sql", "CREATE TABLE a (x); INSERT INTO a VALUES (7)")]);
    number(fixture.install(&package, Grant::All));
    let mut archive = Vec::new();
    let report = fixture.catalog.backup(&mut archive).expect("it is written");
    let paths: Vec<&str> = report.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        (paths[0], paths.len(), paths.contains(&"db/acme/shop.sqlite")),
        ("catalog.sqlite", 3, true),
        "{paths:?}"
    );
    let parent = tempfile::tempdir().expect("a directory");
    let into = parent.path().join("restored");
    let error = restore(&mut archive.as_slice(), fixture.data.path()).expect_err("it is not empty");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // Damage anywhere that counts is noticed, and leaves nothing behind.
    for cut in [archive.len() / 2, archive.len() - 2_048, 100] {
        restore(&mut &archive[..cut], &into).expect_err("it is not whole");
    }
    let at = archive.windows(9).position(|window| window == b"belljar.j").expect("the package is in it");
    let mut damaged = archive.clone();
    damaged[at + 1_000] ^= 1;
    let error = restore(&mut damaged.as_slice(), &into).expect_err("it was changed");
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(std::fs::read_dir(parent.path()).expect("it can be listed").count(), 0);

    restore(&mut archive.as_slice(), &into).expect("it is restored");
    let catalog = open(&into, &fixture.clock, Some(KEY)).expect("it opens");
    catalog.check().expect("it is sound");
    let active = catalog.active(&fixture.tenant, &fixture.applet).expect("it can be read").expect("it is installed");
    assert_eq!(active.release.package().descriptor.version.to_string(), "1.0.0");
    let copy = parent.path().join("copy.sqlite");
    catalog
        .inner
        .databases
        .copy(&fixture.tenant, &fixture.applet, &copy)
        .expect("it can be copied")
        .expect("it is there");
    let value = rusqlite::Connection::open(copy)
        .expect("it opens")
        .query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0));
    assert_eq!(value.expect("it is there"), 7);
}

#[test]
fn a_damaged_catalog_is_told() {
    let fixture = fixture();
    number(fixture.install(&plain("1.0.0"), Grant::All));
    let (path, clock) = (fixture.catalog.dir().catalog(), fixture.clock.clone());
    let Fixture { catalog, data, .. } = fixture;
    drop(catalog);
    let mut bytes = std::fs::read(&path).expect("it can be read");
    bytes[..64].fill(b'x');
    std::fs::write(&path, &bytes).expect("it can be written");
    let error = open(data.path(), &clock, Some(KEY)).expect_err("it is damaged");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    assert_eq!(std::fs::read(&path).expect("it can be read"), bytes, "nothing was done to it");
}

#[test]
fn opening_does_not_read_the_applets() {
    let fixture = fixture();
    // One package, as many rows as there could be applets.
    number(fixture.install(&plain("1.0.0"), Grant::All));
    let digest = fixture.active().expect("it is installed").release.digest().to_hex();
    fixture
        .catalog
        .inner
        .store
        .write(|transaction| {
            for index in 0..10_000 {
                let applet = format!("applet-{index}");
                transaction.execute(
                    "INSERT INTO applets (tenant, applet, active_release, releases_made) VALUES ('acme', ?1, 1, 1)",
                    [&applet],
                )?;
                let sql = "INSERT INTO releases VALUES ('acme', ?1, 1, ?2, '1.0.0', ?3, 0, 'op')";
                let grants = serde_json::to_string(&Permissions::default()).expect("it can be written");
                transaction.execute(sql, (&applet, &digest, grants))?;
            }
            Ok(())
        })
        .expect("they are written");
    let (clock, data) = (fixture.clock.clone(), fixture.data);
    drop(fixture.catalog);
    let begun = std::time::Instant::now();
    let catalog = open(data.path(), &clock, Some(KEY)).expect("it opens");
    let took = begun.elapsed();
    assert!(took.as_millis() < 500, "{took:?}");
    assert_eq!(catalog.applets(None).expect("they can be read").len(), 10_001);
}
