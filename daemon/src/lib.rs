//! The daemon: the queue, the devices, the front doors and the post.

pub mod access;
pub mod config;
pub mod grpc;
pub mod http;
pub mod intake;
mod metrics;
mod page;
pub mod refusal;
