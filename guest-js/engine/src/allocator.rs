//! The heap of the sandbox, for QuickJS (as `malloc` and friends) and for Rust alike. An instance lives for microseconds, so
//! it never gives pages back and never joins free blocks: size classes with a free list each, a bump pointer above them.
//! Every block knows its exact size, which QuickJS needs for its accounting and for appending to strings in place.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

/// Before each block: its payload size and its size class.
#[repr(C)]
struct Header {
    size: u32,
    class: u32,
}

const HEADER_BYTES: usize = size_of::<Header>();
const CLASSES: usize = 33 + 4 * 24;
/// A class that marks the header before an over-aligned payload: `size` is then the distance back to the block's payload.
const ALIGNED: u32 = u32::MAX;
const PAGE_BYTES: usize = 64 << 10;
/// Pages asked for at once, so that many small allocations cost one `memory.grow`.
const GROW_PAGES: usize = 4;
/// No single block is larger: sizes and sums of sizes stay far from wrapping.
const BLOCK_BYTES_MAX: usize = 0x7000_0000;

/// The quick cases of `allocate` and `release` are also in c/include/malloc.h, inlined into QuickJS.
#[repr(C)]
struct Heap {
    free: [*mut u8; CLASSES],
    top: usize,
    end: usize,
}

#[repr(transparent)]
struct Shared(UnsafeCell<Heap>);
// SAFETY: the module has no threads (no shared memory, no atomics), so there is never a second borrower.
unsafe impl Sync for Shared {}
#[unsafe(export_name = "belljar_heap")]
static HEAP: Shared = Shared(UnsafeCell::new(Heap { free: [null_mut(); CLASSES], top: 0, end: 0 }));

unsafe extern "C" {
    static __heap_base: u8;
}

/// Class and payload size for `n` bytes: multiples of 8 up to 256, then four steps to each power of two.
fn class_of(n: usize) -> (usize, usize) {
    let n = n.max(8);
    if n <= 256 {
        let class = n.div_ceil(8);
        return (class, class * 8);
    }
    let power = usize::BITS - 1 - (n - 1).leading_zeros();
    let step = 1usize << (power - 2);
    let steps = (n - (1 << power)).div_ceil(step);
    (33 + (power as usize - 8) * 4 + steps - 1, (1 << power) + steps * step)
}

impl Heap {
    /// Makes room for `bytes` at the top; false when the sandbox may not grow that far.
    fn reserve(&mut self, bytes: usize) -> bool {
        if self.end == 0 {
            self.top = (&raw const __heap_base as usize).next_multiple_of(8);
            self.end = memory_size(0) * PAGE_BYTES;
        }
        let Some(wanted) = self.top.checked_add(bytes) else { return false };
        if wanted <= self.end {
            return true;
        }
        let pages = (wanted - self.end).div_ceil(PAGE_BYTES);
        for pages in [pages.max(GROW_PAGES), pages] {
            if memory_grow(0, pages) != usize::MAX {
                self.end += pages * PAGE_BYTES;
                return true;
            }
        }
        false
    }

    fn allocate(&mut self, n: usize) -> *mut u8 {
        if n > BLOCK_BYTES_MAX {
            return null_mut();
        }
        let (class, size) = class_of(n);
        let head = self.free[class];
        if !head.is_null() {
            // SAFETY: a free block's first word is its link.
            self.free[class] = unsafe { *head.cast::<*mut u8>() };
            return head;
        }
        if !self.reserve(size + HEADER_BYTES) {
            return null_mut();
        }
        let header = self.top as *mut Header;
        self.top += size + HEADER_BYTES;
        // SAFETY: `reserve` made the room, which nobody else uses.
        unsafe {
            header.write(Header { size: size as u32, class: class as u32 });
            header.add(1).cast()
        }
    }

    /// # Safety
    /// `block` came from `allocate` (or `allocate_aligned`) and is not in use.
    unsafe fn release(&mut self, block: *mut u8) {
        // SAFETY: every payload has a header before it; an aligned one leads back to its block.
        unsafe {
            let block = origin(block);
            let header = &*block.cast::<Header>().sub(1);
            if block as usize + header.size as usize == self.top {
                self.top -= header.size as usize + HEADER_BYTES;
                return;
            }
            let class = header.class as usize;
            block.cast::<*mut u8>().write(self.free[class]);
            self.free[class] = block;
        }
    }
}

/// # Safety
/// `block` is a payload of this heap.
unsafe fn origin(block: *mut u8) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        let header = &*block.cast::<Header>().sub(1);
        if header.class == ALIGNED { block.sub(header.size as usize) } else { block }
    }
}

fn heap() -> &'static mut Heap {
    // SAFETY: see `Shared`; no function of the heap calls back into it.
    unsafe { &mut *HEAP.0.get() }
}

/// What becomes of the blocks that are free when an image is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FreeBlocks {
    /// The applet's top-level code uses them up.
    Keep,
    /// They lie scattered over the image, and a call that used them would write to as many pages: it takes its memory from the
    /// top instead, page after page.
    Forget,
}

