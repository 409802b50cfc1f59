//! The tests of an applet, prepared and listed; and one of them, run.

use std::collections::HashMap;
use std::sync::Arc;

use belljar::package::{Package, migrations};
use belljar::{
    AppletId, CatalogError, Digest, Fault, FaultCode, Frame, Grants, Invocation, Limits, Migration, Outcome, Payload,
    Preparation, Release, Response, TenantId, Usage, Virtual,
};
use belljar_build::TEST_HANDLER;

use crate::bench::{Bench, SuiteError};
use crate::guest::{Executed, Listed, ListedMode, Listing, Order, Ran};
use crate::result::{Failure, Status, TestResult};

/// When each test begins: 2026-01-01T00:00:00Z.
const BEGIN_US: u64 = 1_767_225_600_000_000;
/// The trigger of a test's call; guest-js/web/src/driver/testing.ts has it too.
const TRIGGER: &str = "test";

/// What becomes of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is run.
    Run,
    /// It is not.
    Skip,
    /// It is still to be written.
    Todo,
}

/// One test, as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its file, relative to the applet's folder.
    pub file: String,
    /// The suites around it, outermost first.
    pub suites: Vec<String>,
    /// Its name.
    pub name: String,
    /// Which one of this name it is in its file and suites, from 1.
    pub number: usize,
    /// What becomes of it.
    pub mode: Mode,
    /// Where it is declared, if that is known.
    pub at: Option<Frame>,
    /// Most fuel it may take.
    pub fuel_max: Option<u64>,
    /// Most time it may take on the wall, milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Test {
    /// Its suites and its name, with ` > ` between.
    pub fn title(&self) -> String {
        let names: Vec<&str> = self.suites.iter().map(String::as_str).chain([self.name.as_str()]).collect();
        let title = names.join(" > ");
        if self.number > 1 { format!("{title} #{}", self.number) } else { title }
    }

    /// What it is known by: its file and its title. No other test of the applet has it.
    pub fn key(&self) -> String {
        format!("{} > {}", self.file, self.title())
    }
}

/// The tests of an applet.
pub struct Suite {
    bench: Arc<Bench>,
    package: Arc<Package>,
    digest: Digest,
    grants: Grants,
    migrations: Vec<Migration>,
    preparation: Preparation,
    tests: Vec<Test>,
    /// What was executed before any test.
    executed: Executed,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("tests", &self.tests.len()).finish_non_exhaustive()
    }
}

impl Suite {
    /// Prepares a package of tests, which runs the top-level code of the applet and of its tests once, and lists them.
    ///
    /// # Errors
    /// [`SuiteError`] when the package is none, its top-level code fails, or it tells no list.
    pub async fn prepare(bench: Arc<Bench>, package: Package) -> Result<Self, SuiteError> {
        let encoded = package.encode().map_err(CatalogError::from)?;
        let digest = Digest::of(&encoded);
        let mut grants = Grants::all_asked(&package.descriptor.permissions);
        // What this host does not offer, tests mock inside.
        grants.custom.retain(|name| bench.host.capability_names().any(|offered| offered == name));
        let migrations = match migrations(&package.files) {
            Ok(found) if grants.db => found
                .into_iter()
                .map(|one| Migration { number: one.number, name: one.name.to_owned(), sql: one.sql.to_owned() })
                .collect(),
            // The build has told what is wrong with them.
            _ => Vec::new(),
        };
        let package = Arc::new(package);
        let tenant = bench.tenant();
        let release = Release::admit_decoded(tenant.clone(), package.clone(), digest, &grants, bench.host.limits())?;
        let preparation = bench.host.prepare(&release).await?;
        let time = Arc::new(Virtual::new(BEGIN_US, 0));
        bench.doubles.begin(tenant.clone(), time.clone());
        let outcome = bench.host.invoke(&release, invocation(&Order::List(true), time)).await;
        bench.doubles.end(&tenant);
        let listing: Listing = read(outcome)?;
        let tests = listing.tests.into_iter().map(|listed| test(listed, &preparation));
        let tests = numbered(tests.collect());
        Ok(Self { bench, package, digest, grants, migrations, preparation, tests, executed: listing.executed })
    }

    /// The tests, in the order in which they were declared.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// What the top-level code logged; empty when its image was there from an earlier run.
    pub fn log(&self) -> &[String] {
        self.preparation.image().map(|image| image.log()).unwrap_or_default()
    }

    pub(crate) fn executed(&self) -> &Executed {
        &self.executed
    }

