//! Memory that the lanes of a pool write at once, each its own part.

use std::{marker::PhantomData, slice};

/// A list that several lanes write to. Who does sees to it that parts do not overlap between two barriers.
pub(super) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    list: PhantomData<&'a mut [T]>,
}

// SAFETY: as a `&mut [T]` handed out in parts; that they don't overlap is what its unsafe functions ask for.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(list: &'a mut [T]) -> Self {
        Self {
            start: list.as_mut_ptr(),
            len: list.len(),
            list: PhantomData,
        }
    }

    /// A part to read.
    ///
    /// # Safety
    /// No lane may write it before the next barrier.
    pub(super) unsafe fn part(&self, from: usize, len: usize) -> &[T] {
        self.check(from, len);
        // SAFETY: in bounds as checked, and the caller's.
        unsafe { slice::from_raw_parts(self.start.add(from), len) }
    }

    /// Where a part begins, to write `len` from there.
    ///
    /// # Safety
    /// Nobody else may read or write it before the next barrier.
    pub(super) unsafe fn at(&self, from: usize, len: usize) -> *mut T {
        self.check(from, len);
        // SAFETY: in bounds as checked.
        unsafe { self.start.add(from) }
    }

    fn check(&self, from: usize, len: usize) {
        assert!(
            from <= self.len && len <= self.len - from,
            "a part beyond the list"
        );
    }
}
