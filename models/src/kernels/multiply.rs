//! The matrix products inside the convolutions: a tile of outputs kept in registers.

use super::simd::{Block, LANES, Simd};

/// Rows of a register tile: 14 rows by 2 vectors and 32 registers, or 6 rows by 2 half vectors and 16.
#[inline(always)]
pub(crate) fn max_rows<S: Simd>() -> usize {
    if S::WIDE { 14 } else { 6 }
}

/// Calls `$f::<S, rows, …>` for a number of rows that [`tile_rows`] gave.
macro_rules! with_rows {
    ($rows:expr, $f:ident::<$s:ident, _ $(, $generic:tt)*>($($argument:expr),* $(,)?)) => {
        match $rows {
            1 => $f::<$s, 1 $(, $generic)*>($($argument),*),
            2 => $f::<$s, 2 $(, $generic)*>($($argument),*),
            4 => $f::<$s, 4 $(, $generic)*>($($argument),*),
            6 => $f::<$s, 6 $(, $generic)*>($($argument),*),
            8 if S::WIDE => $f::<$s, 8 $(, $generic)*>($($argument),*),
            10 if S::WIDE => $f::<$s, 10 $(, $generic)*>($($argument),*),
            12 if S::WIDE => $f::<$s, 12 $(, $generic)*>($($argument),*),
            14 if S::WIDE => $f::<$s, 14 $(, $generic)*>($($argument),*),
            _ => unreachable!("`tile_rows` gives even numbers up to the largest, and 1"),
        }
    };
}
pub(crate) use with_rows;

/// Returns the rows of the next register tile when `count` rows are left: tiles of nearly equal size, of few sizes, since
/// each is compiled on its own.
#[inline(always)]
pub(crate) fn tile_rows<S: Simd>(count: usize) -> usize {
    if count < 2 {
        return count;
    }
    let tiles = count.div_ceil(max_rows::<S>());
    count.div_ceil(tiles).next_multiple_of(2).min(count / 2 * 2)
}

/// Rows of channels times a matrix: `out[kb][t] = sum over c of rows[c / 16][t][c % 16] * matrix[c][kb]`.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// `[input blocks][stride]` blocks, of which the first `count` of each are rows.
    pub(crate) rows: &'a [Block],
    /// Packed by [`pack`].
    pub(crate) matrix: &'a [Block],
    pub(crate) count: usize,
    pub(crate) stride: usize,
    pub(crate) input_blocks: usize,
    pub(crate) output_blocks: usize,
}

impl Product<'_> {
    /// Writes the product to `out`, `[output blocks][stride]`.
    #[inline(always)]
    pub(crate) fn run<S: Simd>(self, simd: S, out: &mut [Block]) {
        for kb in (0..self.output_blocks).step_by(2) {
            let matrix = &self.matrix[kb * self.input_blocks * LANES..];
            let out = &mut out[kb * self.stride..];
            let mut t = 0;
            while t < self.count {
                let (rows, out) = (&self.rows[t..], &mut out[t..]);
                let many = tile_rows::<S>(self.count - t);
                t += many;
                if kb + 1 == self.output_blocks {
                    with_rows!(many, tile::<S, _, 1, 1>(simd, self, rows, matrix, 0, out));
                } else if S::WIDE {
                    with_rows!(many, tile::<S, _, 2, 2>(simd, self, rows, matrix, 0, out));
                } else {
                    with_rows!(many, tile::<S, _, 1, 2>(simd, self, rows, matrix, 0, out));
                    with_rows!(many, tile::<S, _, 1, 2>(simd, self, rows, matrix, 1, &mut out[self.stride..]));
                }
            }
        }
    }
}

/// How many groups of the matrix are asked for before they are needed: a large one comes from the processor's last cache,
/// and a group is multiplied in about a dozen cycles.
const AHEAD: usize = 32;

/// `R` rows by `N` vectors, from a matrix in groups of `G` vectors, beginning with vector `first` of each group.
#[inline(always)]
fn tile<S: Simd, const R: usize, const N: usize, const G: usize>(
    simd: S,
    product: Product<'_>,
    rows: &[Block],
    matrix: &[Block],
    first: usize,
    out: &mut [Block],
) {
    let mut sums = [[simd.zero(); N]; R];
    let (matrix, _) = matrix.as_chunks::<G>();
    let (matrix, _) = matrix.as_chunks::<LANES>();
    for (cb, matrix) in matrix.iter().enumerate().take(product.input_blocks) {
        let following = rows.as_ptr().wrapping_add((cb + 1) * product.stride);
        let rows: &[Block; R] = rows[cb * product.stride..].first_chunk().expect("a tile lies within the rows");
        for (i, group) in matrix.iter().enumerate() {
            let ahead = group.as_ptr().wrapping_add(AHEAD * G);
            for n in 0..G {
                simd.prefetch(ahead.wrapping_add(n));
            }
            if i < R {
                simd.prefetch(following.wrapping_add(i));
            }
            let mut vectors = [simd.zero(); N];
            for (n, v) in vectors.iter_mut().enumerate() {
                *v = simd.load(&group[first + n]);
            }
            for r in 0..R {
                let x = simd.splat(rows[r].0[i]);
                for n in 0..N {
                    sums[r][n] = simd.mul_add(x, vectors[n], sums[r][n]);
                }
            }
        }
    }
    for n in 0..N {
        let out: &mut [Block; R] = out[n * product.stride..].first_chunk_mut().expect("a tile lies within the output");
        for r in 0..R {
            simd.store(sums[r][n], &mut out[r]);
        }
    }
}

/// Returns the block of a packed matrix, `inputs` rows a group, that holds row `c` of output block `kb`.
///
/// Output blocks come in pairs, the last one alone where their number is odd: `[pair][c][1 or 2]`.
#[inline(always)]
pub(crate) fn packed_index(inputs: usize, output_blocks: usize, c: usize, kb: usize) -> usize {
    let pair = kb & !1;
    let group = 2.min(output_blocks - pair);
    pair * inputs + c * group + (kb - pair)
}
