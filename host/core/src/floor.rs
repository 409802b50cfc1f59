//! Plain data that every other part may use: identities, limits, grants, usage, faults, time. It depends on nothing of ours.

pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod fault;
pub(crate) mod grants;
pub(crate) mod ids;
pub(crate) mod limits;
pub(crate) mod usage;
