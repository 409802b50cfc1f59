//! The toolchain from outside: folders in, packages or diagnostics out.

#[cfg(feature = "rolldown")]
mod bundle;
mod manifest;
mod support;
