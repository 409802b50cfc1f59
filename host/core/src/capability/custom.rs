//! Capabilities of the embedder's own: typed functions of the program around the host, which applets call as `sdk.NAME.FUNCTION(argument)`.
//! Begin with [`Capability`]; `custom/session.rs` is what one invocation has of them.

mod session;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use belljar_package::rules;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::session::{CustomError, CustomSession};
use super::refusal::CapabilityError;
use crate::floor::deadline::Deadline;
use crate::floor::ids::{AppletId, InvocationId, TenantId};
use crate::floor::limits::CustomLimits;

/// A function with its types taken away: from JSON to JSON.
type Function = Arc<dyn Fn(Call, String) -> Pin<Box<dyn Future<Output = Result<String, Failed>> + Send>> + Send + Sync>;

/// How a function did not answer.
enum Failed {
    /// The argument is not of its type.
    Argument(serde_json::Error),
    /// It said so.
    Said(CallError),
    /// Its answer cannot be written as JSON.
    Reply(serde_json::Error),
    /// It panicked on a thread of its own.
    Panicked,
}

/// Functions that a program gives to the applets it hosts, under one name: `Capability::new("greet").function("hello", …)` is
/// `sdk.greet.hello(argument)` to an applet whose manifest asks for it (`permissions: { custom: [greet] }`) and whose tenant grants it.
///
/// A function takes the [`Call`] and one argument, and answers a value or a [`CallError`]. Argument and answer are whatever serde reads and
/// writes as JSON. It may take its time: the applet waits as it does for any other operation, and when the invocation ends first, the function's
/// future is dropped. One that panics is an error of code `failed` to the applet, and harms nobody else.
///
/// ```
/// use belljar::{Call, Capability, Host};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Hello { name: String }
/// #[derive(Serialize)]
/// struct Greeting { text: String }
///
/// let greet = Capability::new("greet").function("hello", |call: Call, hello: Hello| async move {
///     Ok(Greeting { text: format!("Hello {}, from {}", hello.name, call.tenant) })
/// });
/// let builder = Host::builder().capability(greet);
/// ```
#[derive(Clone)]
pub struct Capability {
    name: String,
    functions: Vec<(String, Function)>,
    limits: CustomLimits,
}

impl std::fmt::Debug for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let functions: Vec<_> = self.functions.iter().map(|(name, _)| name).collect();
        f.debug_struct("Capability")
            .field("name", &self.name)
            .field("functions", &functions)
            .field("limits", &self.limits)
            .finish()
    }
}

impl Capability {
    /// A capability without functions yet. `name` is 1 to 64 letters and digits, begins with a lower-case letter, and is none of the names that
    /// `sdk` has itself; [`HostBuilder::build`](crate::HostBuilder::build) refuses any other.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), functions: Vec::new(), limits: CustomLimits::default() }
    }

    /// Adds an asynchronous function. `name` is 1 to 64 letters and digits, beginning with a lower-case letter. It runs as a task of the async
    /// runtime that the invocation runs on: what blocks a thread belongs into [`blocking`](Self::blocking).
    #[must_use]
    pub fn function<A, R, F, W>(mut self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Call, A) -> W + Send + Sync + 'static,
        W: Future<Output = Result<R, CallError>> + Send + 'static,
    {
        let function = Arc::new(function);
        let erased: Function = Arc::new(move |call, argument| {
            let function = function.clone();
            Box::pin(async move {
                let argument = serde_json::from_str(&argument).map_err(Failed::Argument)?;
                let reply = function(call, argument).await.map_err(Failed::Said)?;
                serde_json::to_string(&reply).map_err(Failed::Reply)
            })
        });
        self.functions.push((name.into(), erased));
        self
    }

    /// Adds a function that may block: it runs on a thread for such work. When the invocation ends first, it goes on to its end, and nobody hears of
    /// its answer.
    ///
    /// ```
    /// use belljar::{Call, CallError, Capability};
    ///
    /// let files = Capability::new("notes").blocking("read", |call: Call, id: u32| {
    ///     let path = format!("notes/{}/{id}.txt", call.tenant);
    ///     if id == 0 {
    ///         return Err(CallError::new("no-such-note", "notes are counted from 1"));
    ///     }
    ///     // Of any other error the applet learns nothing but that it failed.
    ///     Ok(std::fs::read_to_string(path)?)
    /// });
    /// ```
    #[must_use]
    pub fn blocking<A, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Call, A) -> Result<R, CallError> + Send + Sync + 'static,
    {
        let function = Arc::new(function);
        let erased: Function = Arc::new(move |call, argument| {
            let function = function.clone();
            Box::pin(async move {
                let argument = serde_json::from_str(&argument).map_err(Failed::Argument)?;
                let work = move || {
                    serde_json::to_string(&function(call, argument).map_err(Failed::Said)?).map_err(Failed::Reply)
                };
                tokio::task::spawn_blocking(work).await.unwrap_or(Err(Failed::Panicked))
            })
        });
        self.functions.push((name.into(), erased));
        self
    }

    /// Bounds its use, for each invocation.
    ///
    /// ```
    /// use belljar::{Capability, CustomLimits};
    ///
    /// let mail = Capability::new("mail").limits(CustomLimits { calls_max: 10, call_ms_max: 2_000, ..CustomLimits::default() });
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: CustomLimits) -> Self {
        self.limits = limits;
        self
    }

    fn named(&self, function: &str) -> Option<&Function> {
        self.functions.iter().find(|(name, _)| name == function).map(|(_, function)| function)
    }

    fn function_names(&self) -> Vec<String> {
        self.functions.iter().map(|(name, _)| name.clone()).collect()
    }

    fn problem(&self) -> Option<String> {
        if let Err(rule) = rules::capability_name(&self.name) {
            return Some(format!("its name is not valid: {rule}"));
        }
        if self.functions.is_empty() {
            return Some("it has no function".into());
        }
        self.functions.iter().enumerate().find_map(|(index, (name, _))| match rules::function_name(name) {
            Err(rule) => Some(format!("the name of its function {name:?} is not valid: {rule}")),
            Ok(()) => self.functions[..index]
                .iter()
                .any(|(other, _)| other == name)
                .then(|| format!("it has two functions {name:?}")),
        })
    }
}

