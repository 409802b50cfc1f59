//! Native QuickJS of the version in the sandbox, through rquickjs: a new runtime and context for each call, or one for all.

use anyhow::{Result, anyhow};
use rquickjs::context::EvalOptions;
use rquickjs::{Context, Function, Runtime};
use serde_json::{Value, json};

use crate::Workload;
use crate::sample::{Sample, memory_kib};

pub(crate) struct Vm {
    // Dropped after the context.
    context: Context,
    _runtime: Runtime,
}

impl Vm {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_max_stack_size(4 << 20);
        Ok(Self { context: Context::full(&runtime)?, _runtime: runtime })
    }

    pub(crate) fn load(&self, source: &str) -> Result<()> {
        self.context.with(|ctx| {
            let mut options = EvalOptions::default();
            options.strict = false;
            ctx.eval_with_options::<(), _>(source, options).map_err(|e| anyhow!("{e}: {:?}", ctx.catch()))
        })
    }

    /// Does the work of a script that defines `run(n)`; answers its result as text.
    pub(crate) fn run(&self, n: u32) -> Result<String> {
        self.context.with(|ctx| {
            let globals = ctx.globals();
            let (run, text): (Function, Function) = (globals.get("run")?, globals.get("String")?);
            let result = run.call::<_, rquickjs::Value>((n,)).and_then(|value| text.call::<_, String>((value,)));
            result.map_err(|e| anyhow!("{e}: {:?}", ctx.catch()))
        })
    }

    fn handle(&self, input: &str) -> Result<String> {
        self.context.with(|ctx| {
            let handle: Function = ctx.globals().get("handle")?;
            handle.call::<_, String>((input,)).map_err(|e| anyhow!("{e}: {:?}", ctx.catch()))
        })
    }
}

/// New runtime, context, evaluation, call, drop.
pub(crate) fn once(workload: &Workload) -> Result<String> {
    let vm = Vm::new()?;
    vm.load(&workload.source)?;
    vm.handle(&workload.input)
}

pub(crate) fn cold(workload: &Workload, n: usize) -> Result<Value> {
    let mut total = Sample::default();
    for _ in 0..n {
        total.time(|| once(workload))?;
    }
    Ok(json!({ "total": total.json() }))
}

pub(crate) fn call(workload: &Workload, n: usize) -> Result<Value> {
    let vm = Vm::new()?;
    vm.load(&workload.source)?;
    let mut calls = Sample::default();
    let outlen = vm.handle(&workload.input)?.len();
    for _ in 0..n {
        calls.time(|| vm.handle(&workload.input))?;
    }
    Ok(json!({ "call_ns": calls.json(), "outlen": outlen }))
}

pub(crate) fn mem(workload: &Workload, n: usize) -> Result<Value> {
    let (rss, private) = memory_kib();
    let mut vms = Vec::new();
    for _ in 0..n {
        let vm = Vm::new()?;
        vm.load(&workload.source)?;
        vm.handle(&workload.input)?;
        vms.push(vm);
    }
    let (rss_n, private_n) = memory_kib();
    let per = |before: u64, after: u64| after.saturating_sub(before) as f64 / n.max(1) as f64;
    Ok(json!({ "n": n, "per_vm_rss_kb": per(rss, rss_n), "per_vm_private_kb": per(private, private_n) }))
}
