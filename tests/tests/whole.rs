//! Whole-daemon tests, in one binary.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "whole/edges.rs"]
mod edges;
#[path = "whole/queue.rs"]
mod queue;
