//! The package file of a Belljar applet: the only hand-off between building and hosting.

mod descriptor;

pub use descriptor::*;
