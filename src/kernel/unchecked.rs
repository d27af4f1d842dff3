//! Indexing without a bounds check, for the loop alone, and a hint to the cache.
//!
//! Every index here is made by plimsoll itself: program counters by the assembler, instances and sites by the
//! layout, slots and frames by the slab. None comes from a model file. Debug builds, and so all tests, check them.
//! Figures of what it saves stand in `docs/performance.md`.

/// The element at an index that the program made.
#[inline(always)]
pub(crate) fn at<T>(slice: &[T], index: u32) -> &T {
    debug_assert!((index as usize) < slice.len(), "index {index} of {}", slice.len());
    // SAFETY: the index was made together with the table it points into; see the module's text.
    unsafe { slice.get_unchecked(index as usize) }
}

/// The element at an index that the program made, to be changed.
#[inline(always)]
pub(crate) fn at_mut<T>(slice: &mut [T], index: u32) -> &mut T {
    debug_assert!((index as usize) < slice.len(), "index {index} of {}", slice.len());
    // SAFETY: as above.
    unsafe { slice.get_unchecked_mut(index as usize) }
}

/// Has the cache fetch an element that will soon be needed. Changes nothing but time; where the processor has no such
/// instruction it does nothing.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(element) = slice.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads no memory that the program could see, and SSE is part of x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(element).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}