/// Clears all that is free, so that the image holds nothing of what was there.
pub(crate) fn settle(free: FreeBlocks) {
    let heap = heap();
    for list in &mut heap.free {
        let mut block = *list;
        while !block.is_null() {
            // SAFETY: a free block's first word is its link, its header says how long it is, and nobody uses the rest.
            unsafe {
                let bytes = (*block.cast::<Header>().sub(1)).size as usize;
                let next = *block.cast::<*mut u8>();
                block.write_bytes(0, bytes);
                if free == FreeBlocks::Keep {
                    block.cast::<*mut u8>().write(next);
                }
                block = next;
            }
        }
        if free == FreeBlocks::Forget {
            *list = null_mut();
        }
    }
    if heap.top < heap.end {
        // SAFETY: nothing above the top is in use.
        unsafe { (heap.top as *mut u8).write_bytes(0, heap.end - heap.top) };
    }
}

/// Makes sure that the next `bytes` need no `memory.grow`.
pub(crate) fn reserve(bytes: usize) {
    heap().reserve(bytes);
}

#[unsafe(no_mangle)]
extern "C" fn malloc(n: usize) -> *mut u8 {
    heap().allocate(n)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut u8) {
    if !block.is_null() {
        // SAFETY: C's contract of `free`.
        unsafe { heap().release(block) }
    }
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    let Some(n) = count.checked_mul(size) else { return null_mut() };
    let block = heap().allocate(n);
    if !block.is_null() {
        // SAFETY: the block has at least `n` bytes. Blocks are reused, so they are cleared here.
        unsafe { block.write_bytes(0, n) }
    }
    block
}

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc_usable_size(block: *mut u8) -> usize {
    if block.is_null() {
        return 0;
    }
    // SAFETY: C's contract; an aligned payload has what is left of its block.
    unsafe {
        let origin = origin(block);
        (*origin.cast::<Header>().sub(1)).size as usize - (block as usize - origin as usize)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut u8, n: usize) -> *mut u8 {
    if block.is_null() {
        return malloc(n);
    }
    // SAFETY: C's contract of `realloc`.
    unsafe {
        if n == 0 {
            free(block);
            return null_mut();
        }
        let had = malloc_usable_size(block);
        if n <= had {
            return block;
        }
        let heap = heap();
        // The topmost block grows where it is: strings and arrays that grow are mostly the youngest.
        let header = block.cast::<Header>().sub(1);
        if (*header).class != ALIGNED && block as usize + had == heap.top && n <= BLOCK_BYTES_MAX {
            let (class, size) = class_of(n);
            if heap.reserve(size - had) {
                heap.top += size - had;
                header.write(Header { size: size as u32, class: class as u32 });
                return block;
            }
            return null_mut();
        }
        let new = heap.allocate(n);
        if !new.is_null() {
            new.copy_from_nonoverlapping(block, had);
            heap.release(block);
        }
        new
    }
}

/// For c/include/malloc.h, which says why.
#[unsafe(no_mangle)]
extern "C" fn belljar_malloc(n: usize) -> *mut u8 {
    heap().allocate(n)
}

/// For c/include/malloc.h, which says why.
#[unsafe(no_mangle)]
unsafe extern "C" fn belljar_realloc(block: *mut u8, n: usize) -> *mut u8 {
    // SAFETY: C's contract of `realloc`.
    unsafe { realloc(block, n) }
}

#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: usize, n: usize) -> *mut u8 {
    if align <= 8 {
        return malloc(n);
    }
    if align > PAGE_BYTES || n > BLOCK_BYTES_MAX {
        return null_mut();
    }
    let block = malloc(n + align + HEADER_BYTES);
    if block.is_null() || (block as usize).is_multiple_of(align) {
        return block;
    }
    let payload = (block as usize + HEADER_BYTES).next_multiple_of(align) as *mut u8;
    // SAFETY: the block was asked for with room for this header and the alignment.
    unsafe {
        let distance = payload as usize - block as usize;
        payload.cast::<Header>().sub(1).write(Header { size: distance as u32, class: ALIGNED });
    }
    payload
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut u8, align: usize, n: usize) -> i32 {
    let block = aligned_alloc(align, n);
    if block.is_null() {
        return 12; // ENOMEM
    }
    // SAFETY: C's contract of `posix_memalign`.
    unsafe { out.write(block) };
    0
}

struct Rust;

// SAFETY: blocks are disjoint, at least as large as asked for, and aligned to 8 or, through `aligned_alloc`, as asked for.
unsafe impl GlobalAlloc for Rust {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        aligned_alloc(layout.align(), layout.size())
    }
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the contract of `GlobalAlloc`.
        unsafe { free(block) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, n: usize) -> *mut u8 {
        // SAFETY: the contract of `GlobalAlloc`; over-aligned blocks move by hand, the others as C's do.
        unsafe {
            if layout.align() <= 8 {
                return realloc(block, n);
            }
            let new = aligned_alloc(layout.align(), n);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(n));
                free(block);
            }
            new
        }
    }
}

#[global_allocator]
static ALLOCATOR: Rust = Rust;
