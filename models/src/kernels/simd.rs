//! Sixteen floats at a time: one trait, three backends, chosen when the program runs.
//!
//! A kernel is written once, generic over `Simd`, and handed to `Backend::run`, which compiles it three times. The
//! values of the backend types are proofs: `Avx512` and `Avx2` can only be had from a check of the processor, so the
//! trait's methods are safe to call.

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use super::matrix_unit::Amx;
use super::matrix_unit::MatrixUnit;

/// The unit of the blocked layout: sixteen channels of one pixel, a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Block(pub [f32; LANES]);

/// Channels in a [`Block`].
pub const LANES: usize = 16;

impl Block {
    /// All zero.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Views blocks as the floats they are made of.
#[must_use]
pub fn floats(blocks: &[Block]) -> &[f32] {
    // SAFETY: `Block` is `repr(C)` around `[f32; 16]`, 64 bytes without padding, and aligned more strictly than `f32`.
    #[expect(unsafe_code, reason = "a view of the same memory")]
    unsafe {
        std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * LANES)
    }
}

/// Views blocks as the floats they are made of, to be written.
pub fn floats_mut(blocks: &mut [Block]) -> &mut [f32] {
    // SAFETY: as in `floats`; the borrow is exclusive, and every bit pattern is a valid `f32`.
    #[expect(unsafe_code, reason = "a view of the same memory")]
    unsafe {
        std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * LANES)
    }
}

/// Arithmetic on sixteen lanes.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Sixteen floats in registers.
    type V: Copy;
    /// Whether there are 32 registers of 16 lanes, so that a tile of 14 rows by 2 vectors stays in them.
    const WIDE: bool;
    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Block) -> Self::V;
    fn store(self, v: Self::V, to: &mut Block);
    /// Asks for a cache line that will be read soon. Any address will do, also one where nothing is.
    #[inline(always)]
    fn prefetch(self, _from: *const Block) {}
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `max(v, 0)`, which keeps a NaN.
    fn relu(self, v: Self::V) -> Self::V;
    /// The larger of two that are not NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `v` where `gate > 0`, else 0.
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V;
    /// Writes the sums of the lanes of each vector to the lanes of one: lane `i` is the sum of `rows[i]`.
    fn sums(self, rows: &[Self::V; LANES]) -> Self::V;
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// A computation generic over the backend; `run` must be `#[inline(always)]`, as must everything in its hot loops.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Which instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Plain Rust: every processor, and the oracle of the tests.
    Portable(Portable),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
}

impl Backend {
    /// Returns what this processor can do, the fastest first, the portable one last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut backends = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            backends.extend(x86::Avx512::detect().map(Self::Avx512));
            backends.extend(x86::Avx2::detect().map(Self::Avx2));
        }
        backends.push(Self::Portable(Portable));
        backends
    }

    /// Returns the fastest backend of this processor.
    #[must_use]
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Returns the name that benches and logs show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) if Amx::detect().is_some() => "avx-512 and amx",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx-512",
        }
    }

    /// Returns the matrix unit that goes with it.
    pub(crate) fn matrix_unit(self) -> MatrixUnit {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Amx::detect().map_or(MatrixUnit::Portable, MatrixUnit::Amx),
            _ => MatrixUnit::Portable,
        }
    }

    /// Runs a kernel compiled for this backend.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(portable) => kernel.run(portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(avx512) => avx512.run(kernel),
        }
    }
}

/// Sixteen lanes as an array; the compiler makes of it what the target always has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

#[inline(always)]
fn each(mut f: impl FnMut(usize) -> f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for (i, lane) in out.iter_mut().enumerate() {
        *lane = f(i);
    }
    out
}

impl Simd for Portable {
    type V = [f32; LANES];
    const WIDE: bool = false;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &Block) -> Self::V {
        from.0
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Block) {
        to.0 = v;
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: a fused one without an instruction for it is a call into libm.
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn relu(self, v: Self::V) -> Self::V {
        each(|i| if v[i] < 0.0 { 0.0 } else { v[i] })
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V {
        each(|i| if gate[i] > 0.0 { v[i] } else { 0.0 })
    }
    #[inline(always)]
    fn sums(self, rows: &[Self::V; LANES]) -> Self::V {
        each(|i| rows[i].iter().sum())
    }
}
