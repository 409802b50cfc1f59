//! Recording and replaying: the part of [`Host`] that makes recordings of invocations, and runs them again.

use std::sync::Arc;
use std::time::Instant;

use super::{Evaluation, Host, Who};
use crate::capability::log::LogContext;
use crate::capability::origin::{Chain, Origin};
use crate::catalog::Release;
use crate::engine::prepare::Prepared;
use crate::engine::replay::{Comparison, Replay, ReplayError, ReplayRun};
use crate::floor::clock::{Seeded, Source, Virtual};
use crate::floor::deadline::Deadline;
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, Digest, InvocationId, TenantId};
use crate::floor::limits::Limits;
use crate::invocation::{Collected, Invocation, Outcome, Response, ResponseSink};
use crate::recording::events::EventWriter;
use crate::recording::{Recording, RecordingHeader};

/// Bytes of calls and answers of a recording that is asked for by itself; one of a recorder has the recorder's bound.
const BYTES_MAX: u64 = 64 << 20;

impl Host {
    /// As [`Host::invoke`], recorded whatever the recorder's policy is; nothing goes to its sink. There is no recording when the handler was not
    /// called, and of what runs in a process.
    ///
    /// ```no_run
    /// # async fn example(host: &belljar::Host, release: &belljar::Release, invocation: belljar::Invocation) -> Result<(), Box<dyn std::error::Error>> {
    /// let (outcome, recording) = host.invoke_recorded(release, invocation).await;
    /// if let (Err(_), Some(recording)) = (outcome.result, recording) {
    ///     std::fs::write("failure.recording", recording.encode(None)?)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn invoke_recorded(&self, release: &Release, invocation: Invocation) -> (Outcome, Option<Recording>) {
        let mut collected = Collected::default();
        let (outcome, recording) = self.invoke_streaming_recorded(release, invocation, &mut collected).await;
        (collected.complete(outcome), recording)
    }

    /// [`Host::invoke_streaming`], recorded as [`Host::invoke_recorded`] does.
    pub async fn invoke_streaming_recorded(&self, release: &Release, invocation: Invocation, sink: &mut dyn ResponseSink) -> (Outcome, Option<Recording>) {
        let (outcome, taped) = self.call_taped(release, invocation, sink, Some(EventWriter::new(BYTES_MAX))).await;
        let recording = taped.and_then(|taped| {
            let header = recording_header(self.engine_digest(), Some(release.digest()), release.grants(), release.limits());
            taped.finish(header, outcome.result.as_ref().ok().cloned(), outcome.usage.clone())
        });
        (outcome, recording)
    }

    /// As [`Host::evaluate`], recorded. There is no recording when the program was not begun.
    pub async fn evaluate_recorded(&self, evaluation: Evaluation) -> (Outcome, Option<Recording>) {
        let (grants, limits) = (evaluation.grants.clone(), evaluation.limits.for_package(&belljar_package::Limits::default()));
        let (outcome, taped) = self.evaluate_taped(evaluation, Some(EventWriter::new(BYTES_MAX))).await;
        let recording = taped.and_then(|taped| {
            let header = recording_header(self.engine_digest(), None, &grants, &limits);
            taped.finish(header, outcome.result.as_ref().ok().cloned(), outcome.usage.clone())
        });
        (outcome, recording)
    }

    /// Runs a recorded invocation of `release` again, offline: what came in from outside comes from the recording, and all that the applet does is
    /// compared with it. No capability, no clock and no network is used. The package has to be the one that was recorded
    /// ([`Host::replay_program`] is for a recording without one).
    ///
    /// With `fuel_until` the replay stops when so much fuel is burnt, and tells the JavaScript stack.
    ///
    /// Fuel, and the time that follows from it, are compared under the same engine digest only.
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
    ///     Replay::Stopped { .. } => {}
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay(&self, release: &Release, recording: &Recording, fuel_until: Option<u64>) -> Result<Replay, ReplayError> {
        let given = release.digest().to_hex();
        if recording.header.package.as_deref() != Some(given.as_str()) {
            let recorded = recording.header.package.clone().unwrap_or_else(|| "a program given as text".into());
            return Err(ReplayError::OtherPackage { recorded, given });
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
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay_against(&self, release: &Release, recording: &Recording) -> Result<Comparison, ReplayError> {
        if recording.header.package.is_none() {
            let recorded = "a program given as text".into();
            return Err(ReplayError::OtherPackage { recorded, given: release.digest().to_hex() });
        }
        let prepared = self.image(release).await.map_err(ReplayError::Preparation)?;
        self.inner.sandbox.replay_against(self.replay_run(&prepared, recording, None)?, release.limits()).await
    }

    async fn replay_on(&self, prepared: &Prepared, recording: &Recording, fuel_until: Option<u64>) -> Result<Replay, ReplayError> {
        self.inner.sandbox.replay(self.replay_run(prepared, recording, fuel_until)?).await
    }

    fn replay_run<'a>(&self, prepared: &'a Prepared, recording: &'a Recording, fuel_until: Option<u64>) -> Result<ReplayRun<'a>, ReplayError> {
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
        let who = Who { tenant: &tenant, applet: &applet, package: None, origin: &origin };
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
        let (capabilities, host_bytes) = self.capabilities(who, &Grants::default(), &header.limits, context, &deadline, &source);
        Ok(ReplayRun { prepared, recording, capabilities, host_bytes, source, fuel_until })
    }
}

/// Whether an invocation is one that the policy "on failure" keeps.
pub(super) fn has_failed(outcome: &Outcome) -> bool {
    match &outcome.result {
        Err(_) => true,
        Ok(Response::Http(reply)) => reply.status >= 500,
        Ok(Response::Streamed(reply)) => reply.status >= 500,
        Ok(Response::Value(_)) => false,
    }
}

/// What a recording says of the host and the release; who was called is filled in from what was recorded.
pub(super) fn recording_header(engine: Digest, package: Option<Digest>, grants: &Grants, limits: &Limits) -> RecordingHeader {
    RecordingHeader {
        belljar: env!("CARGO_PKG_VERSION").into(),
        engine: engine.to_hex(),
        intl: belljar_intl::version(),
        package: package.map(Digest::to_hex),
        invocation: String::new(),
        tenant: String::new(),
        applet: String::new(),
        version: String::new(),
        handler: String::new(),
        trigger: String::new(),
        begun_us: 0,
        is_time_virtual: false,
        has_stand_ins: false,
        grants: grants.names(),
        limits: limits.clone(),
    }
}
