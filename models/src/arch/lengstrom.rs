//! The transform net of lengstrom/fast-style-transfer (and of its deeplearn.js checkpoints): zero padding, transposed
//! convolutions, a norm after every convolution, the last included.

use super::topology::{Place, Topology, instance_norm};
use super::{Architecture, ParameterError, Parameters, read};
use crate::network::{Conv, InputMap, Network, OutputMap, Padding, Upsample};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "lengstrom",
    summary: "lengstrom/fast-style-transfer: TensorFlow's SAME padding and transposed convolutions",
    describe,
};

fn describe(parameters: &Parameters) -> Result<Network, ParameterError> {
    let topology: Topology = read(parameters)?;
    let layers = topology.layers(|place, conv| {
        let conv = Conv { padding: Padding::Same, norm: Some(instance_norm(1e-3)), ..conv };
        match place {
            Place::Up => Conv { upsample: Upsample::Transposed, stride: 2, ..conv },
            _ => conv,
        }
    })?;
    let input = InputMap { scale: [255.0; 3], shift: [0.0; 3] };
    let output = OutputMap::Tanh { scale: 150.0 / 255.0, shift: 0.5 };
    Ok(Network { input, margin: 0, multiple: 1, layers, output })
}
