//! What a convolution reads, and how: the norm of the layer before is applied on the way in, and the border is made up.

use std::ops::Range;

use super::layout::Shape;
use super::simd::{Block, LANES, Simd};
use crate::network::reflect;

/// Scale and shift of one channel block: `x * scale + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factors.
    pub scale: Block,
    /// Summands.
    pub shift: Block,
}

/// What happens to each value on its way into a convolution.
#[derive(Clone, Copy, Debug)]
pub enum Prelude<'a> {
    /// Nothing.
    Plain,
    /// The norm of the layer before, one [`Affine`] a picture and channel block.
    Norm(&'a [Affine]),
    /// That norm, and `ReLU`.
    NormRelu(&'a [Affine]),
}

/// What stands beyond the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Zeros.
    Zero,
    /// The picture, mirrored without repeating its edge.
    Reflect,
    /// The pixel at the edge, over and over: what mirroring makes of a picture whose pixels all stand twice.
    Edge,
}

/// How the picture grows before it is convolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Not at all.
    None,
    /// Every pixel repeated this many times in both directions.
    Nearest(usize),
    /// Bilinear by this factor, pixel centres at halves, clamped at the border.
    Bilinear(usize),
}

impl Growth {
    /// Returns the factor.
    #[must_use]
    pub fn factor(self) -> usize {
        match self {
            Self::None => 1,
            Self::Nearest(factor) | Self::Bilinear(factor) => factor,
        }
    }
}

/// A blocked tensor as the input of a convolution; perhaps only some of its rows are at hand.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The blocks of the rows at hand.
    pub blocks: &'a [Block],
    /// The sides of the whole tensor.
    pub shape: Shape,
    /// The first row at hand.
    pub first_row: usize,
    /// How many rows are at hand.
    pub rows: usize,
    /// What happens to each value first.
    pub prelude: Prelude<'a>,
}

impl<'a> Source<'a> {
    /// Takes a whole tensor as it is.
    #[must_use]
    pub fn whole(blocks: &'a [Block], shape: Shape) -> Self {
        Self { blocks, shape, first_row: 0, rows: shape.height, prelude: Prelude::Plain }
    }

    /// Returns the row `y` of a channel block.
    #[inline(always)]
    pub(crate) fn row(&self, n: usize, cb: usize, y: usize) -> &'a [Block] {
        let plane = (n * self.shape.channel_blocks() + cb) * self.rows;
        let start = (plane + y - self.first_row) * self.shape.width;
        &self.blocks[start..start + self.shape.width]
    }

    /// Returns the affine of a channel block, where there is a norm.
    #[inline(always)]
    pub(crate) fn affine(&self, n: usize, cb: usize) -> Option<&'a Affine> {
        match self.prelude {
            Prelude::Plain => None,
            Prelude::Norm(affine) | Prelude::NormRelu(affine) => Some(&affine[n * self.shape.channel_blocks() + cb]),
        }
    }
}

/// Applies a prelude to sixteen channels.
pub(crate) trait Modifier<S: Simd>: Copy {
    fn apply(self, simd: S, v: S::V) -> S::V;
}

/// Nothing.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

/// Scale and shift, then `ReLU` if `RELU`.
#[derive(Clone, Copy)]
pub(crate) struct Normed<V, const RELU: bool> {
    scale: V,
    shift: V,
}

impl<V: Copy, const RELU: bool> Normed<V, RELU> {
    #[inline(always)]
    pub(crate) fn new<S: Simd<V = V>>(simd: S, affine: &Affine) -> Self {
        Self { scale: simd.load(&affine.scale), shift: simd.load(&affine.shift) }
    }
}

impl<S: Simd> Modifier<S> for Plain {
    #[inline(always)]
    fn apply(self, _: S, v: S::V) -> S::V {
        v
    }
}

impl<S: Simd, const RELU: bool> Modifier<S> for Normed<S::V, RELU> {
    #[inline(always)]
    fn apply(self, simd: S, v: S::V) -> S::V {
        let v = simd.mul_add(v, self.scale, self.shift);
        if RELU { simd.relu(v) } else { v }
    }
}

/// Returns the index of `0..side` that stands at `index`, or `None` where a border of zeros does.
#[inline(always)]
pub(crate) fn at(border: Border, index: isize, side: usize) -> Option<usize> {
    if (0..side as isize).contains(&index) {
        return Some(index as usize);
    }
    match border {
        Border::Zero => None,
        Border::Reflect => Some(reflect(index, side)),
        Border::Edge => Some(if index < 0 { 0 } else { side - 1 }),
    }
}

