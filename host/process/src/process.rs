//! One process: started in a group and a directory of its own, looked after until it has ended, and ended with its whole group. `call`
//! gives it work; who has work for it, and when another one takes its place, is the supervisor's matter.

pub(crate) mod call;
pub(crate) mod code_cache;
pub(crate) mod directory;
mod health;
pub(crate) mod jail;
mod monitor;
mod runtime_flags;
pub(crate) mod spec;
mod usage;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use belljar_jail::{Refusal, Report};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use self::code_cache::CodeCache;
use self::directory::Directory;
use self::jail::{Cell, Jail};
use self::spec::{Program, Spec};
use crate::error::{CrashReport, EndReason, StartError};
use crate::limits::READY_POLL_MS;
use crate::logs::{Logs, Stream, Tail};
use crate::protocol::client::Client;
use crate::protocol::server::HostServer;
use crate::protocol::token::Tokens;
use crate::system::{self, Exit, Peer, Signal};

/// A process that was started.
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) spec: Arc<Spec>,
    /// The number of its group, which is that of its first process.
    group: u32,
    client: Client,
    tokens: Arc<Tokens>,
    /// Calls that may be in it at the same time.
    places: Arc<Semaphore>,
    /// Calls that are in it or wait for a place.
    seats: AtomicU32,
    /// Told when a seat is left.
    left: Notify,
    used: Mutex<Instant>,
    tail: Arc<Tail>,
    /// What the launcher of its jail has said; nothing comes when it has none.
    jail: watch::Sender<Option<Result<Report, Refusal>>>,
    /// Why it was told to end, and how many calls were in it then; the first reason counts.
    verdict: Mutex<Option<(EndReason, u32)>>,
    /// Whether its group may be signalled: not once its leader has been reaped, when its number may be another's.
    signalled: Mutex<bool>,
    ended: watch::Sender<Option<Arc<CrashReport>>>,
    /// Whether somebody asks already if it still answers.
    suspected: AtomicBool,
    /// Calls that it keeps going after their deadline.
    abandoned: AtomicU32,
    /// Those since the last answer.
    in_a_row: AtomicU32,
    runtime: Handle,
}

impl Process {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn launch(spec: Arc<Spec>) -> Result<Arc<Self>, StartError> {
        let process = Self::start(Arc::clone(&spec))?;
        // A start that is given up must leave nothing behind.
        let guard = EndUnlessReady(Some(Arc::clone(&process)));
        process.wait_until_ready().await?;
        guard.defuse();
        CodeCache::fill(&process.spec);
        Ok(process)
    }

