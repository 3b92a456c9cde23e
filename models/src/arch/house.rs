//! The project's own net: Johnson's plan with a norm wherever there is no bias, and none before the last `tanh`, so that
//! a palette can be learned.

use serde::Deserialize;

use super::topology::{Place, Topology};
use super::{Architecture, ParameterError, Parameters, read};
use crate::network::{Conv, InputMap, Network, Norm, NormKind, OutputMap, Padding, Upsample};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "house",
    summary: "the project's own net: any widths and residual blocks, instance or batch norm, three ways to enlarge",
    describe,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct House {
    widths: [usize; 3],
    residuals: usize,
    #[serde(default)]
    norm: Kind,
    #[serde(default)]
    upsample: Enlarge,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Instance,
    Batch,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Enlarge {
    #[default]
    Nearest,
    Bilinear,
    Transposed,
}

fn describe(parameters: &Parameters) -> Result<Network, ParameterError> {
    let house: House = read(parameters)?;
    let topology = Topology { widths: house.widths, residuals: house.residuals };
    let kind = match house.norm {
        Kind::Instance => NormKind::Instance,
        Kind::Batch => NormKind::Batch,
    };
    let norm = Some(Norm { kind, eps: 1e-5, affine: true });
    let layers = topology.layers(|place, conv| match place {
        Place::Out => Conv { bias: true, ..conv },
        Place::Up => enlarging(house.upsample, Conv { norm, ..conv }),
        Place::Down | Place::Inner | Place::Outer => Conv { norm, ..conv },
    })?;
    let input = InputMap { scale: [2.0; 3], shift: [-1.0; 3] };
    let output = OutputMap::Tanh { scale: 0.588, shift: 0.5 };
    Ok(Network { input, margin: 0, multiple: 4, layers, output })
}

fn enlarging(how: Enlarge, conv: Conv) -> Conv {
    match how {
        Enlarge::Nearest => Conv { upsample: Upsample::Nearest(2), ..conv },
        Enlarge::Bilinear => Conv { upsample: Upsample::Bilinear(2), ..conv },
        Enlarge::Transposed => Conv { upsample: Upsample::Transposed, stride: 2, padding: Padding::Same, ..conv },
    }
}
