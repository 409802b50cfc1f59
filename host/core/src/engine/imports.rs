//! What the guest calls: each function of `wit/`, counted, bounded, and handed to its capability. Operations never block: they
//! begin as tasks, and `invoke` collects what completes.

mod capabilities;
pub(super) mod convert;
mod crypto;
pub(super) mod hashes;
pub(super) mod intl;
mod order;
mod streams;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use belljar_intl::Formatters;
use bytes::Bytes;
use tokio::task::{AbortHandle, JoinSet};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{AsContextMut, StoreContextMut, Trap};

use super::bindings::Applet;
use super::bindings::belljar::applet::completions::{Completion, Outcome};
use super::bindings::belljar::applet::{clock, completions, db, http, log, modules, random, types};
use super::limiter::{Abort, Limiter};
use super::tape::{Phase, Tape};
use crate::capability::bodies::BodyReader;
use crate::capability::db::DbOperation;
use crate::capability::http::{Held, HostBytes, RequestBody};
use crate::capability::log::{LogLevel, LogOrigin};
use crate::capability::opened::Capabilities;
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::limits::{LimitHit, Limits};
use crate::observe::Begun;
use crate::positions::Positions;

use self::order::{Order, Turn};
use self::streams::{Answer, Streams};
pub(super) use self::streams::{Responding, whole};

/// Bytes of one `random.bytes` call (wit/random.wit).
const RANDOM_BYTES_MAX: u32 = 65_536;
/// Fuel that counts as one microsecond of the guest's clock.
const FUEL_PER_US: u64 = 1_000;
/// How exactly the guest sees the host's clock.
const HOST_STEP_US: u64 = 1_000;
/// What one queued operation costs the host besides its bytes.
const OPERATION_BYTES: u64 = 512;

/// One outstanding operation that has completed.
pub(super) struct Completed {
    operation: u32,
    outcome: Outcome,
    /// A stream that came with the outcome; it is open once the guest has the outcome, and has the operation's number.
    stream: Option<BodyReader>,
    /// Held until it is delivered.
    _held: Held,
}

/// Store data of one instance.
pub(crate) struct State {
    pub(super) limiter: Limiter,
    pub(super) capabilities: Capabilities,
    pub(super) source: Arc<dyn Source>,
    /// Stacks in log lines are read with it.
    positions: Arc<Positions>,
    pub(super) host_bytes: HostBytes,
    pub(super) tasks: JoinSet<Completed>,
    /// In virtual time operations have an order.
    order: Option<Order>,
    aborts: HashMap<u32, AbortHandle>,
    streams: Streams,
    answer: Answer,
    response_bytes_max: u64,
    /// The last number given to an operation or a stream.
    numbers: u32,
    operations: u32,
    operations_max: u32,
    outstanding_max: u32,
    pub(super) host_calls: u64,
    /// What Intl has made so far.
    formatters: Formatters,
    /// When the invocation has to be over.
    pub(super) deadline: Deadline,
    /// The time and the fuel of what was given to `waitUntil`.
    pub(super) wait_until_ms: u64,
    /// Nothing once it was filled in.
    wait_until_fuel_max: Option<u64>,
    fuel: Fuel,
    /// The clock at the start of this slice, and the fuel left then.
    pub(super) slice_us: u64,
    slice_fuel: u64,
    fuel_now: u64,
    /// Stands beside all calls.
    pub(super) tape: Tape,
    pub(super) phase: Phase,
    /// Checkpoints passed.
    pub(super) checkpoints: u64,
}

/// The fuel in the store: of the call, then of what was given to `waitUntil`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fuel {
    /// The limit.
    pub(super) name: &'static str,
    /// How much was filled in.
    pub(super) allowed: u64,
    /// Burnt of an earlier filling.
    burnt_before: u64,
}

impl Fuel {
    /// All that was burnt, when so much is left.
    pub(super) fn burnt(&self, left: u64) -> u64 {
        self.burnt_before + self.allowed.saturating_sub(left)
    }
}

