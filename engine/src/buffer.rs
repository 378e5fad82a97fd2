//! Room for numbers that begins where a cache line does: a vector that lies across two lines is read twice.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    slice,
};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Aligned numbers, all zero at first.
#[derive(Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([0.0; 16]); len.div_ceil(16)],
            len,
        }
    }

    /// Makes it at least `len` long. What is in it stays or not.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.len < len {
            // The old room is given back first.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines hold at least `len` numbers, one after the other, without gaps.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed for as long.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.len)
    }
}

/// A matrix that lanes write different parts of at the same time. It knows its bounds; who writes where is
/// the caller's care.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    at: *mut f32,
    len: usize,
    _held: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: all it does is unsafe, and its callers keep lanes apart.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Lends the numbers to all lanes.
    pub(crate) fn new(numbers: &'a mut [f32]) -> Self {
        Self {
            at: numbers.as_mut_ptr(),
            len: numbers.len(),
            _held: std::marker::PhantomData,
        }
    }

    /// Where the number `index` is; `len` numbers from there are within bounds.
    pub(crate) fn at(self, index: usize, len: usize) -> *mut f32 {
        assert!(index <= self.len && len <= self.len - index);
        // SAFETY: within bounds, as just seen.
        unsafe { self.at.add(index) }
    }

    /// A part of it.
    pub(crate) fn part(self, index: usize, len: usize) -> Self {
        Self {
            at: self.at(index, len),
            len,
            ..self
        }
    }

    /// Some of the numbers.
    ///
    /// # Safety
    /// Nobody writes them, or reads them by other means, while this lives.
    pub(crate) unsafe fn slice_mut(self, index: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: within bounds; the caller vouches for there being no other.
        unsafe { slice::from_raw_parts_mut(self.at(index, len), len) }
    }
}
