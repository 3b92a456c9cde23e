//! Plain loops in f64, and tensors to feed them.

use crate::kernels::layout::{Shape, from_blocked, to_blocked};
use crate::kernels::{Backend, Block, ComputePool};

/// Reproducible numbers, about normal.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count).map(|_| ((0..4).map(|_| uniform()).sum::<f32>() - 2.0) * 1.732).collect()
}

/// Pools of every backend that this processor has.
pub(crate) fn pools() -> Vec<ComputePool> {
    Backend::available().into_iter().map(|b| ComputePool::with_backend(2, b).unwrap()).collect()
}

pub(crate) fn blocked(pool: &ComputePool, shape: Shape, values: &[f32]) -> Vec<Block> {
    let mut blocks = vec![Block([f32::NAN; 16]); shape.blocks()];
    to_blocked(pool, shape, values, &mut blocks);
    blocks
}

pub(crate) fn planar(pool: &ComputePool, shape: Shape, blocks: &[Block]) -> Vec<f32> {
    let mut values = vec![f32::NAN; shape.elements()];
    from_blocked(pool, shape, blocks, &mut values);
    values
}

/// Relative L2 distance.
pub(crate) fn distance(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let (mut error, mut norm) = (0.0, 0.0);
    for (a, b) in found.iter().zip(expected) {
        error += (f64::from(*a) - b).powi(2);
        norm += b * b;
    }
    (error / norm.max(1e-30)).sqrt()
}

/// A convolution as plainly as can be said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plainly {
    pub(crate) shape: Shape,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) repeat: usize,
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) reflect: bool,
}

impl Plainly {
    pub(crate) fn output(&self) -> Shape {
        let side = |s: usize| (s * self.repeat + self.before + self.after - self.kernel) / self.stride + 1;
        Shape { channels: self.outputs, height: side(self.shape.height), width: side(self.shape.width), ..self.shape }
    }

    /// Calls `f(output index, input index, kernel index)` for every product.
    pub(crate) fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (shape, out, k) = (self.shape, self.output(), self.kernel);
        let find = |o: usize, t: usize, side: usize| -> Option<usize> {
            let side = side * self.repeat;
            let index = (o * self.stride + t) as isize - self.before as isize;
            if (0..side as isize).contains(&index) {
                return Some(index as usize / self.repeat);
            }
            self.reflect.then(|| crate::network::reflect(index, side) / self.repeat)
        };
        for n in 0..shape.batch {
            for (o, c) in (0..self.outputs).flat_map(|o| (0..shape.channels).map(move |c| (o, c))) {
                for (y, x) in (0..out.height).flat_map(|y| (0..out.width).map(move |x| (y, x))) {
                    for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                        let (Some(iy), Some(ix)) = (find(y, ky, shape.height), find(x, kx, shape.width)) else {
                            continue;
                        };
                        let output = ((n * self.outputs + o) * out.height + y) * out.width + x;
                        let input = ((n * shape.channels + c) * shape.height + iy) * shape.width + ix;
                        f(output, input, ((o * shape.channels + c) * k + ky) * k + kx);
                    }
                }
            }
        }
    }

    pub(crate) fn forward(&self, input: &[f32], kernel: &[f32]) -> Vec<f64> {
        let mut out = vec![0.0; self.output().elements()];
        self.each(|o, i, k| out[o] += f64::from(input[i]) * f64::from(kernel[k]));
        out
    }

    pub(crate) fn input_gradient(&self, gradient: &[f32], kernel: &[f32]) -> Vec<f64> {
        let mut out = vec![0.0; self.shape.elements()];
        self.each(|o, i, k| out[i] += f64::from(gradient[o]) * f64::from(kernel[k]));
        out
    }

    pub(crate) fn kernel_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f64> {
        let mut out = vec![0.0; self.outputs * self.shape.channels * self.kernel * self.kernel];
        self.each(|o, i, k| out[k] += f64::from(input[i]) * f64::from(gradient[o]));
        out
    }
}
