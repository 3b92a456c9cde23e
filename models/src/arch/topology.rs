//! The plan that all transform nets after Johnson et al. (2016) share: down, residual blocks, up, out.

use serde::Deserialize;

use super::ParameterError;
use crate::network::{Conv, Layer, Norm, NormKind, Padding, Upsample};

/// The most channels a layer may have.
pub const MAX_WIDTH: usize = 512;
/// The most residual blocks a network may have.
pub const MAX_RESIDUALS: usize = 32;

/// The sizes of one net: 9×9 to `widths[0]`, two 3×3 of stride 2, residual blocks, two enlargements, 9×9 to RGB.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topology {
    /// Channels after each of the first three convolutions.
    #[serde(default = "johnson_widths")]
    pub(super) widths: [usize; 3],
    /// Number of residual blocks.
    #[serde(default = "johnson_residuals")]
    pub(super) residuals: usize,
}

/// A convolution's place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One of the first three, `down.N`.
    Down,
    /// The first of a residual block, `res.N.a`.
    Inner,
    /// The second of a residual block, `res.N.b`.
    Outer,
    /// One of the two that enlarge, `up.N`.
    Up,
    /// The last, `out`.
    Out,
}

/// Johnson's 32, 64 and 128 channels.
pub(super) fn johnson_widths() -> [usize; 3] {
    [32, 64, 128]
}

/// Johnson's five residual blocks.
pub(super) fn johnson_residuals() -> usize {
    5
}

/// Returns the norm of every picture by itself, with scale and shift.
pub(super) fn instance_norm(eps: f32) -> Norm {
    Norm { kind: NormKind::Instance, eps, affine: true }
}

impl Topology {
    /// Returns the layers; `adapt` turns the plain convolution of each place (reflect padding, no bias, no norm, `ReLU`
    /// but in [`Place::Outer`] and [`Place::Out`]) into the architecture's own.
    pub(super) fn layers(&self, adapt: impl Fn(Place, Conv) -> Conv) -> Result<Vec<Layer>, ParameterError> {
        self.check()?;
        let [thin, middle, wide] = self.widths;
        let conv = |place, name: String, inputs, outputs| {
            let kernel = if name == "down.0" || place == Place::Out { 9 } else { 3 };
            let stride = if place == Place::Down && kernel == 3 { 2 } else { 1 };
            let relu = !matches!(place, Place::Outer | Place::Out);
            let (upsample, padding) = (Upsample::None, Padding::Reflect);
            adapt(
                place,
                Conv { name, inputs, outputs, kernel, stride, upsample, padding, bias: false, norm: None, relu },
            )
        };
        let down = [(3, thin), (thin, middle), (middle, wide)].into_iter().enumerate();
        let up = [(wide, middle), (middle, thin)].into_iter().enumerate();
        let residual = |i| Layer::Residual {
            a: conv(Place::Inner, format!("res.{i}.a"), wide, wide),
            b: conv(Place::Outer, format!("res.{i}.b"), wide, wide),
        };
        let mut layers = Vec::new();
        layers.extend(down.map(|(i, (from, to))| Layer::Conv(conv(Place::Down, format!("down.{i}"), from, to))));
        layers.extend((0..self.residuals).map(residual));
        layers.extend(up.map(|(i, (from, to))| Layer::Conv(conv(Place::Up, format!("up.{i}"), from, to))));
        layers.push(Layer::Conv(conv(Place::Out, "out".to_owned(), thin, 3)));
        Ok(layers)
    }

    fn check(&self) -> Result<(), ParameterError> {
        if let Some(width) = self.widths.iter().find(|w| !(1..=MAX_WIDTH).contains(w)) {
            let detail = format!("a width of {width} channels is not between 1 and {MAX_WIDTH}");
            return Err(ParameterError { detail });
        }
        if self.residuals > MAX_RESIDUALS {
            let detail = format!("{} residual blocks are more than {MAX_RESIDUALS}", self.residuals);
            return Err(ParameterError { detail });
        }
        Ok(())
    }
}
