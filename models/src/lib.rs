//! Pictures, networks, losses and kernels: everything that touches a tensor.

pub mod arch;
pub mod backprop;
pub mod builtin;
mod checkpoint;
pub mod compute;
pub mod executor;
#[cfg(test)]
mod fixtures;
pub mod import;
pub mod kernels;
pub mod losses;
pub mod network;
mod ops;
pub mod optim;
pub mod package;
pub mod painter;
pub mod picture;
pub mod quality;
pub mod stylize;
mod text;
pub mod training;
mod transform;
pub mod vgg;
