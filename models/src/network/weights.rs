//! Named tensors, checked against the network that is to use them.

use std::collections::BTreeMap;

use super::{Network, NormKind};

/// A tensor as plain numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its sides, outermost first.
    pub shape: Vec<usize>,
    /// Its values; as many as the product of the sides.
    pub values: Vec<f32>,
}

/// The weights of one network: exactly its tensors, of the right shapes, every number finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

/// Why tensors are not the weights of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// A tensor that the network needs is not there.
    #[error("the weights lack the tensor `{name}`, which this architecture with these parameters needs")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor that the network has no use for.
    #[error("the weights hold a tensor `{name}` that this architecture with these parameters has no place for")]
    Surplus {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape, or with more or fewer values than its shape says.
    #[error("the tensor `{name}` should have the shape {expected:?} but has {found:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// What the network needs.
        expected: Vec<usize>,
        /// What there is.
        found: Vec<usize>,
    },
    /// A tensor with NaN, an infinity, or a variance below zero.
    #[error("the tensor `{name}` holds a number no painting can be made with (NaN, infinite, or a negative variance)")]
    NotFinite {
        /// The tensor.
        name: String,
    },
}

impl Weights {
    /// Takes tensors as the weights of `network`.
    ///
    /// # Errors
    /// Names the first tensor, in the order of the layers, that is missing, of a wrong shape or not finite; then the
    /// first that is left over.
    pub fn new(network: &Network, tensors: BTreeMap<String, Tensor>) -> Result<Self, WeightsError> {
        let parameters = network.parameters();
        for parameter in &parameters {
            let name = parameter.name.clone();
            let Some(tensor) = tensors.get(&name) else {
                return Err(WeightsError::Missing { name });
            };
            if tensor.shape != parameter.shape || tensor.values.len() != parameter.shape.iter().product::<usize>() {
                let (expected, found) = (parameter.shape.clone(), tensor.shape.clone());
                return Err(WeightsError::Shape { name, expected, found });
            }
            if !tensor.values.iter().all(|v| v.is_finite()) {
                return Err(WeightsError::NotFinite { name });
            }
        }
        for conv in network.convs() {
            let name = conv.norm_name("running_var");
            let is_batch = conv.norm.is_some_and(|norm| norm.kind == NormKind::Batch);
            if is_batch && tensors[&name].values.iter().any(|v| *v < 0.0) {
                return Err(WeightsError::NotFinite { name });
            }
        }
        let surplus = tensors.keys().find(|name| !parameters.iter().any(|p| p.name == **name));
        match surplus {
            Some(name) => Err(WeightsError::Surplus { name: name.clone() }),
            None => Ok(Self { tensors }),
        }
    }

    /// Returns the tensor of that name, if the network has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Returns the tensors by name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Returns how many bytes the numbers take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tensors.values().map(|t| t.values.len() * size_of::<f32>()).sum()
    }
}
