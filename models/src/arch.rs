//! Architectures are plug-ins: one file each, registered in [`ARCHITECTURES`].
//!
//! An architecture turns a style's parameters into a [`Network`]; everything after that (weights, executors, memory)
//! knows only the network. A new one needs a file with an [`Architecture`] constant and a line in the table.

mod house;
mod lengstrom;
mod prisma;
mod pytorch_examples;
mod topology;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::network::Network;
use crate::text::printable;

pub use topology::{MAX_RESIDUALS, MAX_WIDTH};

/// A style's own parameters of its architecture, by name.
pub type Parameters = BTreeMap<String, Value>;

/// A family of networks that differ in parameters such as widths.
pub struct Architecture {
    /// Its name in packages.
    pub name: &'static str,
    /// What it is, in a sentence for people.
    pub summary: &'static str,
    /// Returns the network for a style's parameters.
    pub describe: fn(&Parameters) -> Result<Network, ParameterError>,
}

/// Every architecture there is.
pub static ARCHITECTURES: &[Architecture] =
    &[house::ARCHITECTURE, lengstrom::ARCHITECTURE, prisma::ARCHITECTURE, pytorch_examples::ARCHITECTURE];

/// Why parameters describe no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ParameterError {
    detail: String,
}

/// Returns the architecture of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name)
}

/// Reads a style's parameters as an architecture's own type.
fn read<T: DeserializeOwned>(parameters: &Parameters) -> Result<T, ParameterError> {
    let object = Value::Object(parameters.clone().into_iter().collect());
    serde_json::from_value(object).map_err(|error| ParameterError { detail: printable(&error.to_string()) })
}

#[cfg(test)]
mod tests;