impl State {
    pub(super) fn new(
        limits: &Limits,
        source: Arc<dyn Source>,
        host_bytes: HostBytes,
        capabilities: Capabilities,
        positions: Arc<Positions>,
        deadline: Deadline,
        tape: Tape,
    ) -> Self {
        Self {
            deadline,
            wait_until_ms: limits.wait_until_ms,
            wait_until_fuel_max: Some(limits.wait_until_fuel_max),
            fuel: Fuel { name: "fuel_max", allowed: limits.fuel_max, burnt_before: 0 },
            limiter: Limiter::new(limits.memory_bytes_max),
            capabilities,
            order: source.virtual_time().is_some().then(Order::default),
            source,
            positions,
            host_bytes,
            tasks: JoinSet::new(),
            aborts: HashMap::new(),
            streams: Streams::default(),
            answer: Answer::default(),
            response_bytes_max: limits.response_bytes_max,
            numbers: 0,
            operations: 0,
            operations_max: limits.operations_max,
            outstanding_max: limits.operations_outstanding_max,
            host_calls: 0,
            formatters: Formatters::default(),
            slice_us: 0,
            slice_fuel: 0,
            fuel_now: 0,
            tape,
            phase: Phase::Slice,
            checkpoints: 0,
        }
    }

    /// What the fuel in the store is.
    pub(super) fn fuel(&self) -> Fuel {
        self.fuel
    }

    /// How much is to be filled in for what was given to `waitUntil`, with `left` of the fuel before: once, when its time has begun.
    pub(super) fn refill(&mut self, left: u64) -> Option<u64> {
        if !self.deadline.is_waiting() {
            return None;
        }
        let allowed = self.wait_until_fuel_max.take()?;
        self.fuel = Fuel { name: "wait_until_fuel_max", allowed, burnt_before: self.fuel.burnt(left) };
        Some(allowed)
    }

    /// Sets the guest's clock at the start of a slice: to the host's time in whole milliseconds, or to the timer that is due, never backwards.
    pub(super) fn begin_slice(&mut self, fuel_left: u64, due_us: u64) {
        self.phase = Phase::Slice;
        let host_us = self.source.now_us();
        if self.stands() {
            // It may have been set, to whatever time.
            (self.slice_us, self.slice_fuel, self.fuel_now) = (host_us, fuel_left, fuel_left);
            return;
        }
        self.slice_us = (host_us - host_us % HOST_STEP_US).max(due_us).max(self.slice_end_us(fuel_left));
        (self.slice_fuel, self.fuel_now) = (fuel_left, fuel_left);
    }

    /// Sets the guest's clock as it was set when this was recorded.
    pub(super) fn repeat_slice(&mut self, fuel_left: u64, base_us: u64) {
        (self.slice_us, self.slice_fuel, self.fuel_now) = (base_us, fuel_left, fuel_left);
    }

    /// Another package than the recorded one goes on with an operation that was done then: its clock does not go back.
    pub(super) fn go_on(&mut self, fuel_left: u64, done_us: u64) {
        let base_us = done_us.max(self.slice_end_us(fuel_left));
        if let Some(time) = self.source.virtual_time() {
            time.reach(base_us);
        }
        self.repeat_slice(fuel_left, base_us);
    }

    /// Whether the clock stands while the guest computes.
    pub(super) fn stands(&self) -> bool {
        self.source.virtual_time().is_some_and(|time| !time.is_carried_by_fuel())
    }

    /// Where fuel has carried the clock by the end of the slice before.
    pub(super) fn slice_end_us(&self, fuel_left: u64) -> u64 {
        if self.stands() {
            return self.slice_us;
        }
        // A recording may say any time.
        self.slice_us.saturating_add(self.slice_fuel.saturating_sub(fuel_left) / FUEL_PER_US)
    }

    /// The guest asks for the time.
    pub(super) fn clock_us(&mut self, fuel_left: u64) -> u64 {
        self.host_calls += 1;
        self.fuel_now = fuel_left;
        let now_us = self.guest_now_us();
        self.told_time(now_us);
        now_us
    }

    /// The guest's clock, as of the fuel last seen.
    pub(super) fn guest_now_us(&self) -> u64 {
        self.slice_end_us(self.fuel_now)
    }

    pub(super) fn operations(&self) -> u64 {
        u64::from(self.operations)
    }

