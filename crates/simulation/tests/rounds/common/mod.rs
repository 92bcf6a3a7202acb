//! What the tests of whole rounds share: a small population, runs of it, and the laws of algorithms.

pub(crate) mod laws;
pub(crate) mod momentum;
pub(crate) mod population;
pub(crate) mod run;
