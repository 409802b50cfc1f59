//! What goes into an invocation and what comes out of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::floor::fault::Fault;
use crate::floor::ids::InvocationId;
use crate::floor::usage::Usage;

/// One call of one handler.
///
/// ```
/// use belljar::{Invocation, Payload};
///
/// let invocation = Invocation::new("default", Payload::Json(r#"{"sku": "A-1"}"#.into()));
/// assert_eq!(invocation.trigger, "one-off");
/// ```
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The handler's name in the manifest.
    pub handler: String,
    /// What it is called with.
    pub payload: Payload,
    /// What caused it, as the applet sees it: `one-off`, `http`, `event`, `schedule`.
    pub trigger: String,
    /// The user on whose behalf it runs, as the host knows it.
    pub user: Option<String>,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// BCP 47 locale; `en` by default.
    pub locale: String,
}

impl Invocation {
    /// A call without a user; a request is an `http` call, JSON a `one-off` one.
    pub fn new(handler: impl Into<String>, payload: Payload) -> Self {
        let trigger = match payload {
            Payload::Json(_) => "one-off",
            Payload::Request(_) => "http",
        };
        Self {
            handler: handler.into(),
            payload,
            trigger: trigger.into(),
            user: None,
            organisation: None,
            permissions: Vec::new(),
            locale: "en".into(),
        }
    }
}

/// What a handler is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// JSON text.
    Json(String),
    /// An HTTP request.
    Request(Request),
}

/// An HTTP request as a handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For example `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// Raw bytes.
    pub body: Bytes,
}

/// A program given as text: no package, no applet.
#[derive(Debug, Clone)]
pub struct Program {
    /// How it is evaluated.
    pub kind: ProgramKind,
    /// Its name in stacks; for a module also what its imports are resolved against.
    pub name: String,
    /// JavaScript.
    pub source: String,
    /// Locales it may use through `Intl`, canonical; without any there is no `Intl`.
    pub locales: Vec<String>,
}

/// How a program is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramKind {
    /// A sloppy global script.
    Script,
    /// An ES module.
    Module,
}

/// Source of the modules that a program imports.
pub trait Modules: Send + Sync {
    /// Finds the module `specifier` that `referrer` imports. Answers its unique name and its source.
    ///
    /// # Errors
    /// Text for the author: why there is no such module.
    fn load(&self, specifier: &str, referrer: &str) -> Result<(String, String), String>;
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The invocation.
    pub id: InvocationId,
    /// The handler's answer, or why there is none.
    pub result: Result<Response, Fault>,
    /// What was used.
    pub usage: Usage,
}

/// A handler's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// JSON text; `None` for `undefined`.
    Value(Option<String>),
    /// An HTTP response.
    Http(HttpReply),
}

/// An HTTP response of a handler: names and values are valid, framing and hop-by-hop headers are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// 200 to 599.
    pub status: u16,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// Raw bytes.
    pub body: Bytes,
}