    /// An operation is being delivered: it is outstanding no longer, and a stream that came with it is open.
    pub(super) fn deliver(&mut self, completed: Completed) -> Completion {
        let Completed { operation, outcome, stream, _held } = completed;
        // Cancelled when it had completed already: nobody will read the stream.
        let is_wanted = self.aborts.remove(&operation).is_some();
        if let Some(reader) = stream.filter(|_| is_wanted) {
            self.streams.insert(operation, reader);
        }
        Completion { operation, outcome }
    }

    /// Opens a stream that the guest does not know yet.
    pub(super) fn open_stream(&mut self, reader: BodyReader) -> u32 {
        self.numbers += 1;
        self.streams.insert(self.numbers, reader);
        self.numbers
    }

    /// A stream that the guest knows from the start has its number; there is nothing behind it in a replay.
    pub(super) fn skip_number(&mut self) {
        self.numbers += 1;
    }

    /// The next number; operations and streams that are written count together.
    pub(super) fn next_number(&mut self) -> wasmtime::Result<u32> {
        self.numbers += 1;
        self.operations += 1;
        if self.operations > self.operations_max {
            return Err(over("operations_max", self.operations_max.into(), self.operations.into()));
        }
        Ok(self.numbers)
    }

    fn submit(&mut self, bytes: u64, work: impl Future<Output = Outcome> + Send + 'static) -> wasmtime::Result<u32> {
        self.submit_with_stream(Turn::InOrder, bytes, |_| async { (work.await, None) })
    }

    /// Begins an operation that goes on when its other end does.
    fn submit_beside(&mut self, work: impl Future<Output = Outcome> + Send + 'static) -> wasmtime::Result<u32> {
        self.submit_with_stream(Turn::Beside, 0, |_| async { (work.await, None) })
    }

    /// Begins an operation as a task of its own. `bytes` are held until the guest has the outcome. What `work` makes is told the
    /// operation's number, which is also that of the stream it may answer.
    fn submit_with_stream<F>(&mut self, turn: Turn, bytes: u64, work: impl FnOnce(u32) -> F) -> wasmtime::Result<u32>
    where
        F: Future<Output = (Outcome, Option<BodyReader>)> + Send + 'static,
    {
        self.host_calls += 1;
        let operation = self.next_number()?;
        // In an order, without those that were cancelled and end at some time.
        let outstanding = if self.order.is_some() { self.aborts.len() } else { self.tasks.len() };
        if outstanding >= self.outstanding_max as usize {
            let used = outstanding as u64 + 1;
            return Err(over("operations_outstanding_max", self.outstanding_max.into(), used));
        }
        let held = self
            .host_bytes
            .hold(bytes + OPERATION_BYTES)
            .map_err(|hit| abort(Fault::limit(FaultCode::Operations, hit)))?;
        let work = work(operation);
        let turn = self.order.as_mut().and_then(|order| order.enter(operation, turn));
        let task = async move {
            if let Some(turn) = turn {
                // Nobody gives it a turn when the invocation is over.
                let _ = turn.await;
            }
            let (outcome, stream) = work.await;
            let mut held = held;
            // What the host holds until the guest takes it. One too large for what is left becomes an error instead.
            match held.grow(convert::outcome_bytes(&outcome)) {
                Ok(()) => Completed { operation, outcome, stream, _held: held },
                Err(hit) => {
                    Completed { operation, outcome: convert::too_large(&outcome, &hit), stream: None, _held: held }
                }
            }
        };
        self.aborts.insert(operation, self.tasks.spawn(task));
        Ok(operation)
    }

