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
use crate::engine::imports::{State, charge, over};
use crate::floor::limits::Limits;

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
        Self { state, wasi: wasi.build(), table, timers, outputs, fuel_left, has_begun: false }
    }

    /// Tells the turns how much was burnt so far.
    pub(super) fn see_fuel(&self, fuel_left: u64) {
        self.fuel_left.store(fuel_left, Ordering::Relaxed);
    }

    /// Logs the lines that were written since this was last done.
    pub(super) fn flush_output(&mut self) {
        self.log_output(false);
    }

    /// Logs what is left, a last line without an end included.
    pub(super) fn end_output(&mut self) {
        self.log_output(true);
    }

    fn log_output(&mut self, end: bool) {
        use crate::capability::log::{LogLevel, LogOrigin};
        for (origin, output) in self.outputs.each() {
            let (lines, dropped) = output.take(end);
            let level = if origin == LogOrigin::Stderr { LogLevel::Error } else { LogLevel::Info };
            for line in lines {
                self.state.write_line(origin, level, line, Vec::new());
            }
            self.state.capabilities.log.drop_lines(dropped);
        }
    }

    /// The time as the guest sees it, Unix microseconds.
    fn now_us(&mut self, fuel_left: u64) -> u64 {
        if let Some(reached_us) = self.timers.take_reached() {
            self.state.begin_slice(fuel_left, reached_us);
        }
        let now_us = self.state.clock_us(fuel_left);
        self.timers.see(now_us);
        now_us
    }
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
    Ok(store.data_mut().now_us(fuel_left))
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
    if length > RANDOM_BYTES_MAX {
        return Err(over("random_bytes_max", RANDOM_BYTES_MAX, length));
    }
    charge(store, length)?;
    tokio::task::consume_budget().await;
    let state = &mut store.data_mut().state;
    state.host_calls += 1;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    state.source.random(&mut bytes);
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

fn link_poll(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.instance(wasi!("io/poll"))?.func_wrap_async(
        "poll",
        |mut store, (pollables,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                let count = pollables.len();
                if count > POLLABLES_MAX {
                    return Err(over("pollables_max", POLLABLES_MAX as u64, count as u64));
                }
                // One that is always ready would never give others a chance.
                tokio::task::consume_budget().await;
                store.data_mut().flush_output();
                let fuel_left = store.get_fuel()?;
                store.data().see_fuel(fuel_left);
                let ready = poll::Host::poll(&mut store.data_mut().table, pollables).await?;
                Ok((ready,))
            })
        },
    )
}
