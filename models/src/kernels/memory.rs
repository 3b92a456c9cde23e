//! Memory for tensors, on large pages where the system has them.
//!
//! A tensor of a picture spans thousands of pages of 4 KiB, more than a processor keeps addresses of; looking them up
//! anew costs a twentieth of a painting. Linux gives pages of 2 MiB to memory that asks before it is first touched.

use std::ops::Range;

use super::simd::{Block, LANES};

/// Returns memory for `blocks` blocks of zeros, which the system hands out page by page when they are first touched;
/// [`aligned`] views it.
#[must_use]
pub fn zeroed(blocks: usize) -> Vec<f32> {
    let mut floats = vec![0.0; (blocks + 1) * LANES];
    prefer_large_pages(floats.as_mut_ptr_range());
    floats
}

/// Views floats as blocks, from the first that is aligned as they are.
pub fn aligned(floats: &mut [f32]) -> &mut [Block] {
    // SAFETY: `Block` is `repr(C)` around `[f32; 16]`, for which every bit pattern is valid, and `align_to_mut` aligns.
    #[expect(unsafe_code, reason = "a view of the same memory")]
    let (_, blocks, _) = unsafe { floats.align_to_mut() };
    blocks
}

/// Returns `blocks` blocks of zeros.
#[must_use]
pub fn zeros(blocks: usize) -> Vec<Block> {
    let mut zeros = Vec::with_capacity(blocks);
    prefer_large_pages(zeros.spare_capacity_mut().as_mut_ptr_range());
    zeros.resize(blocks, Block::ZERO);
    zeros
}

/// Makes a buffer of a size, larger where it is too small; what it holds is left from before, or zero.
pub fn resized(buffer: &mut Vec<Block>, blocks: usize) -> &mut [Block] {
    if buffer.len() < blocks {
        // Freed first, so that old and new never stand side by side.
        *buffer = Vec::new();
        *buffer = zeros(blocks);
    }
    &mut buffer[..blocks]
}

/// Asks for large pages where whole ones fit. A system without them says no, which changes nothing.
fn prefer_large_pages<T>(memory: Range<*mut T>) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        use rustix::param::page_size;

        /// The size of a large page of the processors that the kernels are written for.
        const LARGE: usize = 2 << 20;
        let page = page_size();
        let start = memory.start.map_addr(|address| address.next_multiple_of(page));
        let bytes = memory.end.addr().saturating_sub(start.addr()) / page * page;
        if bytes >= LARGE {
            // SAFETY: the pages lie within one allocation, and the advice changes nothing that they hold.
            #[expect(unsafe_code, reason = "advice about memory is given by its address")]
            let _ = unsafe { madvise(start.cast(), bytes, Advice::LinuxHugepage) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}
