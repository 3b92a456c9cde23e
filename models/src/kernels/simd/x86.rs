//! The two x86 backends.
//!
//! Every intrinsic here needs only the features that the backend's type proves, which is the whole argument for most
//! of the `unsafe`; the macro states it once. The two `run` functions are where code compiled with those features is
//! entered.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m256, __m512, _CMP_GT_OQ, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps, _mm256_and_ps, _mm256_cmp_ps,
    _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_load_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_permute2f128_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_store_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_cmp_ps_mask,
    _mm512_fmadd_ps, _mm512_load_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_store_ps, _mm512_sub_ps, _mm512_unpackhi_ps,
    _mm512_unpacklo_ps,
};

use super::{Block, Kernel, LANES, Simd};

/// Proof of AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

/// Proof of AVX-512F (and of AVX2 and FMA, which every such processor has).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

/// Evaluates an expression of intrinsics.
macro_rules! proven {
    ($e:expr) => {
        // SAFETY: a value of the backend's type exists only where the processor has its features.
        unsafe { $e }
    };
}

impl Avx2 {
    /// Asks the processor.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn entry<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        proven!(entry(self, kernel))
    }
}

impl Avx512 {
    /// Asks the processor.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f") && Avx2::detect().is_some();
        all.then_some(Self(()))
    }

    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn entry<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        proven!(entry(self, kernel))
    }
}

impl Simd for Avx512 {
    type V = __m512;
    const WIDE: bool = true;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        proven!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &Block) -> Self::V {
        // SAFETY: proven as above; a `Block` is 64 bytes, aligned to 64.
        unsafe { _mm512_load_ps(from.0.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Block) {
        // SAFETY: proven as above; a `Block` is 64 bytes, aligned to 64.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn prefetch(self, from: *const Block) {
        proven!(_mm_prefetch::<_MM_HINT_T0>(from.cast()));
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        proven!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn relu(self, v: Self::V) -> Self::V {
        // The second operand is the result where either is a NaN.
        proven!(_mm512_max_ps(_mm512_setzero_ps(), v))
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V {
        proven!(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), v))
    }
    #[inline(always)]
    fn sums(self, rows: &[Self::V; LANES]) -> Self::V {
        let fold = |a, b| proven!(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
        let mut quads = [self.zero(); 4];
        for (quad, r) in quads.iter_mut().zip(rows.as_chunks::<4>().0) {
            let (ab, cd) = (fold(r[0], r[1]), fold(r[2], r[3]));
            *quad = proven!(_mm512_add_ps(_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xee>(ab, cd)));
        }
        let [a, b, c, d] = quads;
        let halves =
            |a, b| proven!(_mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b)));
        let (ab, cd) = (halves(a, b), halves(c, d));
        proven!(_mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd)))
    }
}

/// Two halves of eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Pair([__m256; 2]);

impl Simd for Avx2 {
    type V = Pair;
    const WIDE: bool = false;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        Pair([proven!(_mm256_set1_ps(x)); 2])
    }
    #[inline(always)]
    fn load(self, from: &Block) -> Self::V {
        let (halves, _) = from.0.as_chunks::<8>();
        // SAFETY: proven as above; both halves of a `Block` are 32 bytes, aligned to 32.
        unsafe { Pair([_mm256_load_ps(halves[0].as_ptr()), _mm256_load_ps(halves[1].as_ptr())]) }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Block) {
        let (halves, _) = to.0.as_chunks_mut::<8>();
        for (half, v) in halves.iter_mut().zip(v.0) {
            // SAFETY: proven as above; both halves of a `Block` are 32 bytes, aligned to 32.
            unsafe { _mm256_store_ps(half.as_mut_ptr(), v) }
        }
    }
    #[inline(always)]
    fn prefetch(self, from: *const Block) {
        proven!(_mm_prefetch::<_MM_HINT_T0>(from.cast()));
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(Pair([_mm256_add_ps(a.0[0], b.0[0]), _mm256_add_ps(a.0[1], b.0[1])]))
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(Pair([_mm256_sub_ps(a.0[0], b.0[0]), _mm256_sub_ps(a.0[1], b.0[1])]))
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(Pair([_mm256_mul_ps(a.0[0], b.0[0]), _mm256_mul_ps(a.0[1], b.0[1])]))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        proven!(Pair([_mm256_fmadd_ps(a.0[0], b.0[0], c.0[0]), _mm256_fmadd_ps(a.0[1], b.0[1], c.0[1])]))
    }
    #[inline(always)]
    fn relu(self, v: Self::V) -> Self::V {
        // The second operand is the result where either is a NaN.
        let zero = proven!(_mm256_setzero_ps());
        proven!(Pair([_mm256_max_ps(zero, v.0[0]), _mm256_max_ps(zero, v.0[1])]))
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        proven!(Pair([_mm256_max_ps(a.0[0], b.0[0]), _mm256_max_ps(a.0[1], b.0[1])]))
    }
    #[inline(always)]
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V {
        let mut out = v;
        for half in 0..2 {
            let open = proven!(_mm256_cmp_ps::<_CMP_GT_OQ>(gate.0[half], _mm256_setzero_ps()));
            out.0[half] = proven!(_mm256_and_ps(open, v.0[half]));
        }
        out
    }
    #[inline(always)]
    fn sums(self, rows: &[Self::V; LANES]) -> Self::V {
        let quad = |r: &[Pair; 4]| {
            let whole = |p: Pair| proven!(_mm256_add_ps(p.0[0], p.0[1]));
            let ab = proven!(_mm256_hadd_ps(whole(r[0]), whole(r[1])));
            let cd = proven!(_mm256_hadd_ps(whole(r[2]), whole(r[3])));
            proven!(_mm256_hadd_ps(ab, cd))
        };
        let (q, _) = rows.as_chunks::<4>();
        let join =
            |a, b| proven!(_mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)));
        Pair([join(quad(&q[0]), quad(&q[1])), join(quad(&q[2]), quad(&q[3]))])
    }
}
