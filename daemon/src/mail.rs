//! The post: who may be written to, what is written, and how it leaves.

pub mod address;
pub mod policy;

pub use policy::{RecipientLimiter, recipient};
