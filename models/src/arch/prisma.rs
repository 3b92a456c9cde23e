//! The thesis' transform net: affine-free instance norm outside the residual blocks, enlargement by 4 and stride 2.

use super::topology::{Place, Topology};
use super::{Architecture, ParameterError, Parameters, read};
use crate::network::{Conv, InputMap, Network, Norm, NormKind, OutputMap, Upsample};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "prisma",
    summary: "the 2017 thesis net: a mirrored margin of 10, norms without scale and shift, none inside residual blocks",
    describe,
};

fn describe(parameters: &Parameters) -> Result<Network, ParameterError> {
    let topology: Topology = read(parameters)?;
    let norm = Some(Norm { kind: NormKind::Instance, eps: 1e-9, affine: false });
    let layers = topology.layers(|place, conv| match place {
        Place::Inner | Place::Outer => conv,
        Place::Up => Conv { norm, upsample: Upsample::Nearest(4), stride: 2, ..conv },
        Place::Down | Place::Out => Conv { norm, ..conv },
    })?;
    let input = InputMap { scale: [255.0; 3], shift: [-123.68, -116.779, -103.939] };
    let output = OutputMap::Tanh { scale: 0.5, shift: 0.5 };
    Ok(Network { input, margin: 10, multiple: 1, layers, output })
}
