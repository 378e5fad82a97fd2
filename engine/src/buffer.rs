//! Room for numbers that begins where a cache line does: a vector that lies across two lines is read twice.

use std::{
    alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error},
    fmt,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    slice,
    sync::Arc,
};

/// A huge page. What is larger lies on such pages where the system has them: weights are read from end to
/// end, and looking up small pages takes a third of the time then.
const HUGE: usize = 2 << 20;
/// A cache line.
const LINE: usize = 64;

/// Memory as the allocator gave it.
struct Memory {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is memory; who uses which part of it is the business of `Buffer`.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// So many zero bytes.
    fn zeros(size: usize) -> Self {
        let huge = size >= HUGE;
        let layout = Layout::from_size_align(size.max(LINE), if huge { HUGE } else { LINE });
        let layout = layout.expect("sizes were checked, and no memory is so large");
        // SAFETY: the layout has a size.
        let at = unsafe { if huge { alloc(layout) } else { alloc_zeroed(layout) } };
        let at = NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout));
        if huge {
            // Before anything is written: a page is what it is from then on.
            prefer_huge_pages(at.as_ptr(), size);
            // SAFETY: the memory is as large.
            unsafe { ptr::write_bytes(at.as_ptr(), 0, size) };
        }
        Self { at, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it came from the allocator with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

#[cfg(target_os = "linux")]
fn prefer_huge_pages(at: *mut u8, size: usize) {
    // SAFETY: advice on our own memory, which begins on a page; where it is not taken, all is as before.
    unsafe { libc::madvise(at.cast(), size, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge_pages(_: *mut u8, _: usize) {}

/// Aligned numbers, all zero at first.
pub(crate) struct Buffer {
    memory: Arc<Memory>,
    /// Its part of the memory begins with this number, on a cache line; no other buffer has any of it.
    begin: usize,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self {
            memory: Arc::new(Memory::zeros(Self::room(len) * size_of::<f32>())),
            begin: 0,
            len,
        }
    }

    /// Numbers that `len` take in a buffer that [`Buffer::take`] takes them from.
    pub(crate) fn room(len: usize) -> usize {
        len.next_multiple_of(LINE / size_of::<f32>())
    }

    /// Takes the first `len` numbers away, as a buffer that lies beside what is left.
    pub(crate) fn take(&mut self, len: usize) -> Self {
        let room = Self::room(len);
        assert!(room <= self.len, "there are {} numbers left, not {len}", self.len);
        let taken = Self {
            memory: self.memory.clone(),
            begin: self.begin,
            len,
        };
        self.begin += room;
        self.len -= room;
        taken
    }

    /// Makes it at least `len` long. What is in it stays or not.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.len < len {
            // The old room is given back first.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }

    fn at(&self) -> *mut f32 {
        // SAFETY: within the memory.
        unsafe { self.memory.at.as_ptr().cast::<f32>().add(self.begin) }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: these numbers were zeros or written, and are this buffer's alone.
        unsafe { slice::from_raw_parts(self.at(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed for as long.
        unsafe { slice::from_raw_parts_mut(self.at(), self.len) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_aligned_and_apart() {
        for len in [0, 1, 100, HUGE, 3 * HUGE / 4 + 7] {
            let mut whole = Buffer::zeros(2 * Buffer::room(len));
            assert!(whole.iter().all(|x| *x == 0.0));
            let (mut first, mut second) = (whole.take(len), whole.take(len));
            assert!(whole.is_empty() && first.len() == len && second.len() == len);
            first.fill(1.0);
            second.fill(2.0);
            assert!(first.iter().all(|x| *x == 1.0) && second.iter().all(|x| *x == 2.0));
            drop(whole);
            drop(first);
            for buffer in [&second, &Buffer::zeros(len)] {
                assert_eq!(buffer.as_ptr() as usize % LINE, 0);
            }
        }
    }

    #[test]
    fn a_buffer_grows_and_never_shrinks() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty());
        for (asked, len) in [(10, 10), (5, 10), (2 * HUGE, 2 * HUGE)] {
            buffer.reserve(asked);
            assert_eq!(buffer.len(), len);
        }
    }
}
