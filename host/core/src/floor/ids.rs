//! Identities. Each is its own type, so that a tenant is never taken for an applet, and each is checked when it is made.

use std::fmt;

/// An identity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    rule: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        pub struct $name(String);

        impl $name {
            /// Checks and keeps a name.
            ///
            /// # Errors
            /// [`InvalidId`] unless it is 1–63 characters of `a–z 0–9 -` and starts with a letter or digit. Such a name is
            /// also a safe file name.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                let rule = "use 1 to 63 characters a-z, 0-9 and '-', starting with a letter or digit";
                let ok = (1..=63).contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && !value.starts_with('-');
                if ok { Ok(Self(value)) } else { Err(InvalidId { what: $what, value, rule }) }
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// A tenant of this host.
    ///
    /// ```
    /// assert!(belljar::TenantId::new("acme").is_ok());
    /// assert!(belljar::TenantId::new("../etc").is_err());
    /// ```
    TenantId, "tenant"
);
name_type!(
    /// An applet, by the `id` of its manifest.
    AppletId, "applet"
);

/// A BLAKE3 digest, shown as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// From the digest's own 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 hexadecimal digits; `None` for anything else.
    ///
    /// ```
    /// use belljar::Digest;
    ///
    /// let digest = Digest::of(b"text");
    /// assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
    /// ```
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }

    /// As 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// One invocation: unique, made by the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvocationId(String);

impl InvocationId {
    /// From 16 bytes: six of the time in milliseconds, big-endian, so that ids sort by time as RFC 9562 has it of UUIDs of version 7 (an index
    /// of them grows at its end); the others drawn at random by whoever makes an invocation.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(format!("inv_{:032x}", u128::from_be_bytes(bytes)))
    }

    /// As text: `inv_` and 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (name, ok) in
            [("a", true), ("acme-2", true), ("", false), ("A", false), ("-a", false), ("a/b", false), ("..", false)]
        {
            assert_eq!(TenantId::new(name).is_ok(), ok, "{name:?}");
        }
        assert!(AppletId::new("x".repeat(64)).is_err());
    }
}
