//! Calls that are recorded: by the recorder's policy, or because they are asked for.

use super::Host;
use super::program::Evaluation;
use crate::catalog::Release;
use crate::floor::grants::Grants;
use crate::floor::ids::Digest;
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
    pub async fn invoke_streaming_recorded(
        &self,
        release: &Release,
        invocation: Invocation,
        sink: &mut dyn ResponseSink,
    ) -> (Outcome, Option<Recording>) {
        let (outcome, taped) = self.call_taped(release, invocation, sink, Some(EventWriter::new(BYTES_MAX))).await;
        let recording = taped.and_then(|taped| {
            let header =
                recording_header(self.engine_digest(), Some(release.digest()), release.grants(), release.limits());
            taped.finish(header, outcome.result.as_ref().ok().cloned(), outcome.usage.clone())
        });
        (outcome, recording)
    }

    /// As [`Host::run`], recorded. There is no recording when the program was not begun.
    pub async fn run_recorded(&self, evaluation: Evaluation) -> (Outcome, Option<Recording>) {
        let (grants, limits) =
            (evaluation.grants.clone(), evaluation.limits.for_package(&belljar_package::Limits::default()));
        let (outcome, taped) = self.run_taped(evaluation, Some(EventWriter::new(BYTES_MAX))).await;
        let recording = taped.and_then(|taped| {
            let header = recording_header(self.engine_digest(), None, &grants, &limits);
            taped.finish(header, outcome.result.as_ref().ok().cloned(), outcome.usage.clone())
        });
        (outcome, recording)
    }

    pub(super) async fn call(&self, release: &Release, invocation: Invocation, sink: &mut dyn ResponseSink) -> Outcome {
        let Some(recorder) = &self.inner.recorder else {
            return self.call_taped(release, invocation, sink, None).await.0;
        };
        let policy = invocation.record.unwrap_or(recorder.its_policy());
        let writer = policy.records().then(|| EventWriter::new(recorder.its_bytes_max()));
        let (outcome, taped) = self.call_taped(release, invocation, sink, writer).await;
        if let Some(taped) = taped.filter(|_| policy.keeps(outcome.id.as_str(), has_failed(&outcome))) {
            let (engine, release) = (self.engine_digest(), release.clone());
            let (answered, usage) = (outcome.result.as_ref().ok().cloned(), outcome.usage.clone());
            recorder.finish(taped.bytes(), move || {
                let header = recording_header(engine, Some(release.digest()), release.grants(), release.limits());
                taped.finish(header, answered, usage)
            });
        }
        outcome
    }
}

/// Whether an invocation is one that the policy "on failure" keeps.
fn has_failed(outcome: &Outcome) -> bool {
    match &outcome.result {
        Err(_) => true,
        Ok(Response::Http(reply)) => reply.status >= 500,
        Ok(Response::Streamed(reply)) => reply.status >= 500,
        Ok(Response::Value(_)) => false,
    }
}

/// What a recording says of the host and the release; who was called is filled in from what was recorded.
fn recording_header(engine: Digest, package: Option<Digest>, grants: &Grants, limits: &Limits) -> RecordingHeader {
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
