//! WASI 0.2 for components: Wasmtime's, with a context that grants nothing (no files, no environment, no arguments, no sockets, an input that
//! has ended). What a context cannot say is linked here in place of it: the clocks are the invocation's, which fuel and timers carry on, random
//! bytes come from its source, and a list of what is waited for is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::p2::{DynPollable, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::output::Outputs;
use super::timers::Timers;
use crate::capability::log::{LogLevel, LogOrigin};
use crate::engine::imports::{State, charge, over};
use crate::engine::tape::{Phase, Tape};
use crate::floor::limits::Limits;
use crate::recording::Ending;

/// Resources of WASI that a component may have at the same time: streams, pollables.
const RESOURCES_MAX: usize = 4_096;
/// Pollables of one `poll`.
const POLLABLES_MAX: usize = 1_024;
/// Bytes of one call for random bytes.
const RANDOM_BYTES_MAX: u64 = 65_536;

/// Store data of one instance.
pub(super) struct Guest {
    /// What the JavaScript engine's instances have, too: the capabilities, and what bounds them.
    pub(super) state: State,
    wasi: WasiCtx,
    table: ResourceTable,
    timers: Timers,
    outputs: Outputs,
    fuel_left: Arc<AtomicU64>,
    /// Fuel that a replay holds back, so that the guest stops where it should.
    pub(super) fuel_withheld: u64,
    /// Whether it is there, and has been called.
    pub(super) has_begun: bool,
}

impl Guest {
    /// `fuel_left` is told the fuel whenever it is seen.
    pub(super) fn new(state: State, limits: &Limits, fuel_left: Arc<AtomicU64>) -> Self {
        let outputs = Outputs::new(limits);
        let mut wasi = WasiCtx::builder();
        wasi.stdout(outputs.out.clone()).stderr(outputs.err.clone());
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let timers = Timers::new(state.source.clone());
        Self { state, wasi: wasi.build(), table, timers, outputs, fuel_left, fuel_withheld: 0, has_begun: false }
    }

    /// Tells the turns how much was burnt so far.
    pub(super) fn see_fuel(&self, fuel_left: u64) {
        self.fuel_left.store(fuel_left, Ordering::Relaxed);
    }

    /// Fuel burnt, with so much of it left.
    pub(super) fn burnt(&self, fuel_left: u64) -> u64 {
        self.state.fuel().burnt(fuel_left + self.fuel_withheld)
    }

    /// Logs the lines that were written since this was last done.
    fn flush_output(&mut self, burnt: u64) -> wasmtime::Result<()> {
        self.log_output(false, Some(burnt))
    }

    /// Logs what is left, a last line without an end included. Taken down is what a replay comes to as well: it ends in the last call if that is
    /// where the call ended; and when it was ended from outside, a line may have been half written.
    pub(super) fn end_output(&mut self, ending: Ending, fuel_left: u64) {
        let burnt = self.burnt(fuel_left);
        // An error is the player's, which knows why.
        let _ = match ending {
            Ending::Finished => self.log_output(true, Some(burnt)),
            Ending::Killed => self.flush_output(burnt).and_then(|()| self.log_output(true, None)),
            Ending::Call | Ending::Checkpoint(_) | Ending::Waiting | Ending::AfterLastStep => {
                self.log_output(true, None)
            }
        };
    }

    /// What is taken down has the fuel burnt by now.
    fn log_output(&mut self, end: bool, burnt: Option<u64>) -> wasmtime::Result<()> {
        for (origin, output) in self.outputs.each() {
            let (lines, dropped) = output.take(end);
            let (level, function) = match origin {
                LogOrigin::Stderr => (LogLevel::Error, "stderr.write"),
                _ => (LogLevel::Info, "stdout.write"),
            };
            for line in lines {
                if burnt.is_some_and(|burnt| !self.is_over(burnt)) {
                    self.state.asked(function, &(&line,))?;
                }
                self.state.write_line(origin, level, line, Vec::new());
            }
            self.state.capabilities.log.drop_lines(dropped);
        }
        Ok(())
    }

    /// In a replay: the recorded guest was ended from outside by now.
    fn is_over(&self, burnt: u64) -> bool {
        matches!(&self.state.tape, Tape::Replaying(player) if player.is_over(burnt))
    }

