//! The numerics of the CPU: plain slices in, plain slices out, no tensor library.
//!
//! Everything works on the blocked layout of [`layout`]. A kernel is written once over sixteen lanes ([`simd`]) and
//! compiled for AVX-512, for AVX2 with FMA, and for what every processor has; the last is also the tests' oracle.
//! Threads come from a [`ComputePool`] that the caller passes.
//!
//! Convolutions of 3x3 and stride 1 go through [`winograd`], everything else through [`direct`], which sends 9x9 kernels
//! between pictures and channels on to `nested`. Networks that stay as they are ([`conv3x3`], [`Precision::Halves`]) go
//! straight through the processor's matrix unit where it has one.
//!
//! `unsafe` is found in [`simd`] and `matrix_unit` (instructions), in [`memory`] (large pages), in `disjoint` (a slice that
//! tasks write in parts) and, one line each, where a task takes its part. There is none elsewhere in this workspace.
#![expect(clippy::inline_always, reason = "code for one backend must end up inside that backend's entry")]
#![expect(clippy::missing_panics_doc, reason = "a panic is a caller's tensor of another size than its shape says")]

pub mod conv3x3;
pub mod direct;
mod disjoint;
pub mod elementwise;
pub mod fold;
pub mod gram;
pub mod layout;
mod matrix_unit;
pub mod max_pool;
pub mod memory;
mod multiply;
mod nested;
pub mod norm;
pub mod norm_backward;
mod outer;
pub mod output;
pub mod simd;
pub mod source;
mod threads;
pub mod winograd;

pub use layout::Shape;
pub use matrix_unit::Precision;
pub use simd::{Backend, Block};
pub use threads::{ComputePool, PoolError};

#[cfg(test)]
pub(crate) mod tests;