/// Who calls a function of a [`Capability`]. Nothing in it comes from the applet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// The handler that runs; empty for a program or a script given as text.
    pub handler: String,
    /// The invocation.
    pub invocation: InvocationId,
    /// The user on whose behalf it runs, as the host was told.
    pub user: Option<String>,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// When the invocation has to be over; the function's future is dropped then.
    pub deadline: Deadline,
}

/// Why a function did not answer. Made by [`CallError::new`] it is told to the applet; made of any other error (by `?`) it is not: the applet
/// sees code `failed`, and the error goes to the host's own log (`tracing`), because it may say what strangers must not know.
///
/// So it is no [`std::error::Error`] itself.
///
/// ```
/// use belljar::CallError;
///
/// fn quantity(text: &str) -> Result<u32, CallError> {
///     if text.is_empty() {
///         return Err(CallError::new("no-quantity", "say how many"));
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(quantity("").unwrap_err().code(), "no-quantity");
/// assert_eq!(quantity("x").unwrap_err().code(), "failed");
/// ```
#[derive(Debug)]
pub struct CallError {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CallError {
    /// An error that the applet sees: `code` is for programs (`error.code`), `message` for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), source: None }
    }

    /// Its code, as the applet sees it.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Its message, as the applet sees it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for CallError {
    fn from(error: E) -> Self {
        Self { code: "failed".into(), message: "the host's own function failed".into(), source: Some(Box::new(error)) }
    }
}

/// What a host offers of its own, by name.
#[derive(Debug, Default)]
pub(crate) struct Offered(BTreeMap<String, Arc<Capability>>);

impl Offered {
    /// # Errors
    /// The name of the capability that cannot be offered, and why.
    pub(crate) fn new(capabilities: Vec<Capability>) -> Result<Self, (String, String)> {
        let mut offered = BTreeMap::new();
        for capability in capabilities {
            let name = capability.name.clone();
            if let Some(problem) = capability.problem() {
                return Err((name, problem));
            }
            if offered.insert(name.clone(), Arc::new(capability)).is_some() {
                return Err((name, "there are two of this name".into()));
            }
        }
        Ok(Self(offered))
    }

    /// What is granted and not offered, told to whoever installs it.
    pub(crate) fn lacks(&self, granted: &[String]) -> Option<String> {
        let missing = granted.iter().find(|name| !self.0.contains_key(*name))?;
        let names: Vec<_> = self.0.keys().map(String::as_str).collect();
        let has = if names.is_empty() { "none of its own".to_owned() } else { format!("these: {}", names.join(", ")) };
        Some(format!(
            "the applet needs the capability {missing:?} (permissions.custom), which this host does not offer; it offers {has}"
        ))
    }
}

impl From<CapabilityError> for CustomError {
    fn from(error: CapabilityError) -> Self {
        Self::Refused(error)
    }
}