    /// Before each call of the host: what was written before is logged, so that a recording has it in its place; a replay may be over. An error
    /// ends it.
    fn begin_call(&mut self, fuel_left: u64) -> wasmtime::Result<()> {
        let burnt = self.burnt(fuel_left);
        self.flush_output(burnt)?;
        match &mut self.state.tape {
            Tape::Replaying(player) => player.end_if_over(burnt),
            Tape::Off | Tape::Recording(_) => Ok(()),
        }
    }

    /// The time as the guest sees it, Unix microseconds.
    fn now_us(&mut self, fuel_left: u64) -> wasmtime::Result<u64> {
        if matches!(&self.state.tape, Tape::Replaying(player) if player.killed_at() == Some(self.burnt(fuel_left)) && !player.expects_clock())
        {
            self.begin_call(fuel_left)?;
        }
        if let Some(reached_us) = self.timers.take_reached() {
            match self.state.replayed_answer("clock.reached", &(reached_us,))? {
                Some(slice_us) => self.state.repeat_slice(fuel_left, slice_us),
                None => {
                    self.state.begin_slice(fuel_left, reached_us);
                    let slice_us = self.state.slice_us;
                    self.state.answered(&slice_us);
                }
            }
        }
        let now_us = self.state.clock_us(fuel_left);
        self.timers.see(now_us);
        Ok(now_us)
    }
}

/// A call of the host begins; see [`Guest::begin_call`].
pub(super) fn begin_call<'a>(store: &'a mut StoreContextMut<'_, Guest>) -> wasmtime::Result<&'a mut Guest> {
    let fuel_left = store.get_fuel()?;
    let guest = store.data_mut();
    guest.begin_call(fuel_left)?;
    Ok(guest)
}

