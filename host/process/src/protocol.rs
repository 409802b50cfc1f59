//! The protocol between host and process: HTTP/1.1 on two unix sockets, described in `docs/process.md`. `head` writes what a call says,
//! `client` sends it, `answer` reads what comes back, `server` answers what the process asks, with a `token`.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod head;
pub(crate) mod server;
pub(crate) mod token;

/// The header that tells how many bytes of the body are the JSON head.
pub(crate) const HEAD_BYTES: &str = "belljar-head-bytes";

/// Why an exchange with a process failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// It is not there, or no longer.
    #[error("the connection broke off: {0}")]
    Lost(String),
    /// It said something that it may not say.
    #[error("{0}")]
    Broken(String),
    #[error("the limit {name} is {allowed}, and this is {used}")]
    Limit { name: &'static str, allowed: u64, used: u64 },
}

/// The whole chain of an error in one line: hyper's own text leaves out the cause.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
