//! Why a call did not run.

use belljar::InvocationId;

/// A call that was refused, or ended because of us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// The call's id, as in its record.
    pub id: InvocationId,
    /// Why.
    pub why: Refusal,
    /// After how many seconds it may be tried again, if that can be told; from 1.
    pub retry_after_s: Option<u64>,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The applet or its tenant takes no calls.
    #[error("the applet is disabled")]
    Disabled,
    /// The server is shutting down.
    #[error("the server is stopping")]
    Stopping,
    /// All tenants together have too many calls under way.
    #[error("the server has too much to do")]
    Queue,
    /// The applet or its tenant has as many calls under way and waiting as it may.
    #[error("too many calls at the same time")]
    Concurrency,
    /// The caller has called this handler too often.
    #[error("too many requests")]
    Rate,
    /// The tenant has burnt its fuel of this minute.
    #[error("the tenant's computing time of this minute is used up")]
    Fuel,
    /// The tenant has sent what it may send in a day.
    #[error("the tenant's outgoing traffic of this day is used up")]
    Egress,
    /// The tenant stores as much as it may.
    #[error("the tenant's storage is full")]
    Storage,
}

impl Refusal {
    /// As a word, as in records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Stopping => "stopping",
            Self::Queue => "queue",
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::Fuel => "fuel",
            Self::Egress => "egress",
            Self::Storage => "storage",
        }
    }

    /// The HTTP status that says it.
    pub fn status(self) -> u16 {
        match self {
            Self::Disabled | Self::Stopping | Self::Queue => 503,
            Self::Concurrency | Self::Rate | Self::Fuel | Self::Egress => 429,
            Self::Storage => 507,
        }
    }
}
