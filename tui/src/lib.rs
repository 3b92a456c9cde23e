//! `atelier`: the command line.
//!
//! It knows the daemon by its wire format alone. `conn` talks, [`cli`] reads orders and shows answers.

pub mod cli;
mod conn;
