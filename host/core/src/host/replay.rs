//! Recorded invocations, run again.

use std::sync::Arc;
use std::time::Instant;

use belljar_package::Engine as EngineKind;

use super::Host;
use super::call::{Caller, Who};
use crate::capability::log::LogContext;
use crate::capability::origin::{Chain, Origin};
use crate::catalog::Release;
use crate::engine::prepare::Prepared;
use crate::engine::replay::{Comparison, Replay, ReplayError, ReplayRun};
use crate::floor::clock::{Seeded, Source, Virtual};
use crate::floor::deadline::Deadline;
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, InvocationId, TenantId};
use crate::recording::Recording;

fn is_component(release: &Release) -> bool {
    release.package().descriptor.runtime.engine == EngineKind::Component
}

impl Host {
    /// Runs a recorded invocation of `release` again, offline: what came in from outside comes from the recording, and all that the applet does is
    /// compared with it. No capability, no clock and no network is used. The package has to be the one that was recorded
    /// ([`Host::replay_program`] is for a recording without one).
    ///
    /// With `fuel_until` the replay stops when so much fuel is burnt, and tells the JavaScript stack; of a component, its WebAssembly stack.
    ///
    /// Fuel, and the time that follows from it, are compared under the same engine digest only; of a component, under the same version of Belljar.
    ///
    /// ```no_run
    /// use belljar::{Host, Recording, Release, Replay, TenantId};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let recording = Recording::decode(&std::fs::read("failure.recording")?, None)?;
    /// let package = recording.package().ok_or("the package is not in it")?;
    /// let host = Host::builder().build()?;
    /// let release = Release::admit_all(TenantId::new("acme")?, package, host.limits())?;
    /// match host.replay(&release, &recording, None).await? {
    ///     Replay::Equal(replayed) => println!("{} calls agree", replayed.calls),
    ///     Replay::Diverged(divergence) => println!("{divergence}"),
    ///     other => println!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay(
        &self,
        release: &Release,
        recording: &Recording,
        fuel_until: Option<u64>,
    ) -> Result<Replay, ReplayError> {
        let given = release.digest().to_hex();
        if recording.header.package.as_deref() != Some(given.as_str()) {
            let recorded = recording.header.package.clone().unwrap_or_else(|| "a program given as text".into());
            return Err(ReplayError::OtherPackage { recorded, given });
        }
        if is_component(release) {
            let components = self.components().map_err(ReplayError::Preparation)?;
            let prepared = components.prepare(release).await.map_err(ReplayError::Preparation)?;
            return components.replay(self.replay_run(&*prepared, recording, fuel_until)?).await;
        }
        let memory_bytes_max = recording.header.limits.memory_bytes_max;
        let prepared = self.image_within(release, memory_bytes_max).await.map_err(ReplayError::Preparation)?;
        self.replay_on(&prepared, recording, fuel_until).await
    }

    /// As [`Host::replay`], of a program that was given as text: it is in the recording.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay_program(&self, recording: &Recording, fuel_until: Option<u64>) -> Result<Replay, ReplayError> {
        if let Some(recorded) = recording.header.package.clone() {
            return Err(ReplayError::OtherPackage { recorded, given: "none".into() });
        }
        let base = self.base().map_err(ReplayError::Preparation)?;
        self.replay_on(&base, recording, fuel_until).await
    }

    /// Has another release do what was recorded, and tells what it does otherwise. Each of its calls is answered with what was answered to the same
    /// call with the same arguments, whatever their order; a call that was not recorded fails. Limits are those of `release`.
    ///
    /// One of the two may be a component and the other in JavaScript. Random bytes, the console (standard output and error of a component) and the
    /// pieces of bodies are not compared between them.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay_against(&self, release: &Release, recording: &Recording) -> Result<Comparison, ReplayError> {
        if recording.header.package.is_none() {
            let recorded = "a program given as text".into();
            return Err(ReplayError::OtherPackage { recorded, given: release.digest().to_hex() });
        }
        if release.package().descriptor.runtime.engine.is_process() {
            return Err(ReplayError::Process);
        }
        if is_component(release) {
            let components = self.components().map_err(ReplayError::Preparation)?;
            let prepared = components.prepare(release).await.map_err(ReplayError::Preparation)?;
            return components.replay_against(self.replay_run(&*prepared, recording, None)?, release.limits()).await;
        }
        let prepared = self.image(release).await.map_err(ReplayError::Preparation)?;
        self.inner.sandbox.replay_against(self.replay_run(&*prepared, recording, None)?, release.limits()).await
    }

    async fn replay_on(
        &self,
        prepared: &Prepared,
        recording: &Recording,
        fuel_until: Option<u64>,
    ) -> Result<Replay, ReplayError> {
        self.inner.sandbox.replay(self.replay_run(prepared, recording, fuel_until)?).await
    }

    fn replay_run<'a, P>(
        &self,
        prepared: &'a P,
        recording: &'a Recording,
        fuel_until: Option<u64>,
    ) -> Result<ReplayRun<'a, P>, ReplayError> {
        let header = &recording.header;
        let unreadable = |_| ReplayError::Unreadable("its tenant or its applet has no valid name");
        let tenant = TenantId::new(header.tenant.clone()).map_err(unreadable)?;
        let applet = AppletId::new(header.applet.clone()).map_err(unreadable)?;
        let invocation = InvocationId::new([0; 16]);
        let origin = || Origin {
            tenant: tenant.clone(),
            applet: applet.clone(),
            handler: String::new(),
            invocation: invocation.clone(),
            chain: Chain::default(),
            job: None,
        };
        let who = Who { tenant: &tenant, applet: &applet, package: None, origin: &origin, caller: &Caller::default() };
        let source: Arc<dyn Source> = match header.is_time_virtual {
            true => Arc::new(Virtual::new(header.begun_us, 0)),
            false => Arc::new(Seeded::new(header.begun_us, 0)),
        };
        let context = LogContext {
            tenant: tenant.clone(),
            applet: applet.clone(),
            version: header.version.clone(),
            handler: header.handler.clone(),
            invocation: invocation.clone(),
        };
        // Nothing is granted: whatever the applet asks for is answered from the recording.
        let deadline = Deadline::new(Instant::now(), header.limits.deadline_ms);
        let (capabilities, host_bytes) =
            self.capabilities(who, &Grants::default(), &header.limits, context, &deadline, &source);
        Ok(ReplayRun { prepared, recording, capabilities, host_bytes, source, fuel_until })
    }
}
