//! An allocator that counts for each thread by itself, as tests run at the same time: what a call takes at most.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Bytes that this thread allocated and did not free, and the most since it was last set.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn more(size: usize) {
        // A thread that ends has no count any more.
        let _ = HELD.try_with(|held| {
            held.set(held.get() + size as isize);
            let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
        });
    }

    fn less(size: usize) {
        let _ = HELD.try_with(|held| held.set(held.get() - size as isize));
    }
}

// SAFETY: every call goes to `System` unchanged, and its result comes back unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        // SAFETY: the caller's promises are those `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::more(size);
        Self::less(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::less(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOC: Counting = Counting;

/// What a call gives, and the most bytes that it had allocated at a time.
pub fn measured<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let given = call();
    (given, (MOST.get() - before).unsigned_abs())
}
