//! Optimisers whose state can be saved: Adam for networks, L-BFGS for the pixels of a painting.

mod adam;
mod lbfgs;

pub use adam::{Adam, AdamState};
pub use lbfgs::Lbfgs;