/// The part of an enlarged, bordered tensor that a task needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) growth: Growth,
    pub(crate) border: Border,
    /// Top row, in coordinates of the enlarged tensor.
    pub(crate) top: isize,
    pub(crate) left: isize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Columns are stored by their remainder by this, so that every `step`-th stands next to each other.
    pub(crate) step: usize,
}

/// One or two neighbours with their weights: where a row or column of an enlarged tensor comes from.
#[derive(Clone, Copy)]
struct Sample {
    near: usize,
    far: usize,
    weight: f32,
}

fn sample(growth: Growth, border: Border, index: isize, side: usize) -> Option<Sample> {
    let index = at(border, index, side * growth.factor())?;
    Some(match growth {
        Growth::None => Sample { near: index, far: index, weight: 0.0 },
        Growth::Nearest(factor) => Sample { near: index / factor, far: index / factor, weight: 0.0 },
        Growth::Bilinear(factor) => {
            let position = ((index as f32 + 0.5) / factor as f32 - 0.5).max(0.0);
            let near = (position as usize).min(side - 1);
            Sample { near, far: (near + 1).min(side - 1), weight: position - near as f32 }
        }
    })
}

impl Window {
    /// Returns the two pixels (which may be one) of `0..side` that stand at an index of the enlarged and bordered side,
    /// and how much each counts.
    pub(crate) fn samples(&self, index: isize, side: usize) -> [(usize, f32); 2] {
        sample(self.growth, self.border, index, side)
            .map_or([(0, 0.0); 2], |s| [(s.near, 1.0 - s.weight), (s.far, s.weight)])
    }

    /// Returns the number of pixels that a row takes: its columns, every remainder filled up to the same number.
    #[inline(always)]
    pub(crate) fn row_pixels(&self) -> usize {
        self.width.next_multiple_of(self.step)
    }

    /// Returns how many pixels the window takes.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.row_pixels()
    }

    /// Returns where a column stands in its row.
    #[inline(always)]
    pub(crate) fn place(&self, column: usize) -> usize {
        column % self.step * self.width.div_ceil(self.step) + column / self.step
    }

    /// Returns the rows of a source of that height that the window reads, or an empty range when it reads none.
    pub(crate) fn source_rows(&self, side: usize) -> Range<usize> {
        let mut range: Option<Range<usize>> = None;
        for y in 0..self.height {
            if let Some(s) = sample(self.growth, self.border, self.top + y as isize, side) {
                let r = range.get_or_insert(s.near..s.near + 1);
                *r = r.start.min(s.near)..r.end.max(s.far + 1);
            }
        }
        range.unwrap_or(0..0)
    }

    /// Copies one channel block of a source into `out`, `[height][row pixels]`, prelude applied, border made up.
    #[inline(always)]
    pub(crate) fn gather<S: Simd>(&self, simd: S, source: &Source<'_>, n: usize, cb: usize, out: &mut [Block]) {
        match (source.prelude, source.affine(n, cb)) {
            (Prelude::NormRelu(_), Some(affine)) => {
                self.gather_with(simd, source, n, cb, out, Normed::<_, true>::new(simd, affine));
            }
            (_, Some(affine)) => self.gather_with(simd, source, n, cb, out, Normed::<_, false>::new(simd, affine)),
            (_, None) => self.gather_with(simd, source, n, cb, out, Plain),
        }
    }

    #[inline(always)]
    fn gather_with<S: Simd>(
        &self,
        simd: S,
        source: &Source<'_>,
        n: usize,
        cb: usize,
        out: &mut [Block],
        modifier: impl Modifier<S>,
    ) {
        for (y, line) in out.chunks_exact_mut(self.row_pixels()).enumerate().take(self.height) {
            let Some(s) = sample(self.growth, self.border, self.top + y as isize, source.shape.height) else {
                line.fill(Block::ZERO);
                continue;
            };
            let (near, far) = (source.row(n, cb, s.near), source.row(n, cb, s.far));
            self.gather_row(simd, [near, far], s.weight, line, modifier);
        }
    }

    #[inline(always)]
    fn gather_row<S: Simd>(
        &self,
        simd: S,
        [near, far]: [&[Block]; 2],
        weight: f32,
        line: &mut [Block],
        modifier: impl Modifier<S>,
    ) {
        let side = near.len();
        let mut x = 0;
        while x < self.width {
            let index = self.left + x as isize;
            if self.growth == Growth::None && (0..side as isize).contains(&index) {
                let run = (side - index as usize).min(self.width - x);
                let from = &near[index as usize..index as usize + run];
                self.copy(simd, from, x, line, modifier);
                x += run;
                continue;
            }
            let v = match sample(self.growth, self.border, index, side) {
                None => simd.zero(),
                Some(s) => {
                    let mut rows = [simd.zero(); 2];
                    for (v, row) in rows.iter_mut().zip([near, far]) {
                        let a = modifier.apply(simd, simd.load(&row[s.near]));
                        let b = modifier.apply(simd, simd.load(&row[s.far]));
                        *v = simd.mul_add(simd.splat(s.weight), simd.sub(b, a), a);
                    }
                    simd.mul_add(simd.splat(weight), simd.sub(rows[1], rows[0]), rows[0])
                }
            };
            simd.store(v, &mut line[self.place(x)]);
            x += 1;
        }
    }

    /// Copies neighbouring pixels to the columns from `x`.
    #[inline(always)]
    fn copy<S: Simd>(&self, simd: S, from: &[Block], x: usize, line: &mut [Block], modifier: impl Modifier<S>) {
        if self.step == 1 {
            for (to, from) in line[x..x + from.len()].iter_mut().zip(from) {
                simd.store(modifier.apply(simd, simd.load(from)), to);
            }
            return;
        }
        for remainder in 0..self.step.min(from.len()) {
            let to = line[self.place(x + remainder)..].iter_mut();
            for (to, from) in to.zip(from[remainder..].iter().step_by(self.step)) {
                simd.store(modifier.apply(simd, simd.load(from)), to);
            }
        }
    }
}

