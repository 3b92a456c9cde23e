//! Padding and enlargement of `(n, c, h, w)` in operations that candle does right.

use candle_core::{Result, Tensor};

/// Returns `x` with its rows (axis 2) or columns (axis 3) replaced by those at `indices`.
pub(super) fn take(x: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
    if indices.len() == x.dim(axis)? && indices.iter().enumerate().all(|(i, index)| i == *index) {
        return Ok(x.clone());
    }
    let indices: Vec<u32> = indices.iter().map(|index| *index as u32).collect();
    x.contiguous()?.index_select(&Tensor::new(indices, x.device())?, axis)
}

/// Mirrors `before` and `after` pixels along an axis.
pub(super) fn reflect(x: &Tensor, axis: usize, before: usize, after: usize) -> Result<Tensor> {
    let side = x.dim(axis)?;
    let indices = (0..before + side + after).map(|i| crate::network::reflect(i as isize - before as isize, side));
    take(x, axis, &indices.collect::<Vec<_>>())
}

/// Repeats every pixel `factor` times in both directions.
pub(super) fn nearest(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let cells = x.reshape((n, c, h, 1, w, 1))?;
    cells.broadcast_as((n, c, h, factor, w, factor))?.reshape((n, c, h * factor, w * factor))
}

/// Enlarges bilinearly, pixel centres at halves, clamped at the border.
pub(super) fn bilinear(x: &Tensor, factor: usize) -> Result<Tensor> {
    let rows = interpolate(x, 2, factor)?;
    interpolate(&rows, 3, factor)
}

fn interpolate(x: &Tensor, axis: usize, factor: usize) -> Result<Tensor> {
    let side = x.dim(axis)?;
    let place = |i: usize| ((i as f64 + 0.5) / factor as f64 - 0.5).max(0.0);
    let low = |i: usize| (place(i) as usize).min(side - 1);
    let places = 0..side * factor;
    let below = take(x, axis, &places.clone().map(low).collect::<Vec<_>>())?;
    let above = take(x, axis, &places.clone().map(|i| (low(i) + 1).min(side - 1)).collect::<Vec<_>>())?;
    let fraction: Vec<f32> = places.map(|i| (place(i) - low(i) as f64) as f32).collect();
    let shape = if axis == 2 { [1, 1, side * factor, 1] } else { [1, 1, 1, side * factor] };
    let fraction = Tensor::from_vec(fraction, &shape, x.device())?;
    let difference = (above - &below)?;
    below + difference.broadcast_mul(&fraction)?
}
