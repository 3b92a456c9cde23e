//! Optimisers whose state can be saved: Adam for networks, L-BFGS for the pixels of a painting.

mod adam;
mod lbfgs;

pub use adam::{Adam, AdamState};
pub(crate) use lbfgs::MEMORY as LBFGS_MEMORY;
pub use lbfgs::{Lbfgs, LbfgsState, Pair};