/// Gives others a chance, in a call that was taken down: here it may be ended from outside, and a replay ends here as well.
pub(super) async fn pause(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<()> {
    let fuel_left = store.get_fuel()?;
    let guest = store.data_mut();
    let burnt = guest.burnt(fuel_left);
    if let Tape::Replaying(player) = &mut guest.state.tape {
        return player.end_if_over(burnt);
    }
    tokio::task::consume_budget().await;
    Ok(())
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links WASI 0.2, and over it what is the invocation's.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    link_clocks(linker)?;
    link_random(linker)?;
    link_poll(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The name under which Wasmtime links an interface of WASI; a component may name any other 0.2.
macro_rules! wasi {
    ($name:literal) => {
        concat!("wasi:", $name, "@0.2.12")
    };
}

fn now_us(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<u64> {
    let fuel_left = store.get_fuel()?;
    store.data_mut().now_us(fuel_left)
}

fn link_clocks(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let microsecond = Datetime { seconds: 0, nanoseconds: 1_000 };
    let mut wall = linker.instance(wasi!("clocks/wall-clock"))?;
    wall.func_wrap("now", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        let now_us = now_us(&mut store)?;
        let nanoseconds = u32::try_from(now_us % 1_000_000).unwrap_or_default() * 1_000;
        Ok((Datetime { seconds: now_us / 1_000_000, nanoseconds },))
    })?;
    wall.func_wrap("resolution", move |_: StoreContextMut<'_, Guest>, (): ()| Ok((microsecond,)))?;

    let mut monotonic = linker.instance(wasi!("clocks/monotonic-clock"))?;
    monotonic.func_wrap("now", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((now_us(&mut store)?.saturating_mul(1_000),))
    })?;
    monotonic.func_wrap("resolution", |_: StoreContextMut<'_, Guest>, (): ()| Ok((1_000_u64,)))?;
    monotonic.func_wrap("subscribe-instant", |mut store: StoreContextMut<'_, Guest>, (when_ns,): (u64,)| {
        now_us(&mut store)?;
        Ok((timer(store.data_mut(), when_ns.div_ceil(1_000))?,))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut store: StoreContextMut<'_, Guest>, (duration_ns,): (u64,)| {
        let due_us = now_us(&mut store)?.saturating_add(duration_ns.div_ceil(1_000));
        Ok((timer(store.data_mut(), due_us)?,))
    })
}

fn timer(guest: &mut Guest, due_us: u64) -> wasmtime::Result<Resource<DynPollable>> {
    let timer = guest.table.push(guest.timers.at(due_us))?;
    subscribe(&mut guest.table, timer)
}

/// Random bytes, paid for in fuel, as the host makes them.
async fn random(store: &mut StoreContextMut<'_, Guest>, length: u64) -> wasmtime::Result<Vec<u8>> {
    const FUNCTION: &str = "random.bytes";
    begin_call(store)?.state.host_calls += 1;
    if length > RANDOM_BYTES_MAX {
        store.data_mut().state.asked(FUNCTION, &(length,))?;
        return Err(over("random_bytes_max", RANDOM_BYTES_MAX, length));
    }
    charge(store, length)?;
    let state = &mut store.data_mut().state;
    let bytes = match state.replayed_answer(FUNCTION, &(length,))? {
        Some(bytes) => bytes,
        None => {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            state.source.random(&mut bytes);
            state.answered(&bytes);
            bytes
        }
    };
    pause(store).await?;
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn link_random(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for (interface, bytes, one) in [
        (wasi!("random/random"), "get-random-bytes", "get-random-u64"),
        (wasi!("random/insecure"), "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut instance = linker.instance(interface)?;
        instance.func_wrap_async(bytes, |mut store, (length,): (u64,)| {
            Box::new(async move { Ok((random(&mut store, length).await?,)) })
        })?;
        instance.func_wrap_async(one, |mut store, (): ()| {
            Box::new(async move { Ok((number(&random(&mut store, 8).await?),)) })
        })?;
    }
    linker.instance(wasi!("random/insecure-seed"))?.func_wrap_async("insecure-seed", |mut store, (): ()| {
        Box::new(async move {
            let bytes = random(&mut store, 16).await?;
            Ok(((number(&bytes[..8]), number(&bytes[8..])),))
        })
    })
}

/// Waits until some are ready, and answers which. Timers depend on the host's clock, so the answer is taken down, with the timer it has come to.
async fn wait(
    store: &mut StoreContextMut<'_, Guest>,
    function: &'static str,
    pollables: Vec<Resource<DynPollable>>,
) -> wasmtime::Result<Vec<u32>> {
    let fuel_left = store.get_fuel()?;
    let guest = begin_call(store)?;
    guest.see_fuel(fuel_left);
    let asked: Vec<u32> = pollables.iter().map(Resource::rep).collect();
    let count = asked.len();
    if count > POLLABLES_MAX {
        guest.state.asked(function, &(asked,))?;
        return Err(over("pollables_max", POLLABLES_MAX as u64, count as u64));
    }
    if count == 0 {
        // It traps.
        return poll::Host::poll(&mut guest.table, pollables).await;
    }
    if let Some((ready, reached_us)) = guest.state.replayed_answer(function, &(asked,))? {
        guest.timers.reach(reached_us);
        return Ok(ready);
    }
    guest.state.phase = Phase::Waiting;
    // One that is always ready would never give others a chance.
    tokio::task::consume_budget().await;
    let ready = poll::Host::poll(&mut guest.table, pollables).await?;
    guest.state.phase = Phase::Slice;
    let reached_us = guest.timers.reached_us();
    if let Tape::Replaying(player) = &mut guest.state.tape {
        player.reached(reached_us)?;
    }
    guest.state.answered(&(&ready, reached_us));
    Ok(ready)
}

fn link_poll(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    type Pollables = Vec<Resource<DynPollable>>;
    let mut instance = linker.instance(wasi!("io/poll"))?;
    instance.func_wrap_async("poll", |mut store, (pollables,): (Pollables,)| {
        Box::new(async move { Ok((wait(&mut store, "poll.poll", pollables).await?,)) })
    })?;
    instance.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move { wait(&mut store, "poll.block", vec![pollable]).await.map(drop) })
    })?;
    instance.func_wrap_async("[method]pollable.ready", |mut store, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move {
            let fuel_left = store.get_fuel()?;
            let guest = begin_call(&mut store)?;
            if let Some(is_ready) = guest.state.replayed_answer("poll.ready", &(pollable.rep(),))? {
                return Ok((is_ready,));
            }
            // Whoever asks again and again computes meanwhile.
            guest.timers.see(guest.state.slice_end_us(fuel_left));
            let is_ready = poll::HostPollable::ready(&mut guest.table, pollable).await?;
            guest.state.answered(&is_ready);
            Ok((is_ready,))
        })
    })
}
