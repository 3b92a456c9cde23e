//! A slice that several threads write, each its own part.

use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice shared by tasks that write disjoint ranges of it.
///
/// Outputs in the blocked layout are cut into tiles, whose rows interleave in memory, so they can't be handed out as
/// sub-slices beforehand.
#[derive(Clone, Copy)]
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a `&mut [T]` whose parts go to different threads, which is what `T: Send` allows; the promise that the
// parts do not overlap is made by the callers of `range`.
#[expect(unsafe_code, reason = "a mutable slice handed out in parts")]
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above; the type itself reads nothing.
#[expect(unsafe_code, reason = "a mutable slice handed out in parts")]
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// Returns one part; panics when it is not within the slice.
    ///
    /// # Safety
    /// No two parts that exist at the same time may overlap.
    #[inline(always)]
    #[expect(unsafe_code, reason = "a mutable slice handed out in parts")]
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a part lies within its slice");
        // SAFETY: within the slice as just checked, and not overlapping any other part as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.end - range.start) }
    }
}
