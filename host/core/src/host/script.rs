//! Scripts: an expression, or a few statements, over a value that the caller gives. A script is an applet of one handler, made of text: it is prepared
//! once and evaluated in a fresh sandbox each time.

mod bundle;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use belljar_package::{
    About, Descriptor, Engine, FORMAT_VERSION, Handler, Package, Permissions, Runtime, Text, Trigger,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::bundle::Form;
use super::Host;
use crate::catalog::{CatalogError, Release};
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::grants::Grants;
use crate::floor::ids::{Digest, TenantId};
use crate::floor::limits::{LimitHit, Limits};
use crate::invocation::{Invocation, Payload, ValueError};

/// The handler of a script.
const HANDLER: &str = "default";

/// Bytes of a script's source.
pub const SCRIPT_BYTES_MAX: usize = 64 << 10;

/// What a script runs with. By default it has no capability, and the limits of the host.
///
/// ```
/// use belljar::{Limits, ScriptOptions};
///
/// let options = ScriptOptions { limits: Some(Limits { fuel_max: 10_000_000, ..Limits::default() }), ..ScriptOptions::named("discount.js") };
/// ```
#[derive(Debug, Clone)]
pub struct ScriptOptions {
    /// Its name in faults.
    pub name: String,
    /// What it may do by `sdk`.
    pub grants: Grants,
    /// Its limits; `None` for those of the host.
    pub limits: Option<Limits>,
    /// Locales it may use through `Intl`, canonical; without any there is no `Intl`.
    pub locales: Vec<String>,
    /// Whose database and log it gets.
    pub tenant: TenantId,
}

impl ScriptOptions {
    /// A script of this name, without capabilities.
    pub fn named(name: impl Into<String>) -> Self {
        let tenant = TenantId::new("script").expect("a valid name");
        Self { name: name.into(), grants: Grants::default(), limits: None, locales: Vec::new(), tenant }
    }
}

impl Default for ScriptOptions {
    fn default() -> Self {
        Self::named("script.js")
    }
}

/// A script, prepared: it is evaluated as often as is wanted, each time in a fresh sandbox, in tens of microseconds. Made by [`Host::script`].
///
/// It is an expression (`context.total > 100`), or statements with `return`; both may use `await`. `context` is what it is evaluated with. Whatever it
/// assigns to is gone afterwards.
///
/// ```no_run
/// # async fn example(host: belljar::Host) -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
///
/// let rule = host.script("context.order.total > 100 && context.order.country !== 'XX'").await?;
/// let is_large: bool = rule.evaluate(&json!({ "order": { "total": 120, "country": "DE" } })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    host: Host,
    release: Release,
}

impl Host {
    /// Prepares a script without capabilities. See [`Script`] for what it may be.
    ///
    /// # Errors
    /// A [`Fault`]: `syntax`, with the place in `source`; `preparation` when it is longer than [`SCRIPT_BYTES_MAX`].
    pub async fn script(&self, source: &str) -> Result<Script, Fault> {
        self.script_with(source, ScriptOptions::default()).await
    }

    /// Prepares a script with capabilities, limits or locales of its own.
    ///
    /// # Errors
    /// As [`Host::script`]; `preparation` also when it is granted a capability that the host does not offer.
    pub async fn script_with(&self, source: &str, options: ScriptOptions) -> Result<Script, Fault> {
        let (used, allowed) = (source.len(), SCRIPT_BYTES_MAX);
        if used > allowed {
            let hit = LimitHit { name: "script_bytes_max", allowed: allowed as u64, used: used as u64 };
            return Err(Fault::limit(FaultCode::Preparation, hit));
        }
        let expression = self.script_as(source, Form::Expression, &options).await;
        let Err(first) = expression else { return expression };
        if first.code != FaultCode::Syntax {
            return Err(first);
        }
        match self.script_as(source, Form::Statements, &options).await {
            // Whichever got further has understood more of what was meant.
            Err(second) if second.code == FaultCode::Syntax && place(&first) >= place(&second) => Err(first),
            prepared => prepared,
        }
    }

    async fn script_as(&self, source: &str, form: Form, options: &ScriptOptions) -> Result<Script, Fault> {
        let release = release(source, form, options, self.limits())
            .map_err(|error| Fault::new(FaultCode::Preparation, error.to_string()))?;
        match self.prepare(&release).await {
            Ok(_) => Ok(Script { host: self.clone(), release }),
            Err(fault) => Err(Fault {
                message: fault.message.replacen("the applet's top-level code failed", "the script does not parse", 1),
                ..fault
            }),
        }
    }

