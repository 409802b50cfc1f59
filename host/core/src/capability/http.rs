//! Outgoing http, as in `wit/http.wit`: requests to hosts that the manifest names and the tenant granted, at public addresses
//! only. Small answers come whole, others as they arrive; requests go out whole or as the guest writes them.
//!
//! One [`HttpClient`] per host of applets, one [`HttpSession`] per invocation. A request passes, in this order: the shape of its
//! URL, method and headers; the granted rules (`policy.rs`); the address in the URL, if there is one; the number of requests;
//! the pool of connections; and, for a new connection, the addresses of its name, of which only those of its zone are dialled
//! (`zone.rs`, `dial.rs`), and the address of the peer. Each redirect hop passes all of it again, and gets secrets for itself (`secrets.rs`). It knows nothing of Wasm,
//! tenants or logs.
//!
//! It is built on hyper rather than on reqwest because every check that matters sits in the connector: the port is known there
//! (reqwest's resolver sees a name only), address literals pass it, the peer is checked before the first byte is sent, and what
//! went wrong (name, connection, TLS) keeps its type.

mod address;
mod body;
mod client;
mod dial;
mod error;
mod headers;
mod held;
mod policy;
mod proxy;
mod resolve;
mod secrets;
mod session;
mod transport;
mod zone;

#[cfg(test)]
mod tests;

pub use body::{RequestBody, ResponseBody};
pub use client::{HttpClient, HttpConfig, HttpConfigError, HttpProxy};
pub use error::HttpError;
pub use held::{Held, HostBytes};
pub use policy::HttpRules;
#[cfg(test)]
pub(crate) use resolve::{Resolver, Resolving};
pub use session::HttpSession;
pub use transport::{CarriedRequest, CarriedResponse, Carrying, HttpTransport};
pub use zone::InvalidTestHost;

/// One header. Each character of `value` is a byte, U+0000 to U+00FF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// A token; lower case in responses.
    pub name: String,
    /// The value, isomorphic.
    pub value: String,
}

/// A request.
#[derive(Debug, Default)]
pub struct HttpRequest {
    /// Any method but CONNECT, TRACE and TRACK.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Those that frame the message or belong to the connection are left out: the host sets them.
    pub headers: Vec<Header>,
    /// The body.
    pub body: RequestBody,
}

/// What to do with a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Follow it.
    #[default]
    Follow,
    /// Fail.
    Error,
    /// Hand it over as it is.
    Manual,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// What to do with a redirect.
    pub redirect: Redirect,
    /// Time from the call to the last byte of the answer, milliseconds. It can only shorten the host's own limits.
    pub timeout_ms: Option<u32>,
}

/// A response.
#[derive(Debug)]
pub struct HttpResponse {
    /// 200 to 999; informational responses are not handed over.
    pub status: u16,
    /// The reason phrase; empty over HTTP/2.
    pub status_text: String,
    /// The last URL asked, without fragment.
    pub url: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// In the order they came.
    pub headers: Vec<Header>,
    /// As it came: a `content-encoding` is not undone.
    pub body: ResponseBody,
}
