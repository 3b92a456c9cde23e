//! 9x9 convolutions of stride 1 between a picture and channels: Winograd's F(3x3, 3x3) nested in a sum over tiles.
//!
//! A kernel of nine taps a side is three times three of three, `k[3a + r]`. With tiles of three outputs, what lies `3a`
//! further on is the tile `a` further on, so along one side
//!
//! ```text
//! y[3t + i] = sum over a, r of x[3(t + a) + i + r] * k[3a + r]
//! tile t of y = A' sum over a of (G k[a]) ∘ (B' tile t + a of x)
//! ```
//!
//! and in both directions, every tile of 5x5 inputs is transformed once and meets nine transformed kernels: 225 products
//! for nine outputs instead of 729. (The sum could be a Winograd convolution over tiles again, as in Jiang, Chen and Tsui
//! 2021; with so few channels its transforms would cost what it saves.)

mod from_few;
mod to_few;

pub(super) use from_few::FromFew;
pub(super) use to_few::ToFew;

use super::direct::Form;
use super::simd::Simd;
use super::source::Growth;

/// Side of the kernels that this is for.
const SIDE: usize = 9;
/// Side of an output tile, and of the kernels inside a kernel.
const TILE: usize = 3;
/// Kernels inside a kernel, and tiles that an output tile is made from, along one side.
const SPAN: usize = SIDE / TILE;
/// Side of an input tile.
const POINTS: usize = 5;
/// Products of one tile, column by column.
const PRODUCTS: usize = POINTS * POINTS;

/// Returns whether a convolution is one of these, apart from its channels.
pub(super) fn fits(form: Form, growth: Growth) -> bool {
    form.kernel == SIDE && form.stride == 1 && growth == Growth::None
}

/// Transforms the kernels inside a 9x9 kernel, row by row, each to its products (interpolation points 0, 1, -1, 2, inf).
fn kernel_transform(kernel: impl Fn(usize, usize) -> f32) -> [[f32; PRODUCTS]; SPAN * SPAN] {
    let line =
        |[a, b, c]: [f32; TILE]| [a / 2.0, -(a + b + c) / 2.0, -(a - b + c) / 6.0, (a + 2.0 * b + 4.0 * c) / 6.0, c];
    std::array::from_fn(|inner| {
        let (top, left) = (inner / SPAN * TILE, inner % SPAN * TILE);
        let rows: [_; TILE] = std::array::from_fn(|y| line(std::array::from_fn(|x| kernel(top + y, left + x))));
        let columns: [_; POINTS] = std::array::from_fn(|x| line(rows.map(|row| row[x])));
        std::array::from_fn(|product| columns[product / POINTS][product % POINTS])
    })
}

/// `B' d` of five inputs; of five that are equal, four are exactly zero, so that what is flat stays flat.
#[inline(always)]
fn input_line<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
    let (two, minus_two) = (s.splat(2.0), s.splat(-2.0));
    let (odd, step) = (s.sub(d[3], d[1]), s.sub(d[3], d[2]));
    [
        s.mul_add(two, s.sub(d[0], d[2]), odd),
        s.mul_add(minus_two, d[1], step),
        s.mul_add(two, s.sub(d[1], d[2]), step),
        odd,
        s.mul_add(minus_two, odd, s.sub(d[4], d[2])),
    ]
}

/// `A' m` of five sums.
#[inline(always)]
fn output_line<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; TILE] {
    let (both, between) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (two, four) = (s.splat(2.0), s.splat(4.0));
    [s.add(s.add(m[0], both), m[3]), s.mul_add(two, m[3], between), s.add(s.mul_add(four, m[3], both), m[4])]
}

/// Transforms the 5x5 sums of one tile back, `sum(product)` giving each.
#[inline(always)]
fn output_tile<S: Simd>(simd: S, sum: impl Fn(usize) -> S::V) -> [[S::V; TILE]; TILE] {
    let mut columns = [[simd.zero(); TILE]; POINTS];
    for (x, half) in columns.iter_mut().enumerate() {
        let mut column = [simd.zero(); POINTS];
        for (y, v) in column.iter_mut().enumerate() {
            *v = sum(x * POINTS + y);
        }
        *half = output_line(simd, column);
    }
    let [a, b, c, d, e] = columns;
    let mut tile = [[simd.zero(); TILE]; TILE];
    for (y, line) in tile.iter_mut().enumerate() {
        *line = output_line(simd, [a[y], b[y], c[y], d[y], e[y]]);
    }
    tile
}