    /// An operation whose use of a capability is watched.
    fn submit_watched(
        &mut self,
        used: Option<Begun>,
        bytes: u64,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> wasmtime::Result<u32> {
        self.submit_in_turn(Turn::InOrder, used, bytes, work)
    }

    fn submit_in_turn(
        &mut self,
        turn: Turn,
        used: Option<Begun>,
        bytes: u64,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> wasmtime::Result<u32> {
        self.submit_with_stream(turn, bytes, |_| async move {
            let outcome = work.await;
            if let Some(used) = used {
                used.end(convert::use_end(&outcome));
            }
            (outcome, None)
        })
    }

    /// A use of a capability begins, if anybody watches; `target` says on what.
    fn watched(
        &self,
        capability: &'static str,
        operation: &'static str,
        target: impl FnOnce() -> String,
    ) -> Option<Begun> {
        let watch = self.capabilities.watch.as_ref()?;
        Some(watch.begin(capability, operation, target(), self.source.now_us()))
    }

    /// Writes a line to the log, without the secrets that the invocation has asked for.
    pub(super) fn write_line(
        &mut self,
        origin: LogOrigin,
        level: LogLevel,
        mut message: String,
        mut fields: Vec<(String, String)>,
    ) {
        if let Some(secrets) = &self.capabilities.secrets {
            let secrets = secrets.in_use();
            message = secrets.redact(message);
            fields = fields.into_iter().map(|(name, value)| (secrets.redact(name), secrets.redact(value))).collect();
        }
        self.capabilities.log.write(origin, level, message, fields);
    }

    fn db(&mut self, bytes: u64, operation: DbOperation) -> wasmtime::Result<u32> {
        let used = self.watched("db", operation.name(), String::new);
        match &self.capabilities.db {
            Some(session) => {
                let turn = if operation.takes_write_lock() { Turn::WritesAlone } else { Turn::InOrder };
                let work = session.run(operation);
                self.submit_in_turn(turn, used, bytes, async move { convert::db_outcome(work.await) })
            }
            None => self.submit_watched(used, 0, async { Outcome::Db(Err(db::Error::NotGranted)) }),
        }
    }
}

pub(super) fn abort(fault: Fault) -> wasmtime::Error {
    wasmtime::Error::new(Abort(fault))
}

pub(super) fn over(name: &'static str, allowed: u64, used: u64) -> wasmtime::Error {
    abort(Fault::limit(FaultCode::Operations, LimitHit { name, allowed, used }))
}

impl types::Host for State {}

/// Takes fuel for work of the host's own; too little of it ends the instance.
pub(super) fn charge(store: &mut impl AsContextMut, fuel: u64) -> wasmtime::Result<()> {
    let mut context = store.as_context_mut();
    let left = context.get_fuel()?;
    context.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Links all functions of `wit/`. The macro's traits see the store's data only; the clock also needs the fuel, so it is linked by
/// hand, over the macro's.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Applet::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(true);
    linker.instance("belljar:applet/clock@0.1.0")?.func_wrap(
        "now-us",
        |mut store: StoreContextMut<'_, State>, (): ()| {
            let fuel_left = store.get_fuel()?;
            Ok((store.data_mut().clock_us(fuel_left),))
        },
    )?;
    hashes::link(linker)?;
    intl::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl clock::Host for State {
    fn now_us(&mut self) -> wasmtime::Result<u64> {
        Ok(self.guest_now_us())
    }

    fn checkpoint(&mut self) -> wasmtime::Result<()> {
        self.checkpoints += 1;
        if let Tape::Replaying(player) = &mut self.tape {
            return player.checkpoint();
        }
        if !self.deadline.has_passed() {
            return Ok(());
        }
        Err(abort(Fault::limit(FaultCode::Deadline, self.deadline.hit())))
    }
}

impl random::Host for State {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.host_calls += 1;
        if let Some(bytes) = self.replayed_answer("random.bytes", &(length,))? {
            return Ok(bytes);
        }
        if length > RANDOM_BYTES_MAX {
            return Err(over("random_bytes_max", RANDOM_BYTES_MAX.into(), length.into()));
        }
        let mut bytes = vec![0; length as usize];
        self.source.random(&mut bytes);
        self.answered(&bytes);
        Ok(bytes)
    }

    fn seed(&mut self) -> wasmtime::Result<u64> {
        if let Some(seed) = self.replayed_answer("random.seed", &())? {
            return Ok(seed);
        }
        let mut bytes = [0; 8];
        self.source.random(&mut bytes);
        let seed = u64::from_le_bytes(bytes);
        self.answered(&seed);
        Ok(seed)
    }
}

impl log::Host for State {
    fn write(
        &mut self,
        origin: log::Origin,
        level: log::Level,
        message: String,
        fields: Vec<log::Field>,
    ) -> wasmtime::Result<()> {
        self.host_calls += 1;
        self.asked("log.write", &(origin, level, &message, &fields))?;
        let fields = fields.into_iter().map(|f| (f.name, self.positions.in_json(f.value))).collect();
        let message = self.positions.in_text(message);
        self.write_line(convert::origin(origin), convert::level(level), message, fields);
        Ok(())
    }
}

impl db::Host for State {
    fn query(&mut self, statement: db::Statement, transaction: Option<u32>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.query", &(&statement, transaction))? {
            return Ok(number);
        }
        let statement = convert::statement(statement);
        self.db(statement.size_bytes(), DbOperation::Query { statement, transaction })
    }

