//! `atelier`: the command line and the console.
//!
//! It knows the daemon by its wire format alone. `conn` talks, [`cli`] reads orders and shows answers. The console is
//! `console` (the loop), `app` (what it knows and how that changes), `view` (from there to the screen), `keys` (what can
//! be pressed), `theme` (how it looks), `ask` and `graphics` (what the terminal can do, and pictures on it). Both say
//! things with the same `words`.

mod ask;
mod chart;
pub mod cli;
mod conn;

mod app;
mod console;
pub mod cost;
mod curves;
mod graphics;
mod keys;
mod picture;
pub mod term;
mod theme;
mod view;
mod words;

#[cfg(test)]
mod documented;