    fn start(spec: Arc<Spec>) -> Result<Arc<Self>, StartError> {
        let failed = |what| move |source| StartError::System { what, source };
        let user = spec.jail.as_ref().and_then(Jail::draw_user);
        let directory = Directory::make(&spec.sockets, user)?;
        if let Program::Bundle { .. } = spec.program {
            let written = directory.write_script(crate::RUNTIME_SCRIPT);
            written.map_err(failed("the script of the process could not be written"))?;
        }
        let listener = directory.listen().map_err(failed("the host's socket could not be made"))?;
        let cell = spec.jail.as_ref().map(|jail| Cell::make(jail, &spec, &directory, user)).transpose()?;
        let mut child = spec
            .command(&directory, cell.as_ref())
            .spawn()
            .map_err(|source| StartError::Spawn { program: spec.program_name(), source })?;
        let id = child.id();
        let id = id.ok_or_else(|| failed("the process has ended already")(std::io::ErrorKind::NotFound.into()))?;
        let exit = Exit::of(id).map_err(failed("the process cannot be watched"))?;
        let logs = Logs::new(&spec.label, id, Arc::clone(&spec.logs), &spec.limits);
        let tokens = Arc::new(Tokens::default());
        let peer = Peer { group: id, user: user.unwrap_or_else(system::own_user) };
        let capability_bytes_max = spec.limits.capability_bytes_max;
        let server = HostServer { tokens: Arc::clone(&tokens), peer, capability_bytes_max };
        let process = Arc::new(Self {
            id,
            group: id,
            client: Client::new(directory.theirs(), peer),
            tokens,
            places: Arc::new(Semaphore::new(spec.limits.concurrency_max.max(1) as usize)),
            seats: AtomicU32::new(0),
            left: Notify::new(),
            used: Mutex::new(Instant::now()),
            tail: Arc::clone(&logs.tail),
            jail: watch::Sender::new(None),
            verdict: Mutex::new(None),
            signalled: Mutex::new(true),
            ended: watch::Sender::new(None),
            suspected: AtomicBool::new(false),
            abandoned: AtomicU32::new(0),
            in_a_row: AtomicU32::new(0),
            runtime: Handle::current(),
            spec,
        });
        let mut tasks = monitor::Tasks::new(tokio::spawn(Arc::new(server).serve(listener)));
        if let Some(out) = child.stdout.take() {
            tasks.reads(tokio::spawn(logs.clone().read(Stream::Out, out)));
        }
        if let Some(err) = child.stderr.take() {
            tasks.reads(tokio::spawn(Arc::clone(&process).read_errors(logs, err)));
        }
        let group = cell.and_then(|cell| cell.group);
        tokio::spawn(monitor::attend(Arc::clone(&process), child, exit, tasks, monitor::Left { directory, group }));
        Ok(process)
    }

    /// Reads standard error: the first line is the launcher's, when there is one.
    async fn read_errors(self: Arc<Self>, logs: Logs, mut errors: ChildStderr) {
        if self.spec.jail.is_none() {
            drop(self);
            return logs.read(Stream::Err, errors).await;
        }
        let (said, rest) = jail::told(&mut errors).await;
        self.jail.send_replace(Some(said));
        drop(self);
        logs.read(Stream::Err, rest.chain(errors)).await;
    }

    /// What of its jail is active, once its launcher has said so.
    pub(crate) fn jail(&self) -> Option<Report> {
        self.jail.borrow().clone()?.ok()
    }