    fn query_one(&mut self, statement: db::Statement, transaction: Option<u32>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.query-one", &(&statement, transaction))? {
            return Ok(number);
        }
        let statement = convert::statement(statement);
        self.db(statement.size_bytes(), DbOperation::QueryOne { statement, transaction })
    }

    fn execute(&mut self, statement: db::Statement, transaction: Option<u32>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.execute", &(&statement, transaction))? {
            return Ok(number);
        }
        let statement = convert::statement(statement);
        self.db(statement.size_bytes(), DbOperation::Execute { statement, transaction })
    }

    fn batch(&mut self, statements: Vec<db::Statement>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.batch", &(&statements,))? {
            return Ok(number);
        }
        let statements: Vec<_> = statements.into_iter().map(convert::statement).collect();
        self.db(statements.iter().map(|s| s.size_bytes()).sum(), DbOperation::Batch { statements })
    }

    fn begin(&mut self) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.begin", &())? {
            return Ok(number);
        }
        self.db(0, DbOperation::Begin)
    }

    fn commit(&mut self, transaction: u32) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.commit", &(transaction,))? {
            return Ok(number);
        }
        self.db(0, DbOperation::Commit { transaction })
    }

    fn rollback(&mut self, transaction: u32) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("db.rollback", &(transaction,))? {
            return Ok(number);
        }
        self.db(0, DbOperation::Rollback { transaction })
    }
}

impl http::Host for State {
    fn send(&mut self, mut request: types::Request, options: http::Options) -> wasmtime::Result<u32> {
        if let types::Body::Stream(number) = &mut request.body {
            *number = self.recorded_number(*number);
        }
        if let Some(number) = self.replayed("http.send", &(&request, options))? {
            return Ok(number);
        }
        let used = self.watched("http", "send", || convert::origin_of(&request.url));
        let Some(session) = &self.capabilities.http else {
            return self.submit_watched(used, 0, async { Outcome::Http(Err(http::Error::NotGranted)) });
        };
        let body = match request.body {
            types::Body::Empty => RequestBody::default(),
            types::Body::Bytes(ref mut bytes) => Bytes::from(std::mem::take(bytes)).into(),
            types::Body::Stream(number) => match self.streams.claim(number) {
                Some(pieces) => RequestBody::Pieces(pieces),
                None => {
                    let text = "the body's stream is not open, or has another use".to_owned();
                    return self.submit(0, async { Outcome::Http(Err(http::Error::Invalid(text))) });
                }
            },
        };
        let turn = if matches!(body, RequestBody::Pieces(_)) { Turn::Beside } else { Turn::InOrder };
        let (request, bytes) = convert::request(request, body);
        let work = session.send(request, convert::options(options));
        self.submit_with_stream(turn, bytes, |number| async move {
            let answered = convert::http_outcome(work.await, number);
            if let Some(used) = used {
                used.end(convert::use_end(&answered.0));
            }
            answered
        })
    }
}

impl completions::Host for State {
    fn cancel(&mut self, operation: u32) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.asked("completions.cancel", &(self.recorded_number(operation),))? {
            self.cancelled(operation);
            return Ok(());
        }
        if let Some(task) = self.aborts.remove(&operation) {
            task.abort();
            self.order.as_mut().into_iter().for_each(|order| order.leave(operation));
        }
        Ok(())
    }
}

impl modules::Host for State {
    fn load(&mut self, specifier: String, referrer: String) -> wasmtime::Result<Result<modules::Module, String>> {
        self.host_calls += 1;
        if let Some(loaded) = self.replayed_answer("modules.load", &(&specifier, &referrer))? {
            return Ok(loaded);
        }
        let loaded = match self.capabilities.modules.clone() {
            Some(modules) => modules.load(&specifier, &referrer).map(|(name, source)| modules::Module { name, source }),
            None => Err(format!(
                "there is no module {specifier:?}: a package is one bundle, and imports nothing at run time"
            )),
        };
        self.answered(&loaded);
        Ok(loaded)
    }
}
