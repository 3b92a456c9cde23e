//! The post: who may be written to, what is written, and how it leaves.
//!
//! A job's record holds its letter's state, so the outbox is as durable as the job. [`postman`] takes what is due,
//! [`letter`] writes it, [`transport`] hands it over, [`schedule`] says when to try again. Nothing is locked and no
//! write waits while a mail is on its way.

pub mod address;
pub mod letter;
mod outbox;
pub mod policy;
pub mod postman;
pub mod schedule;
mod sendmail;
mod smtp;
#[cfg(test)]
mod test_server;
pub mod transport;

pub use policy::{RecipientLimiter, recipient};
pub use postman::Postman;
