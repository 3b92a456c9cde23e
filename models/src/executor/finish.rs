//! From the last convolution's planes to the painting.

use std::ops::Range;

use super::{Painting, Plan};
use crate::kernels::ComputePool;
use crate::kernels::disjoint::Disjoint;
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
    pub(super) fn moments(&self, pool: &ComputePool, moments: &mut [Moment; 3]) {
        let mut all = vec![Moment::default(); 3 * self.rows.len()];
        let slots = Disjoint::new(&mut all);
        pool.for_each(3 * self.rows.len(), |i| {
            let row = &self.values[self.row(i % 3, self.rows.start + i / 3)];
            let count = row.len() as f64;
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            let deviations = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
            // SAFETY: each task has a slot of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint slots")]
            let slot = unsafe { slots.range(i..i + 1) };
            slot[0] = Moment { count, mean, deviations };
        });
        for (i, row) in all.iter().enumerate() {
            moments[i % 3].merge(row);
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
        let finite = std::sync::atomic::AtomicBool::new(true);
        let (width, picture) = (plan.width, plan.width * plan.height);
        let rows: Vec<_> = self.rows.clone().filter(|y| (margin..margin + plan.height).contains(y)).collect();
        let ranges: Vec<_> = rows.iter().map(|y| [0, 1, 2].map(|c| self.row(c, *y))).collect();
        let values = Disjoint::new(self.values);
        let out = Out::new(painting);
        pool.for_each(rows.len(), |i| {
            let y = rows[i] - margin;
            let planes = ranges[i].clone().map(|range| {
                // SAFETY: each row is finished by one task.
                #[expect(unsafe_code, reason = "tasks write disjoint rows")]
                let row = unsafe { values.range(range.start + margin..range.start + margin + width) };
                row
            });
            for (c, row) in planes.into_iter().enumerate() {
                if !finish.apply(pool, c, row) {
                    finite.store(false, std::sync::atomic::Ordering::Relaxed);
                }
                out.store(c, y, width, picture, row);
            }
        });
        finite.into_inner()
    }
}

/// The painting as tasks see it.
enum Out<'a> {
    Rgb8(Disjoint<'a, u8>),
    Planar(Disjoint<'a, f32>),
}

impl<'a> Out<'a> {
    fn new(painting: &'a mut Painting<'_>) -> Self {
        match painting {
            Painting::Rgb8(bytes) => Self::Rgb8(Disjoint::new(bytes)),
            Painting::Planar(values) => Self::Planar(Disjoint::new(values)),
        }
    }

    fn store(&self, channel: usize, y: usize, width: usize, picture: usize, row: &[f32]) {
        match self {
            Self::Planar(values) => {
                let start = channel * picture + y * width;
                // SAFETY: each row is stored by one task.
                #[expect(unsafe_code, reason = "tasks write disjoint rows")]
                let to = unsafe { values.range(start..start + width) };
                to.copy_from_slice(row);
            }
            Self::Rgb8(bytes) => {
                // SAFETY: each row, with all its channels, is stored by one task.
                #[expect(unsafe_code, reason = "tasks write disjoint rows")]
                let to = unsafe { bytes.range(y * width * 3..(y + 1) * width * 3) };
                for (texel, v) in to.as_chunks_mut::<3>().0.iter_mut().zip(row) {
                    texel[channel] = (v * 255.0 + 0.5) as u8;
                }
            }
        }
    }
}
