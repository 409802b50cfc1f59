//! The states of one process, as rules alone: what happens and when is told to it, what is to be done is its answer. It knows neither
//! processes nor clocks nor chance; times are counted from any moment that does not change.

use std::time::Duration;

use crate::limits::Supervision;

/// What state a process is in, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is none, and none is wanted.
    Stopped,
    /// It was started and is not ready yet.
    Starting,
    /// It answers.
    Healthy,
    /// It failed, and is started again after a wait.
    Unhealthy,
    /// It failed too often: calls are refused for a while.
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Stopped,
    Starting { probe: bool },
    Healthy,
    Unhealthy { until: Duration },
    Open { until: Duration },
}

/// What a caller is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Call the process.
    Use,
    /// Start a process: this caller is the only one who is told so.
    Start,
    /// Wait for a change, or for this moment.
    Wait(Option<Duration>),
    /// Give up: the circuit is open, until this moment if anything is known of it.
    Refuse(Option<Duration>),
}

#[derive(Debug)]
pub(crate) struct Machine {
    policy: Supervision,
    phase: Phase,
    since: Duration,
    reason: String,
    /// Failures in a row.
    failures: u32,
    /// How often the circuit was opened in a row.
    openings: u32,
}

impl Machine {
    pub(crate) fn new(policy: Supervision) -> Self {
        let reason = "it has not been called yet".to_owned();
        Self { policy, phase: Phase::Stopped, since: Duration::ZERO, reason, failures: 0, openings: 0 }
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Stopped => State::Stopped,
            Phase::Starting { .. } => State::Starting,
            Phase::Healthy => State::Healthy,
            Phase::Unhealthy { .. } => State::Unhealthy,
            Phase::Open { .. } => State::Open,
        }
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn since(&self) -> Duration {
        self.since
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn set_policy(&mut self, policy: Supervision) {
        self.policy = policy;
    }

    /// When it may be started again.
    pub(crate) fn until(&self) -> Option<Duration> {
        match self.phase {
            Phase::Unhealthy { until } | Phase::Open { until } => Some(until),
            Phase::Stopped | Phase::Starting { .. } | Phase::Healthy => None,
        }
    }

    /// Somebody has a call for the process. `waits_for_start` is whether it is the one who was told to start it: while a circuit is
    /// tried, the others are refused.
    pub(crate) fn wanted(&mut self, now: Duration, waits_for_start: bool) -> Verdict {
        match self.phase {
            Phase::Healthy => Verdict::Use,
            Phase::Starting { probe: true } if !waits_for_start => Verdict::Refuse(None),
            Phase::Starting { .. } => Verdict::Wait(None),
            Phase::Stopped => self.start(now, false),
            Phase::Unhealthy { until } if now < until => Verdict::Wait(Some(until)),
            Phase::Unhealthy { .. } => self.start(now, false),
            Phase::Open { until } if now < until => Verdict::Refuse(Some(until)),
            Phase::Open { .. } => self.start(now, true),
        }
    }

    fn start(&mut self, now: Duration, probe: bool) -> Verdict {
        self.reason = match (probe, self.failures) {
            (true, _) => format!("it is tried again after: {}", self.reason),
            (false, 0) => "it has been called".into(),
            (false, failures) => format!("it is started again (failure {failures}): {}", self.reason),
        };
        self.turn(now, Phase::Starting { probe });
        Verdict::Start
    }

    fn turn(&mut self, now: Duration, phase: Phase) {
        self.phase = phase;
        self.since = now;
    }

    /// The process that was started is ready.
    pub(crate) fn ready(&mut self, now: Duration) {
        self.reason = "it answers".into();
        self.turn(now, Phase::Healthy);
    }

    /// The process failed: it did not start, it crashed, it was killed. `chance` is from 0 to 1.
    pub(crate) fn failed(&mut self, now: Duration, reason: String, chance: f64) {
        let probed = matches!(self.phase, Phase::Starting { probe: true });
        if self.phase == Phase::Healthy
            && now.saturating_sub(self.since) >= Duration::from_millis(self.policy.sustained_ms)
        {
            self.failures = 0;
            self.openings = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.reason = reason;
        if probed || self.failures >= self.policy.failures_max {
            let open = doubled(self.policy.open_ms, self.openings, self.policy.backoff_ms_max.max(self.policy.open_ms));
            self.openings = self.openings.saturating_add(1);
            self.turn(now, Phase::Open { until: now + open });
        } else {
            let wait = doubled(self.policy.backoff_ms_min, self.failures - 1, self.policy.backoff_ms_max);
            // Half of it is left to chance, so that many applets do not start at the same moment.
            let wait = wait.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
            self.turn(now, Phase::Unhealthy { until: now + wait });
        }
    }

    /// The process was ended on purpose. Failures are remembered.
    pub(crate) fn stopped(&mut self, now: Duration, reason: String) {
        if self.phase == Phase::Healthy
            && now.saturating_sub(self.since) >= Duration::from_millis(self.policy.sustained_ms)
        {
            self.failures = 0;
            self.openings = 0;
        }
        self.reason = reason;
        self.turn(now, Phase::Stopped);
    }

    /// An operator says that it is all right again.
    pub(crate) fn reset(&mut self, now: Duration) {
        self.failures = 0;
        self.openings = 0;
        self.stopped(now, "it was reset".into());
    }
}

/// `ms` doubled so many times, up to a maximum.
fn doubled(ms: u64, times: u32, ms_max: u64) -> Duration {
    Duration::from_millis(ms.saturating_mul(1_u64.checked_shl(times).unwrap_or(u64::MAX)).min(ms_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Supervision {
        Supervision {
            backoff_ms_min: 100,
            backoff_ms_max: 30_000,
            failures_max: 4,
            open_ms: 5_000,
            sustained_ms: 10_000,
            ..Supervision::default()
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A machine that was called, and failed so many times in a row as soon as it was allowed to start.
    fn failed(times: u32) -> (Machine, Duration) {
        let mut machine = Machine::new(policy());
        let mut now = at(0);
        for n in 0..times {
            assert_eq!(machine.wanted(now, false), Verdict::Start, "start {n}");
            machine.failed(now, format!("crash {n}"), 1.0);
            now = machine.until().expect("it waits");
        }
        (machine, now)
    }

    #[test]
    fn one_caller_starts_and_the_others_wait() {
        let mut machine = Machine::new(policy());
        assert_eq!(machine.state(), State::Stopped);
        assert_eq!(machine.wanted(at(0), false), Verdict::Start);
        for _ in 0..100 {
            assert_eq!(machine.wanted(at(1), false), Verdict::Wait(None));
        }
        assert_eq!(machine.state(), State::Starting);
        machine.ready(at(5));
        assert_eq!(machine.wanted(at(5), false), Verdict::Use);
    }

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let mut machine = Machine::new(Supervision { failures_max: 100, ..policy() });
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..12 {
            assert_eq!(machine.wanted(now, false), Verdict::Start);
            machine.failed(now, "crash".into(), 1.0);
            let until = machine.until().expect("it waits");
            waits.push((until - now).as_millis());
            assert_eq!(machine.wanted(until - at(1), false), Verdict::Wait(Some(until)));
            now = until;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn chance_takes_up_to_half_of_a_wait() {
        for (chance, ms) in [(0.0, 50), (0.5, 75), (1.0, 100), (7.0, 100), (-1.0, 50)] {
            let mut machine = Machine::new(policy());
            machine.wanted(at(0), false);
            machine.failed(at(0), "crash".into(), chance);
            assert_eq!(machine.until(), Some(at(ms)), "chance {chance}");
        }
    }

    #[test]
    fn the_circuit_opens_and_one_caller_tries_it() {
        let (mut machine, until) = failed(4);
        assert_eq!(machine.state(), State::Open);
        assert_eq!(machine.reason(), "crash 3");
        assert_eq!(machine.wanted(until - at(1), false), Verdict::Refuse(Some(until)));
        assert_eq!(machine.wanted(until, false), Verdict::Start);
        assert_eq!(machine.wanted(until, false), Verdict::Refuse(None), "others are refused while it is tried");
        assert_eq!(machine.wanted(until, true), Verdict::Wait(None), "who tries it waits");
        machine.ready(until + at(10));
        assert_eq!(machine.wanted(until + at(10), false), Verdict::Use);
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_longer() {
        let (mut machine, mut until) = failed(4);
        for ms in [10_000, 20_000, 30_000, 30_000] {
            assert_eq!(machine.wanted(until, false), Verdict::Start);
            machine.failed(until, "again".into(), 1.0);
            assert_eq!(machine.until(), Some(until + at(ms)));
            until += at(ms);
        }
    }

    #[test]
    fn only_sustained_uptime_forgives() {
        let (mut machine, now) = failed(3);
        assert_eq!(machine.wanted(now, false), Verdict::Start);
        machine.ready(now);
        assert_eq!(machine.failures(), 3, "being ready is not enough");
        machine.failed(now + at(9_999), "crash".into(), 1.0);
        assert_eq!(machine.state(), State::Open, "the fourth in a row");

        let (mut machine, now) = failed(3);
        machine.wanted(now, false);
        machine.ready(now);
        machine.failed(now + at(10_000), "crash".into(), 1.0);
        assert_eq!((machine.state(), machine.failures()), (State::Unhealthy, 1));
    }

    #[test]
    fn stopping_does_not_forgive_but_a_reset_does() {
        let (mut machine, now) = failed(3);
        machine.stopped(now, "it had nothing to do".into());
        assert_eq!(machine.failures(), 3);
        machine.wanted(now, false);
        machine.failed(now, "crash".into(), 1.0);
        assert_eq!(machine.state(), State::Open);
        machine.reset(now);
        assert_eq!((machine.state(), machine.failures()), (State::Stopped, 0));
        assert_eq!(machine.wanted(now, false), Verdict::Start);
    }
}
