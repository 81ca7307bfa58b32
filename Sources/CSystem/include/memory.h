// What the C library does with memory that nobody uses any more.
#ifndef MICROTOME_MEMORY_H
#define MICROTOME_MEMORY_H

/// Gives freed memory back to the system, where the C library would keep it for later.
void mt_return_free_memory(void);

#endif
