//! The allocator of a binary that can be a runner: the system's, which, when it has nothing left to
//! give, says so on the runner's socket before the process aborts.
//!
//! In a process that is not a runner it adds nothing. A failed allocation of a runner always ends it:
//! code that would have coped with the failure does not get to.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
};

/// The socket of this process if it is a runner, else -1.
static SOCKET: AtomicI32 = AtomicI32::new(-1);

/// Held while a frame is being written, so that the last words never land inside another frame.
static WRITING: AtomicBool = AtomicBool::new(false);

/// Marks this process as a runner that reports to `socket`.
pub(super) fn report_to(socket: i32) {
    SOCKET.store(socket, Ordering::SeqCst);
}

/// Runs `write`, which must not allocate, while no other frame is being written.
pub(super) fn exclusively<R>(write: impl FnOnce() -> R) -> R {
    while WRITING.swap(true, Ordering::Acquire) {
        std::thread::yield_now();
    }
    let result = write();
    WRITING.store(false, Ordering::Release);
    result
}

/// The system's allocator, with last words. Install it in the binary:
/// `#[global_allocator] static ALLOC: OomReporting = OomReporting;`
#[derive(Debug, Clone, Copy, Default)]
pub struct OomReporting;

// SAFETY: every call goes to `System` unchanged, and its result comes back unchanged; where the result
// is null, either it is returned as such or the process ends.
unsafe impl GlobalAlloc for OomReporting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those `System` asks for.
        check(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        check(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        check(unsafe { System.realloc(block, layout, size) }, size)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[inline]
fn check(block: *mut u8, bytes: usize) -> *mut u8 {
    if block.is_null() {
        report(bytes);
    }
    block
}

#[cold]
fn report(bytes: usize) {
    let socket = SOCKET.load(Ordering::SeqCst);
    if socket < 0 {
        return;
    }
    let mut buffer = [0_u8; 64];
    let length = last_words(&mut buffer, bytes as u64);
    // A writer that is stuck (the supervisor does not read) must not keep this process alive: the
    // exit status alone tells the story then.
    let mut free = false;
    for _ in 0..1000 {
        free = !WRITING.swap(true, Ordering::Acquire);
        if free {
            break;
        }
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        // SAFETY: `pause` is a valid time for the length of the call; null says that what remains is not wanted.
        unsafe { libc::nanosleep(&pause, std::ptr::null_mut()) };
    }
    if free {
        // SAFETY: `buffer` holds `length` initialised bytes. A short or failed write is nothing we could mend.
        unsafe { libc::write(socket, buffer.as_ptr().cast(), length) };
    }
    // SAFETY: ends the process without running anything that could allocate.
    unsafe { libc::abort() };
}

/// Puts the frame of `OutOfMemory` together on the stack; says how long it is.
fn last_words(buffer: &mut [u8; 64], bytes: u64) -> usize {
    let mut end = 4;
    let mut put = |text: &[u8]| {
        buffer[end..end + text.len()].copy_from_slice(text);
        end += text.len();
    };
    put(br#"{"OutOfMemory":{"bytes":"#);
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    let mut rest = bytes;
    while rest > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    put(&digits[first..]);
    put(b"}}");
    buffer[..4].copy_from_slice(&((end - 4) as u32).to_le_bytes());
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::protocol::{FromRunner, read};

    #[test]
    fn the_last_words_are_a_frame() {
        for bytes in [0, 7, 1 << 33, u64::MAX] {
            let mut buffer = [0; 64];
            let length = last_words(&mut buffer, bytes);
            match read(&mut &buffer[..length]) {
                Ok(Some(FromRunner::OutOfMemory { bytes: read })) => assert_eq!(read, bytes),
                other => panic!("{other:?}"),
            }
        }
    }
}
