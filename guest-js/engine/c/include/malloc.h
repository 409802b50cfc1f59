/* QuickJS asks for this header where it may call malloc_usable_size. Beside that, the quick cases of the heap (src/allocator.rs, which
 * owns these structures) for QuickJS's own functions (quickjs.insertions). */
#ifndef BELLJAR_MALLOC_H
#define BELLJAR_MALLOC_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

size_t malloc_usable_size(void *block);

/* As malloc and realloc, by names that the compiler does not know: of those it believes that nothing of the program's lies before a block,
 * and makes up what it reads there (it took the header of a cleared block for zero, so that QuickJS's count of bytes sank below zero and
 * every new object began with a garbage collection). */
void *belljar_malloc(size_t n);
void *belljar_realloc(void *block, size_t n);

/* Before each block. */
struct belljar_header {
  uint32_t size, class;
};
extern struct {
  void *free[33 + 4 * 24];
  size_t top, end;
} belljar_heap;

/* Blocks of at most this size have a class for each multiple of 8. */
#define BELLJAR_SMALL_BYTES_MAX 256

/* Of a block that is not over-aligned; QuickJS has no other. */
static inline size_t belljar_block_bytes(const void *block) { return ((const struct belljar_header *)block)[-1].size; }

static inline void *belljar_take(size_t n) {
  if (n - 1 < BELLJAR_SMALL_BYTES_MAX) {
    size_t class = (n + 7) >> 3, size = class << 3;
    void *block = belljar_heap.free[class];
    if (block) {
      belljar_heap.free[class] = *(void **)block;
      return block;
    }
    if (size + sizeof(struct belljar_header) <= belljar_heap.end - belljar_heap.top) {
      struct belljar_header *header = (struct belljar_header *)belljar_heap.top;
      header->size = size;
      header->class = class;
      belljar_heap.top += size + sizeof(struct belljar_header);
      return header + 1;
    }
  }
  return belljar_malloc(n);
}

static inline void belljar_give(void *block) {
  struct belljar_header *header = (struct belljar_header *)block - 1;
  if ((size_t)block + header->size == belljar_heap.top) {
    belljar_heap.top = (size_t)header;
    return;
  }
  *(void **)block = belljar_heap.free[header->class];
  belljar_heap.free[header->class] = block;
}
#endif
