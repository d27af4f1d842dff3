//! Indexing without a bounds check, for the loop alone.
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
