//! Bodies of hooks that do more than pass the gate.

pub(crate) mod environment;
pub(crate) mod lookup;
pub(crate) mod names;
pub(crate) mod plain;
