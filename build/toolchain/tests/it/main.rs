//! The toolchain from outside: folders in, packages or diagnostics out.

#[cfg(feature = "rolldown")]
mod bundle;
mod manifest;
#[cfg(feature = "rolldown")]
mod page_code;
#[cfg(feature = "rolldown")]
mod pages;
#[cfg(feature = "rolldown")]
mod process;
mod support;
