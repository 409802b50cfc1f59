//! What is asked of a store, and what it answers.

use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::KvLimits;

/// Whose keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvOwner {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
}

/// A value, kept as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvValue {
    /// JSON text.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl KvValue {
    /// Bytes of the text or of the bytes.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Json(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Whether the two are the same value: JSON by what it means, not by how it is written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Json(a), Self::Json(b)) if a == b => true,
            (Self::Json(a), Self::Json(b)) => {
                let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
                parse(a).is_some_and(|a| Some(a) == parse(b))
            }
            _ => false,
        }
    }
}

/// One operation on an applet's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvOperation {
    /// The values of keys, in their order.
    Get {
        /// The keys.
        keys: Vec<String>,
    },
    /// Sets a key.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: KvValue,
        /// How long it is there, milliseconds; `None` for good.
        ttl_ms: Option<u64>,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: String,
    },
    /// Adds to a whole number; a key that is not there is 0. The number keeps its time to live, unless another is given.
    Increment {
        /// The key.
        key: String,
        /// What is added.
        by: i64,
        /// How long it is there from now on, milliseconds.
        ttl_ms: Option<u64>,
    },
    /// Sets, or deletes, a key if it has the expected value.
    CompareAndSet {
        /// The key.
        key: String,
        /// `None`: it must not be there.
        expected: Option<KvValue>,
        /// `None`: it is deleted.
        value: Option<KvValue>,
        /// How long it is there, milliseconds.
        ttl_ms: Option<u64>,
    },
    /// Keys that begin with a prefix, in the order of their bytes.
    List {
        /// The prefix; empty for all.
        prefix: String,
        /// The last key of the page before.
        after: Option<String>,
        /// Keys at most, at least 1.
        limit: u32,
    },
}

impl KvOperation {
    /// As in `wit/kv.wit`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Set { .. } => "set",
            Self::Delete { .. } => "delete",
            Self::Increment { .. } => "increment",
            Self::CompareAndSet { .. } => "compare-and-set",
            Self::List { .. } => "list",
        }
    }

    /// Whether it leaves everything as it is.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Get { .. } | Self::List { .. })
    }

    /// The key, the first of several, or the prefix.
    pub fn target(&self) -> &str {
        match self {
            Self::Get { keys } => keys.first().map_or("", String::as_str),
            Self::Set { key, .. }
            | Self::Delete { key }
            | Self::Increment { key, .. }
            | Self::CompareAndSet { key, .. } => key,
            Self::List { prefix, .. } => prefix,
        }
    }

    /// Bytes of keys and values.
    pub fn size_bytes(&self) -> u64 {
        let size = |value: &Option<KvValue>| value.as_ref().map_or(0, KvValue::size_bytes);
        match self {
            Self::Get { keys } => keys.iter().map(|key| key.len() as u64).sum(),
            Self::Set { key, value, .. } => key.len() as u64 + value.size_bytes(),
            Self::Delete { key } | Self::Increment { key, .. } => key.len() as u64,
            Self::CompareAndSet { key, expected, value, .. } => key.len() as u64 + size(expected) + size(value),
            Self::List { prefix, after, .. } => {
                prefix.len() as u64 + after.as_ref().map_or(0, |after| after.len() as u64)
            }
        }
    }
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvReply {
    /// Of `Get`: `None` for a key that is not there.
    Values(Vec<Option<KvValue>>),
    /// Of `Set`.
    Done,
    /// Of `Delete`: whether it was there. Of `CompareAndSet`: whether the value was the expected one.
    Flag(bool),
    /// Of `Increment`: the number now.
    Number(i64),
    /// Of `List`.
    Keys(KvKeys),
}

impl KvReply {
    /// Bytes of keys and values.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Values(values) => values.iter().flatten().map(KvValue::size_bytes).sum(),
            Self::Keys(page) => page.keys.iter().map(|key| key.len() as u64).sum(),
            Self::Done | Self::Flag(_) | Self::Number(_) => 0,
        }
    }
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvKeys {
    /// In the order of their bytes.
    pub keys: Vec<String>,
    /// Whether there are more after the last one.
    pub has_more: bool,
}

/// What a store may come to hold for one applet, and may answer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvBounds {
    /// Keys of the applet.
    pub keys_max: u64,
    /// Bytes of its keys and values.
    pub store_bytes_max: u64,
    /// Bytes of a value, also of one that is counted up.
    pub value_bytes_max: u64,
    /// Bytes of the values of one answer.
    pub result_bytes_max: u64,
}

impl From<&KvLimits> for KvBounds {
    fn from(limits: &KvLimits) -> Self {
        let KvLimits { keys_max, store_bytes_max, value_bytes_max, result_bytes_max, .. } = *limits;
        Self { keys_max, store_bytes_max, value_bytes_max, result_bytes_max }
    }
}

/// What one applet takes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvUsed {
    /// Whose it is.
    pub owner: KvOwner,
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// One key with its value, for export and import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: KvValue,
    /// When it expires, Unix time in milliseconds; `None` for never.
    pub expires_ms: Option<u64>,
}
