//! The daemon: the queue, the devices, the front doors and the post.
//!
//! The modules stand in the order in which a photo meets them.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod log;

pub mod access;
pub mod grpc;
pub mod http;
mod metrics;
mod page;

pub mod intake;

pub mod dispatch;
pub mod scheduler;

pub mod engine;
mod recipe;
mod work;

pub mod feed;
pub mod live;
pub mod mail;
mod retention;

pub mod curve;
mod disk;
pub mod record;
mod sequence;
pub mod spool;
pub mod store;

pub mod refusal;

#[cfg(test)]
mod fixtures;