    /// Waits until the jail is there; without one there is nothing to wait for.
    async fn until_jailed(&self) -> Result<(), Refusal> {
        if self.spec.jail.is_none() {
            return Ok(());
        }
        let mut said = self.jail.subscribe();
        // The sender is part of this very process.
        let said = said.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        match said {
            Some(Err(refusal)) => Err(refusal),
            Some(Ok(report)) => {
                if let Some(jail) = &self.spec.jail {
                    jail.told(&report);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn wait_until_ready(self: &Arc<Self>) -> Result<(), StartError> {
        let ready_ms_max = self.spec.supervision.ready_ms_max;
        let until = Instant::now() + Duration::from_millis(ready_ms_max);
        let mut last = "it does not listen on SOCKET_PATH".to_owned();
        let trying = async {
            self.until_jailed().await?;
            loop {
                match self.health().await {
                    Ok(()) => return Ok(()),
                    Err(told) => last = told,
                }
                tokio::time::sleep(Duration::from_millis(READY_POLL_MS)).await;
            }
        };
        tokio::select! {
            // A launcher that refuses says so before it ends.
            biased;
            tried = tokio::time::timeout_at(until, trying) => match tried {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refusal)) => return Err(StartError::Jail(refusal)),
                Err(_) => {}
            },
            report = self.until_ended() => return Err(StartError::Ended(report)),
        }
        self.end(EndReason::NotReady);
        // Nothing of it is left when this is told.
        drop(tokio::time::timeout(Duration::from_secs(1), self.until_ended()).await);
        Err(StartError::NotReady { ready_ms_max, last, tail: self.tail.lines() })
    }

    /// Takes a seat for a call; an error says how many may wait. To be asked only while the process cannot be retired meanwhile.
    pub(crate) fn seat(self: &Arc<Self>) -> Result<Seat, u32> {
        let limits = &self.spec.limits;
        let seats_max = limits.concurrency_max.max(1).saturating_add(limits.waiting_max);
        let taken = self.seats.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(Arc::clone(self));
        if taken >= seats_max { Err(limits.waiting_max) } else { Ok(seat) }
    }

    /// Calls that are in it or wait for a place.
    pub(crate) fn seats(&self) -> u32 {
        self.seats.load(Ordering::Acquire)
    }

    /// Whether it has ended or was told to: no place for a new call.
    pub(crate) fn is_ending(&self) -> bool {
        self.ended.borrow().is_some() || locked(&self.verdict).is_some()
    }

    /// How long it has had no call.
    pub(crate) fn unused_for(&self) -> Duration {
        if self.seats() > 0 { Duration::ZERO } else { locked(&self.used).elapsed() }
    }

    /// How many calls it keeps going after their deadline, when that is too many.
    pub(crate) fn has_abandoned(&self) -> Option<u32> {
        let limits = &self.spec.limits;
        let (all, in_a_row) = (self.abandoned.load(Ordering::Relaxed), self.in_a_row.load(Ordering::Relaxed));
        let too_many = all >= limits.abandoned_max.max(1) || in_a_row >= limits.abandoned_in_a_row_max.max(1);
        too_many.then_some(all)
    }

    /// Waits until no call is in it, or until this moment.
    pub(crate) async fn drained(&self, until: Instant) {
        let empty = async {
            loop {
                let mut left = std::pin::pin!(self.left.notified());
                left.as_mut().enable();
                if self.seats() == 0 {
                    return;
                }
                left.await;
            }
        };
        drop(tokio::time::timeout_at(until, empty).await);
    }

    /// How it ended, once it has.
    pub(crate) async fn until_ended(&self) -> Arc<CrashReport> {
        let mut ended = self.ended.subscribe();
        loop {
            if let Some(report) = ended.borrow_and_update().clone() {
                return report;
            }
            // The sender is part of this very process.
            if ended.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends it, with its whole group: at once, or with time to end by itself when nothing speaks against it.
    pub(crate) fn end(self: &Arc<Self>, reason: EndReason) {
        let gentle = !reason.is_failure();
        locked(&self.verdict).get_or_insert((reason, self.seats()));
        if !gentle {
            self.kill();
            return;
        }
        self.signal(Signal::End);
        let process = Arc::clone(self);
        let grace = Duration::from_millis(self.spec.supervision.kill_grace_ms);
        self.runtime.spawn(async move {
            tokio::select! {
                _ = process.until_ended() => {}
                () = tokio::time::sleep(grace) => process.kill(),
            }
        });
    }

    /// Kills its group, and what has left the group and is still its child.
    pub(crate) fn kill(&self) {
        let strays = usage::descendants(self.group);
        self.signal(Signal::Kill);
        for stray in strays {
            // Gone already, most of them: they were in the group.
            let _ = system::kill(stray);
        }
    }

    fn signal(&self, signal: Signal) {
        let may = locked(&self.signalled);
        if *may && let Err(error) = system::signal_group(self.group, signal) {
            tracing::debug!(process = self.id, %error, "a process group could not be signalled");
        }
    }

    /// What became of a call whose connection has gone: the report if the process has ended, or is about to.
    async fn report_soon(&self) -> Option<Arc<CrashReport>> {
        tokio::time::timeout(Duration::from_millis(250), self.until_ended()).await.ok()
    }
}

/// Ends a process that nobody has taken over.
struct EndUnlessReady(Option<Arc<Process>>);

impl EndUnlessReady {
    fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for EndUnlessReady {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            process.end(EndReason::NotReady);
        }
    }
}

/// A call's right to be in a process: a process with seats taken is not retired.
pub(crate) struct Seat(Arc<Process>);

impl Seat {
    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *locked(&self.0.used) = Instant::now();
        self.0.seats.fetch_sub(1, Ordering::AcqRel);
        self.0.left.notify_waiters();
    }
}

/// Nothing that is done under these locks can panic half way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
