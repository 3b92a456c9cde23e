//! From the last convolution's planes to the painting.

use std::ops::Range;

use super::{Painting, Plan};
use crate::kernels::ComputePool;
use crate::kernels::elementwise::Finish;
use crate::kernels::layout::Shape;
use crate::kernels::norm::Moment;
use crate::kernels::source::Affine;
use crate::network::{Conv, OutputMap};

/// Returns what is done to the last convolution's output.
pub(super) fn finish(conv: &Conv, affine: Option<&Vec<Affine>>, output: OutputMap) -> Finish {
    let pick = |block: fn(&Affine) -> &[f32; 16], default: f32| {
        affine.map_or([default; 3], |affine| *block(&affine[0]).first_chunk().expect("a block has more lanes"))
    };
    let (tanh, scale, shift) = match output {
        OutputMap::Tanh { scale, shift } => (true, scale, shift),
        OutputMap::Linear { scale, shift } => (false, scale, shift),
    };
    let (gain, offset) = (pick(|a| &a.scale.0, 1.0), pick(|a| &a.shift.0, 0.0));
    Finish { gain, offset, relu: conv.relu, tanh, scale, shift }
}

/// Planes of some rows of the last convolution's output.
pub(super) struct Planes<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) shape: Shape,
    pub(super) rows: Range<usize>,
}

impl Planes<'_> {
    fn row(&self, channel: usize, y: usize) -> Range<usize> {
        let start = (channel * self.rows.len() + y - self.rows.start) * self.shape.width;
        start..start + self.shape.width
    }

    /// Adds what is known of the values to three moments.
    pub(super) fn moments(&mut self, pool: &ComputePool, moments: &mut [Moment; 3]) {
        let rows = self.rows.len();
        let all = pool.map_chunks(self.values, self.shape.width, |_, row| {
            let count = row.len() as f64;
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            Moment { count, mean, deviations: row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum() }
        });
        for (i, row) in all.iter().enumerate() {
            moments[i / rows].merge(row);
        }
    }

    /// Finishes the rows and stores those of the photo; returns whether all their values were finite.
    pub(super) fn store(
        self,
        pool: &ComputePool,
        finish: &Finish,
        plan: &Plan,
        margin: usize,
        painting: &mut Painting<'_>,
    ) -> bool {
        let width = plan.width;
        let visible = self.rows.start.max(margin)..self.rows.end.min(margin + plan.height);
        if visible.is_empty() {
            return true;
        }
        let (first, last) = (visible.start - margin, visible.end - margin);
        let row = |channel: usize, y: usize| {
            let range = self.row(channel, y + margin);
            &self.values[range.start + margin..range.start + margin + width]
        };
        let finite = match painting {
            Painting::Rgb8(bytes) => {
                pool.map_chunks(&mut bytes[first * width * 3..last * width * 3], width * 3, |i, texels| {
                    let mut values = vec![0.0; width];
                    let mut finite = true;
                    for c in 0..3 {
                        values.copy_from_slice(row(c, first + i));
                        finite &= finish.apply(pool, c, &mut values);
                        for (texel, v) in texels.as_chunks_mut::<3>().0.iter_mut().zip(&values) {
                            texel[c] = (v * 255.0 + 0.5) as u8;
                        }
                    }
                    finite
                })
            }
            Painting::Planar(values) => values
                .chunks_exact_mut(width * plan.height)
                .enumerate()
                .flat_map(|(c, plane)| {
                    pool.map_chunks(&mut plane[first * width..last * width], width, |i, to| {
                        to.copy_from_slice(row(c, first + i));
                        finish.apply(pool, c, to)
                    })
                })
                .collect(),
        };
        finite.into_iter().all(|finite| finite)
    }
}
