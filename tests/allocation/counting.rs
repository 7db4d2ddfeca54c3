//! An allocator that counts what the current thread asks of it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted.
pub(crate) struct Counting;

thread_local! {
    // Without a destructor and made at compile time, so that looking at it allocates nothing.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has allocated, grown or freed so far.
pub(crate) fn count() -> u64 {
    COUNT.get()
}

fn add() {
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: every call is handed on as it came to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add();
        // SAFETY: `block` came from `System` through the methods above and below.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add();
        // SAFETY: `block` came from `System`; the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}