/// A photo as the input of the first convolution: RGB, mapped to what the network was trained on.
#[derive(Clone, Copy, Debug)]
pub struct Photo<'a> {
    /// Its pixels.
    pub pixels: Pixels<'a>,
    /// Its width.
    pub width: usize,
    /// For each row that the convolution sees, the photo's row that it shows.
    pub rows: &'a [usize],
    /// For each column that the convolution sees, the photo's column that it shows.
    pub columns: &'a [usize],
    /// Factor of R, G and B (which are 0..1).
    pub scale: [f32; 3],
    /// Summand of R, G and B.
    pub shift: [f32; 3],
}

/// Pixels of a photo.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Interleaved bytes, 0..255.
    Rgb8(&'a [u8]),
    /// Three planes of 0..1.
    Planar(&'a [f32]),
}

impl Photo<'_> {
    /// Copies a window into `out`, `[height][row pixels][FEW]`.
    pub(crate) fn gather(&self, window: &Window, out: &mut [[f32; FEW]]) {
        let columns: Vec<_> = (0..window.width)
            .map(|x| at(window.border, window.left + x as isize, self.columns.len()).map(|x| self.columns[x]))
            .collect();
        for (y, line) in out.chunks_exact_mut(window.row_pixels()).enumerate().take(window.height) {
            match at(window.border, window.top + y as isize, self.rows.len()) {
                None => line.fill([0.0; FEW]),
                Some(row) => self.gather_row(self.rows[row], &columns, window, line),
            }
        }
    }

    fn gather_row(&self, row: usize, columns: &[Option<usize>], window: &Window, line: &mut [[f32; FEW]]) {
        let start = row * self.width;
        for (i, column) in columns.iter().enumerate() {
            let texel = &mut line[window.place(i)];
            let Some(x) = column else {
                *texel = [0.0; FEW];
                continue;
            };
            let rgb = match self.pixels {
                Pixels::Rgb8(bytes) => {
                    let texel = &bytes[(start + x) * 3..][..3];
                    [0, 1, 2].map(|c| f32::from(texel[c]) * (1.0 / 255.0))
                }
                Pixels::Planar(values) => [0, 1, 2].map(|c| values[c * (values.len() / 3) + start + x]),
            };
            for c in 0..3 {
                texel[c] = rgb[c] * self.scale[c] + self.shift[c];
            }
        }
    }
}

/// Floats that a pixel of few channels takes in a gathered window.
pub(crate) const FEW: usize = 4;

/// Returns the number of floats that a pixel of a gathered window takes: few channels are packed.
pub(crate) fn packed_lanes(channels: usize) -> usize {
    if channels <= FEW { FEW } else { LANES }
}
