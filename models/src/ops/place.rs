//! Where numbers stand: padding and enlargement, all in operations whose gradients candle has right.

use candle_core::{Result, Tensor};

use crate::kernels::source::{Border, Growth};

/// Returns `x` with its rows (axis 2) or columns (axis 3) replaced by those at `indices`.
pub(crate) fn take(x: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
    if indices.len() == x.dim(axis)? && indices.iter().enumerate().all(|(i, index)| i == *index) {
        return Ok(x.clone());
    }
    let indices: Vec<u32> = indices.iter().map(|index| *index as u32).collect();
    x.contiguous()?.index_select(&Tensor::new(indices, x.device())?, axis)
}

/// Puts pixels before and after each side: zeros, or the picture mirrored without its edge.
pub(crate) fn pad(x: &Tensor, border: Border, pads: [(usize, usize); 2]) -> Result<Tensor> {
    let mut x = x.clone();
    for (axis, (before, after)) in [2, 3].into_iter().zip(pads) {
        let side = x.dim(axis)?;
        let at = |i: usize| i as isize - before as isize;
        let places = (0..before + side + after).map(at);
        x = match border {
            Border::Zero => x.pad_with_zeros(axis, before, after)?,
            Border::Reflect => take(&x, axis, &places.map(|i| crate::network::reflect(i, side)).collect::<Vec<_>>())?,
            Border::Edge => {
                let last = side as isize - 1;
                take(&x, axis, &places.map(|i| i.clamp(0, last) as usize).collect::<Vec<_>>())?
            }
        };
    }
    Ok(x)
}

/// Enlarges.
pub(crate) fn enlarge(x: &Tensor, growth: Growth) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    match growth {
        Growth::None => Ok(x.clone()),
        Growth::Nearest(factor) => {
            let cells = x.reshape((n, c, h, 1, w, 1))?;
            cells.broadcast_as((n, c, h, factor, w, factor))?.reshape((n, c, h * factor, w * factor))
        }
        Growth::Bilinear(factor) => resize(x, [h * factor, w * factor]),
    }
}

/// Resizes bilinearly, pixel centres at halves, clamped at the border.
pub(crate) fn resize(x: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    interpolate(&interpolate(x, 2, height)?, 3, width)
}

fn interpolate(x: &Tensor, axis: usize, to: usize) -> Result<Tensor> {
    let side = x.dim(axis)?;
    let place = |i: usize| ((i as f64 + 0.5) * side as f64 / to as f64 - 0.5).max(0.0);
    let low = |i: usize| (place(i) as usize).min(side - 1);
    let below = take(x, axis, &(0..to).map(low).collect::<Vec<_>>())?;
    let above = take(x, axis, &(0..to).map(|i| (low(i) + 1).min(side - 1)).collect::<Vec<_>>())?;
    let fraction: Vec<f32> = (0..to).map(|i| (place(i) - low(i) as f64) as f32).collect();
    let shape = if axis == 2 { [1, 1, to, 1] } else { [1, 1, 1, to] };
    let fraction = Tensor::from_vec(fraction, &shape, x.device())?.to_dtype(x.dtype())?;
    let difference = (above - &below)?;
    below + difference.broadcast_mul(&fraction)?
}

/// Puts `step - 1` zeros after every pixel, in both directions.
pub(super) fn spread(x: &Tensor, step: usize) -> Result<Tensor> {
    if step == 1 {
        return Ok(x.clone());
    }
    let (n, c, h, w) = x.dims4()?;
    let cells = x.reshape((n, c, h, 1, w, 1))?;
    let cells = cells.pad_with_zeros(3, 0, step - 1)?.pad_with_zeros(5, 0, step - 1)?;
    cells.reshape((n, c, h * step, w * step))
}
