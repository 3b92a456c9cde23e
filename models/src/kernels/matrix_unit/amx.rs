//! The instructions of AMX, which Rust has no stable names for.
#![expect(unsafe_code, reason = "instructions without safe names")]
#![expect(clippy::unused_self, reason = "whoever has an `Amx` has the proof")]

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepu16_epi32,
    _mm512_cvtne2ps_pbh, _mm512_extracti64x4_epi64, _mm512_load_ps, _mm512_slli_epi32, _mm512_store_si512,
    _mm512_sub_ps,
};
use std::sync::OnceLock;

use super::{Pixel, SIDE, Sum};
use crate::kernels::simd::Block;

/// Proof of AMX with bfloat16, of the system's leave to use it, and of the AVX-512 that converts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amx(());

/// What `ldtilecfg` reads: eight tiles of sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Amx {
    /// Asks the processor and the system, once.
    pub(crate) fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| is_there() && is_allowed()).then_some(Self(()))
    }

    /// Gives the tile registers their sizes, for this thread until [`Self::release`].
    pub(super) fn configure(self) {
        // SAFETY: `self` proves the instruction, which reads 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) }
    }

    /// Empties the tile registers, so that the system need not keep them.
    pub(super) fn release(self) {
        // SAFETY: `self` proves the instruction.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    pub(super) fn split(self, even: &[Block], odd: &[Block], out: &mut [Pixel]) {
        // SAFETY: `self` proves the features.
        unsafe { split(even, odd, out) }
    }

    /// As [`super::Ready::sum`], which has checked the sizes; the tile registers have been configured.
    pub(super) fn sum<const N: usize>(self, sum: &Sum<'_, N>, out: &mut [[[Block; SIDE]; N]; 2]) {
        const { assert!(N == 1 || N == 2, "two tiles by two sums are four of eight registers") };
        let (offsets, pixels) = (sum.offsets.as_ptr_range(), sum.pixels.as_ptr());
        assert!(!offsets.is_empty(), "a kernel has taps");
        /// One `asm!`: the sums are `tmm0` to `tmm3`, the pixels of both tiles `tmm4` and `tmm5`, the matrices `tmm6` and
        /// `tmm7`. Loads stand as far before their use as the registers allow.
        macro_rules! sum {
            (zero: $($zero:literal)*, step: $($step:literal)*, store: $($store:literal)*) => {
                // SAFETY: `self` proves the instructions. All pixels and matrices are there, as the caller has checked; the
                // output is `2 * N` tiles of 1024 bytes.
                unsafe {
                    asm!(
                        $($zero,)*
                        "2:",
                        "mov {p}, [{offset}]",
                        "shl {p}, 7",
                        "lea {q}, [{b} + {p}]",
                        "add {p}, {a}",
                        $($step,)*
                        "add {offset}, 8",
                        "cmp {offset}, {end}",
                        "jb 2b",
                        $($store,)*
                        offset = inout(reg) offsets.start => _,
                        end = in(reg) offsets.end,
                        a = in(reg) pixels.wrapping_add(sum.tiles[0]),
                        b = in(reg) pixels.wrapping_add(sum.tiles[1]),
                        p = out(reg) _,
                        q = out(reg) _,
                        kernel = inout(reg) sum.kernel.as_ptr() => _,
                        pixel = in(reg) size_of::<Pixel>(),
                        row = in(reg) size_of::<Block>(),
                        out = in(reg) out.as_mut_ptr(),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    )
                }
            };
        }
        const { assert!(size_of::<Pixel>() == 1 << 7, "offsets are shifted by that") };
        if N == 2 {
            sum!(
                zero: "tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3",
                step:
                    "tileloadd tmm4, [{p} + {pixel}]"
                    "tileloadd tmm6, [{kernel} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{kernel} + {row} + 1024]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tileloadd tmm5, [{q} + {pixel}]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                    "tileloadd tmm6, [{kernel} + {row} + 2048]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm7, [{kernel} + {row} + 3072]"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                    "tileloadd tmm4, [{p} + {pixel} + 64]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tileloadd tmm5, [{q} + {pixel} + 64]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                    "add {kernel}, 4096",
                store:
                    "tilestored [{out} + {row}], tmm0"
                    "tilestored [{out} + {row} + 1024], tmm1"
                    "tilestored [{out} + {row} + 2048], tmm2"
                    "tilestored [{out} + {row} + 3072], tmm3"
            );
        } else {
            sum!(
                zero: "tilezero tmm0" "tilezero tmm2",
                step:
                    "tileloadd tmm4, [{p} + {pixel}]"
                    "tileloadd tmm6, [{kernel} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tileloadd tmm5, [{q} + {pixel}]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tileloadd tmm7, [{kernel} + {row} + 1024]"
                    "tdpbf16ps tmm0, tmm4, tmm7"
                    "tdpbf16ps tmm2, tmm5, tmm7"
                    "tileloadd tmm4, [{p} + {pixel} + 64]"
                    "tdpbf16ps tmm0, tmm4, tmm7"
                    "tileloadd tmm5, [{q} + {pixel} + 64]"
                    "tdpbf16ps tmm2, tmm5, tmm7"
                    "add {kernel}, 2048",
                store:
                    "tilestored [{out} + {row}], tmm0"
                    "tilestored [{out} + {row} + 1024], tmm2"
            );
        }
    }
}

/// Returns whether the processor has what is needed.
fn is_there() -> bool {
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    let vectors = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
    // The features' leaf is there where AVX-512 is.
    vectors && __cpuid_count(7, 0).edx & (BF16 | TILES) == BF16 | TILES
}

/// Asks the system to keep this process' tiles from now on: 8 KiB a thread, which Linux keeps only for those who ask.
fn is_allowed() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_PRCTL: isize = 158;
        const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
        const TILE_DATA: usize = 18;
        let answer: isize;
        // SAFETY: a system call without memory arguments, which clobbers `rcx` and `r11`.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => answer,
                in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") TILE_DATA,
                lateout("rcx") _, lateout("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// As [`super::MatrixUnit::split`].
#[target_feature(enable = "avx512f,avx512bf16")]
fn split(even: &[Block], odd: &[Block], out: &mut [Pixel]) {
    let bits = |halves| {
        // SAFETY: both are 512 bits, of which every pattern is valid.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(halves) }
    };
    let floats = |halves| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)));
    for ((even, odd), out) in even.iter().zip(odd).zip(out) {
        // SAFETY: a block is 64 bytes, aligned to 64.
        let (even, odd) = unsafe { (_mm512_load_ps(even.0.as_ptr()), _mm512_load_ps(odd.0.as_ptr())) };
        let hi = bits(_mm512_cvtne2ps_pbh(odd, even));
        let even = _mm512_sub_ps(even, floats(_mm512_castsi512_si256(hi)));
        let odd = _mm512_sub_ps(odd, floats(_mm512_extracti64x4_epi64::<1>(hi)));
        let lo = bits(_mm512_cvtne2ps_pbh(odd, even));
        // SAFETY: each half of a pixel is 64 bytes, aligned to 64.
        unsafe {
            _mm512_store_si512(out.hi.as_mut_ptr().cast(), hi);
            _mm512_store_si512(out.lo.as_mut_ptr().cast(), lo);
        }
    }
}
