//! The matrix unit of newer Intel processors (AMX): 16 by 16 sums of products of bfloat16 by one instruction.
//!
//! A float is kept as two halves, `hi = bf16(x)` and `lo = bf16(x - hi)`, which together have 16 of its 24 significant bits.
//! Of the four products of two such numbers three are summed, in floats; `lo * lo` is as small as what the halves leave out.
//! The three take a fifth of the time of the vector unit's one.
//!
//! A convolution of normal numbers has a relative error of 4.4e-6, whatever its channels. Winograd's algorithm in floats has
//! 1.2e-6 with 32 channels and as much with 512. That is plenty for a painting. Where a gradient is to follow, sums near zero
//! decide by their last digits whether a `ReLU` closes and which pixel is the maximum, which moves the gradient by the root of
//! the error: a network in training, and what VGG sees with few channels, stay with floats.

use std::marker::PhantomData;

use half::bf16;

use super::simd::{Backend, Block, LANES};

#[cfg(target_arch = "x86_64")]
mod amx;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::Amx;

/// Channels that are multiplied at once.
pub(crate) const GROUP: usize = 32;
/// Pixels of a tile, and output channels of one.
pub(crate) const SIDE: usize = LANES;

/// [`GROUP`] channels of one pixel.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Pixel {
    hi: [bf16; GROUP],
    lo: [bf16; GROUP],
}

/// One half of the kernel of [`GROUP`] inputs and [`SIDE`] outputs: `[pair of inputs][output][2]`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Matrix([[bf16; 2 * SIDE]; GROUP / 2]);

impl Matrix {
    pub(crate) const ZERO: Self = Self([[bf16::ZERO; 2 * SIDE]; GROUP / 2]);

    pub(crate) fn set(&mut self, input: usize, output: usize, value: bf16) {
        self.0[input / 2][2 * output + input % 2] = value;
    }

    fn get(&self, input: usize, output: usize) -> f32 {
        self.0[input / 2][2 * output + input % 2].to_f32()
    }
}

/// Returns both halves of a number.
pub(crate) fn halves(x: f32) -> [bf16; 2] {
    let hi = bf16::from_f32(x);
    [hi, bf16::from_f32(x - hi.to_f32())]
}

/// Views blocks as the pixels they have room for, to be written.
pub(crate) fn pixels_mut(blocks: &mut [Block]) -> &mut [Pixel] {
    // SAFETY: two blocks are as large as a pixel and aligned as strictly; every bit pattern is a valid pixel.
    #[expect(unsafe_code, reason = "a view of the same memory")]
    let (_, pixels, _) = unsafe { blocks.align_to_mut() };
    pixels
}

/// How exact a convolution is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Floats throughout.
    Floats,
    /// Halves where that is faster: on a matrix unit, with channels enough to fill it.
    Halves,
}

impl Precision {
    /// Returns whether a convolution of that many channels is computed in halves on this machine.
    pub(crate) fn is_halved(self, inputs: usize, outputs: usize) -> bool {
        let has_unit = || Backend::best().matrix_unit() != MatrixUnit::Portable;
        self == Self::Halves && inputs >= GROUP && outputs >= SIDE && has_unit()
    }
}

/// What computes: the matrix unit, or plain Rust from the same halves, the tests' oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatrixUnit {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Amx(Amx),
}

/// Sums over groups of channels and taps of pixels times matrices.
pub(crate) struct Sum<'a, const N: usize> {
    pub(crate) pixels: &'a [Pixel],
    /// Where the pixels of each group and tap begin, relative to those of a tile.
    pub(crate) offsets: &'a [usize],
    /// For each offset, the low halves of `N` matrices, then the high ones.
    pub(crate) kernel: &'a [Matrix],
    /// The first pixel of each tile.
    pub(crate) tiles: [usize; 2],
}

impl MatrixUnit {
    /// Splits pixels, each given as two blocks of channels.
    pub(crate) fn split(self, even: &[Block], odd: &[Block], out: &mut [Pixel]) {
        match self {
            Self::Portable => {
                for ((even, odd), out) in even.iter().zip(odd).zip(out) {
                    for (c, x) in even.0.iter().chain(&odd.0).enumerate() {
                        [out.hi[c], out.lo[c]] = halves(*x);
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx(amx) => amx.split(even, odd, out),
        }
    }

    /// Makes the unit ready for the calling thread, until the answer is dropped.
    pub(crate) fn ready(self) -> Ready {
        #[cfg(target_arch = "x86_64")]
        if let Self::Amx(amx) = self {
            amx.configure();
        }
        Ready { unit: self, of_this_thread: PhantomData }
    }
}

/// A unit that is ready for one thread.
pub(crate) struct Ready {
    unit: MatrixUnit,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Ready {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if let MatrixUnit::Amx(amx) = self.unit {
            amx.release();
        }
    }
}

impl Ready {
    /// Sums for two tiles of pixels: `out[tile][block of outputs][pixel]`.
    pub(crate) fn sum<const N: usize>(&self, sum: &Sum<'_, N>, out: &mut [[[Block; SIDE]; N]; 2]) {
        assert_eq!(sum.kernel.len(), sum.offsets.len() * 2 * N, "each offset has its matrices");
        let farthest = sum.offsets.iter().max().map_or(0, |most| most + sum.tiles[0].max(sum.tiles[1]) + SIDE);
        assert!(farthest <= sum.pixels.len(), "all tiles lie within the pixels");
        match self.unit {
            MatrixUnit::Portable => sum.plainly(out),
            #[cfg(target_arch = "x86_64")]
            MatrixUnit::Amx(amx) => amx.sum(sum, out),
        }
    }
}

impl<const N: usize> Sum<'_, N> {
    fn plainly(&self, out: &mut [[[Block; SIDE]; N]; 2]) {
        for (tile, out) in self.tiles.iter().zip(out) {
            *out = [[Block::ZERO; SIDE]; N];
            for (offset, matrices) in self.offsets.iter().zip(self.kernel.chunks_exact(2 * N)) {
                for (r, pixel) in self.pixels[tile + offset..][..SIDE].iter().enumerate() {
                    for (n, out) in out.iter_mut().enumerate() {
                        let (low, high) = (&matrices[n], &matrices[N + n]);
                        for (k, sum) in out[r].0.iter_mut().enumerate() {
                            for c in 0..GROUP {
                                let (hi, lo) = (pixel.hi[c].to_f32(), pixel.lo[c].to_f32());
                                *sum += hi * low.get(c, k) + lo * high.get(c, k) + hi * high.get(c, k);
                            }
                        }
                    }
                }
            }
        }
    }
}
