//! `atelier`: the command line.
//!
//! It knows the daemon by its wire format alone. [`conn`] talks, [`cli`] reads orders and shows answers.

pub mod cli;
pub mod conn;