    /// Evaluates a script with a context, and reads its value: [`Host::script`] and [`Script::evaluate`] in one. What was evaluated lately stays
    /// prepared, so that doing this again and again costs little more than to keep the script.
    ///
    /// ```no_run
    /// # async fn example(host: belljar::Host) -> Result<(), Box<dyn std::error::Error>> {
    /// let total: f64 = host.evaluate("context.prices.reduce((sum, price) => sum + price, 0)", &serde_json::json!({ "prices": [1, 2.5] })).await?;
    /// assert_eq!(total, 3.5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ValueError`].
    pub async fn evaluate<T: DeserializeOwned>(&self, source: &str, context: &impl Serialize) -> Result<T, ValueError> {
        let cell = {
            let mut scripts = self.inner.scripts.lock().unwrap_or_else(PoisonError::into_inner);
            scripts.entry(&Digest::of(source.as_bytes())).clone()
        };
        let release = cell.get_or_try_init(|| async { self.script(source).await.map(|script| script.release) }).await?;
        Script { host: self.clone(), release: release.clone() }.evaluate(context).await
    }
}

impl Script {
    /// Its value with this context. `undefined` is `null`.
    ///
    /// # Errors
    /// [`ValueError`].
    pub async fn evaluate<T: DeserializeOwned>(&self, context: &impl Serialize) -> Result<T, ValueError> {
        let context = serde_json::to_string(context).map_err(ValueError::Context)?;
        self.host.invoke(&self.release, Self::invocation(context)).await.value()
    }

    /// The script as a release, for callers who want more of an invocation than its value: usage, a source of time and randomness, an end of their own.
    ///
    /// ```no_run
    /// # async fn example(host: belljar::Host, script: belljar::Script) {
    /// let outcome = host.invoke(script.release(), belljar::Script::invocation(r#"{"total": 120}"#)).await;
    /// println!("{} fuel", outcome.usage.fuel);
    /// # }
    /// ```
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// An invocation of [`release`](Self::release) with this context (JSON text).
    pub fn invocation(context: impl Into<String>) -> Invocation {
        Invocation::new(HANDLER, Payload::Json(context.into()))
    }
}

/// Line and column of a fault.
fn place(fault: &Fault) -> Option<(u32, u32)> {
    let frame = fault.errors.first().and_then(|error| error.frames.first());
    frame.map(|frame| (frame.line, frame.column))
}

/// An applet whose one handler is the script.
fn release(source: &str, form: Form, options: &ScriptOptions, host: &Limits) -> Result<Release, CatalogError> {
    let (bundle, source_map) = bundle::wrap(source, &options.name, form);
    let grants = &options.grants;
    let permissions = Permissions {
        db: grants.db,
        http: grants.http.clone(),
        events_publish: grants.events_publish.clone(),
        events_subscribe: grants.events_subscribe.clone(),
        secrets: grants.secrets.clone(),
        kv: grants.kv,
        // Its one handler cannot be called later: there is no package to find it in.
        jobs: false,
        custom: grants.custom.clone(),
    };
    let runtime = Runtime {
        engine: Engine::Wasm,
        version: None,
        entrypoint: options.name.clone(),
        limits: belljar_package::Limits::default(),
        health_check: None,
        locales: options.locales.clone(),
        external: Vec::new(),
        is_server: false,
    };
    let descriptor = Descriptor {
        format: FORMAT_VERSION,
        id: "script".into(),
        version: semver::Version::new(0, 0, 0),
        name: Text::Plain(options.name.clone()),
        description: None,
        about: About::default(),
        runtime,
        handlers: vec![Handler { name: HANDLER.into(), export: HANDLER.into(), trigger: Trigger::Call {} }],
        cors: None,
        permissions,
        config: Vec::new(),
    };
    let digest = Digest::of([&bundle, "\0", &source_map, "\0", &options.locales.join(" ")].concat().as_bytes());
    let package = Package { descriptor, bundle, source_map, files: BTreeMap::new() };
    Release::admit_decoded(
        options.tenant.clone(),
        Arc::new(package),
        digest,
        grants,
        options.limits.as_ref().unwrap_or(host),
    )
}
