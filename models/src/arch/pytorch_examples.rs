//! The transform net of pytorch/examples (`fast_neural_style/neural_style/transformer_net.py`).

use super::topology::{Place, Topology, instance_norm};
use super::{Architecture, ParameterError, Parameters, read};
use crate::network::{Conv, InputMap, Network, OutputMap, Upsample};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "pytorch-examples",
    summary: "pytorch/examples' fast_neural_style: biases everywhere, reflection padding, no norm and no tanh at the end",
    describe,
};

fn describe(parameters: &Parameters) -> Result<Network, ParameterError> {
    let topology: Topology = read(parameters)?;
    let layers = topology.layers(|place, conv| {
        let norm = if place == Place::Out { None } else { Some(instance_norm(1e-5)) };
        let upsample = if place == Place::Up { Upsample::Nearest(2) } else { Upsample::None };
        Conv { bias: true, norm, upsample, ..conv }
    })?;
    let input = InputMap { scale: [255.0; 3], shift: [0.0; 3] };
    let output = OutputMap::Linear { scale: 1.0 / 255.0, shift: 0.0 };
    Ok(Network { input, margin: 0, multiple: 1, layers, output })
}
