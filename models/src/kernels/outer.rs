//! Sums of outer products over pixels: `sum[r][k] += x[pixel][r] * y[pixel][k]`, the heart of Gram matrices and of the
//! gradients of kernels.

use super::simd::{Block, Simd};

/// Rows of a register tile.
pub(crate) const ROWS: usize = 8;

/// Adds the products of all pixels to `sums`: the lanes `first..first + 8` of `x` by `N` blocks of `y`.
///
/// `y` is `N` runs of pixels that lie `stride` blocks apart.
#[inline(always)]
pub(crate) fn outer<S: Simd, const N: usize>(
    simd: S,
    x: &[Block],
    first: usize,
    y: &[Block],
    stride: usize,
    sums: &mut [[Block; N]; ROWS],
) {
    if S::WIDE {
        tile::<S, 8, N>(simd, x, first, y, stride, sums);
        return;
    }
    let (quarters, _) = sums.as_chunks_mut::<2>();
    for (i, sums) in quarters.iter_mut().enumerate() {
        tile::<S, 2, N>(simd, x, first + 2 * i, y, stride, sums);
    }
}

#[inline(always)]
fn tile<S: Simd, const R: usize, const N: usize>(
    simd: S,
    x: &[Block],
    first: usize,
    y: &[Block],
    stride: usize,
    sums: &mut [[Block; N]],
) {
    let mut acc = [[simd.zero(); N]; R];
    for r in 0..R {
        for n in 0..N {
            acc[r][n] = simd.load(&sums[r][n]);
        }
    }
    let count = x.len();
    let (y0, y1) = (&y[..count], &y[(N - 1) * stride..(N - 1) * stride + count]);
    for p in 0..count {
        let lanes: &[f32; R] = x[p].0[first..].first_chunk().expect("a tile lies within the lanes");
        let mut vectors = [simd.load(&y0[p]); N];
        if N == 2 {
            vectors[1] = simd.load(&y1[p]);
        }
        for r in 0..R {
            let v = simd.splat(lanes[r]);
            for n in 0..N {
                acc[r][n] = simd.mul_add(v, vectors[n], acc[r][n]);
            }
        }
    }
    for r in 0..R {
        for n in 0..N {
            simd.store(acc[r][n], &mut sums[r][n]);
        }
    }
}
