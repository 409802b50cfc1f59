//! placeholder
pub(crate) fn run(_: Option<&str>) -> anyhow::Result<()> { Ok(()) }
