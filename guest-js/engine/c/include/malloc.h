/* QuickJS asks for this header where it may call malloc_usable_size (src/allocator.rs). */
#ifndef BELLJAR_MALLOC_H
#define BELLJAR_MALLOC_H
#include <stddef.h>
#include <stdlib.h>
size_t malloc_usable_size(void *block);
#endif