    /// Runs one test, by its place, in a sandbox that nothing else has been in. `is_bounded` says whether its budget counts. Answers what was
    /// executed as well.
    ///
    /// # Panics
    /// When there is no such test.
    pub(crate) async fn run(&self, index: usize, is_bounded: bool) -> (TestResult, Executed) {
        let test = self.tests[index].clone();
        let status = match test.mode {
            Mode::Run => Status::Passed,
            Mode::Skip => Status::Skipped,
            Mode::Todo => Status::Todo,
        };
        let mut result = TestResult { test, status, failures: Vec::new(), usage: Usage::default(), log: Vec::new() };
        if status != Status::Passed {
            return (result, Executed::new());
        }
        // The same random bytes in every run, others in every test.
        let digest = Digest::of(result.test.key().as_bytes());
        let seed = u64::from_le_bytes(std::array::from_fn(|byte| digest.as_bytes()[byte]));
        let tenant = self.bench.tenant();
        let time = Arc::new(Virtual::new(BEGIN_US, seed));
        let double = self.bench.doubles.begin(tenant.clone(), time.clone());
        let mut executed = Executed::new();
        match self.call(index, &tenant, &result.test, time).await {
            Ok(outcome) => {
                result.usage = outcome.usage.clone();
                match read::<Ran>(outcome) {
                    Ok(ran) => {
                        executed = ran.executed;
                        for failed in ran.failed {
                            result.fail(Failure::told(failed, |stack| self.frames(stack)));
                        }
                    }
                    Err(SuiteError::Fault(fault)) => result.fail(Failure::of_fault(*fault)),
                    Err(error) => result.fail(Failure::of_fault(internal(error.to_string()))),
                }
            }
            Err(fault) => result.fail(Failure::of_fault(*fault)),
        }
        result.log = double.take_log();
        self.bench.doubles.end(&tenant);
        self.clean_up(tenant).await;
        let fuel = result.usage.fuel;
        if let Some(fuel_max) = result.test.fuel_max.filter(|fuel_max| is_bounded && fuel > *fuel_max) {
            result.fail(Failure::budget(format!("it took {fuel} fuel, and its budget (fuelMax) is {fuel_max}")));
        }
        (result, executed)
    }

    async fn call(
        &self,
        index: usize,
        tenant: &TenantId,
        test: &Test,
        time: Arc<Virtual>,
    ) -> Result<Outcome, Box<Fault>> {
        let mut limits: Limits = self.bench.host.limits().clone();
        limits.deadline_ms = test.timeout_ms.unwrap_or(limits.deadline_ms);
        let release = Release::admit_decoded(tenant.clone(), self.package.clone(), self.digest, &self.grants, &limits);
        let release = release.map_err(|error| Box::new(internal(error.to_string())))?;
        if !self.migrations.is_empty() {
            let (host, tenant, applet) = (self.bench.host.clone(), tenant.clone(), release.applet().clone());
            let migrations = self.migrations.clone();
            let migrated = tokio::task::spawn_blocking(move || {
                host.databases().migrate(&tenant, &applet, &migrations, &host.limits().db, |_| {})
            });
            let migrated = migrated.await.map_err(|error| Box::new(internal(error.to_string())))?;
            migrated.map_err(|error| Box::new(fault(FaultCode::Preparation, error.to_string())))?;
        }
        Ok(self.bench.host.invoke(&release, invocation(&Order::Run(index), time)).await)
    }

    /// Forgets the database of a test.
    async fn clean_up(&self, tenant: TenantId) {
        let Ok(applet) = AppletId::new(self.package.descriptor.id.clone()) else { return };
        if self.grants.db {
            let host = self.bench.host.clone();
            // What cannot be forgotten ends with the process; no other test has this tenant.
            let _ = tokio::task::spawn_blocking(move || host.databases().delete(&tenant, &applet).is_ok()).await;
        }
    }

    fn frames(&self, stack: &str) -> Vec<Frame> {
        self.preparation.image().map(|image| image.frames(stack)).unwrap_or_default()
    }
}

/// The call that lists or runs.
fn invocation(order: &Order, time: Arc<Virtual>) -> Invocation {
    // Serialising our own plain data cannot fail.
    let json = serde_json::to_string(order).unwrap_or_default();
    let mut invocation = Invocation::new(TEST_HANDLER, Payload::Json(json));
    invocation.trigger = TRIGGER.to_owned();
    invocation.source = Some(time);
    // Handlers that are called as jobs tell how far they are, and may only where the call is one.
    invocation.job = Some(TRIGGER.to_owned());
    invocation
}

/// What the library inside has answered.
fn read<T: serde::de::DeserializeOwned>(outcome: Outcome) -> Result<T, SuiteError> {
    match outcome.result? {
        Response::Value(Some(json)) => serde_json::from_str(&json).map_err(SuiteError::Answer),
        _ => Err(SuiteError::NoAnswer),
    }
}

fn internal(message: String) -> Fault {
    fault(FaultCode::Internal, message)
}

fn fault(code: FaultCode, message: String) -> Fault {
    Fault { code, message, limit: None, errors: Vec::new(), frames: Vec::new() }
}

fn test(listed: Listed, preparation: &Preparation) -> Test {
    let frames = preparation.image().map(|image| image.frames(&listed.stack)).unwrap_or_default();
    Test {
        // The innermost frame that is in a file of the author's: a helper may declare tests.
        at: frames.into_iter().find(|frame| frame.in_author_file),
        file: listed.file,
        suites: listed.suites,
        name: listed.name,
        number: 1,
        mode: match listed.mode {
            ListedMode::Run => Mode::Run,
            ListedMode::Skip => Mode::Skip,
            ListedMode::Todo => Mode::Todo,
        },
        fuel_max: listed.fuel_max,
        timeout_ms: listed.timeout_ms,
    }
}

/// Numbers tests of one name, so that each is known by its own.
fn numbered(mut tests: Vec<Test>) -> Vec<Test> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for test in &mut tests {
        let count = seen.entry(test.key()).or_default();
        *count += 1;
        test.number = *count;
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str) -> Test {
        Test {
            file: "a.test.ts".into(),
            suites: vec!["s".into()],
            name: name.into(),
            number: 1,
            mode: Mode::Run,
            at: None,
            fuel_max: None,
            timeout_ms: None,
        }
    }

    #[test]
    fn tests_of_one_name_are_told_apart() {
        let keys: Vec<String> =
            numbered(vec![declared("x"), declared("y"), declared("x")]).iter().map(Test::key).collect();
        assert_eq!(keys, ["a.test.ts > s > x", "a.test.ts > s > y", "a.test.ts > s > x #2"]);
    }
}
