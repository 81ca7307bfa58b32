// Opening a shared library at run time and looking up its functions, for the engines that are loaded, not linked.
#ifndef MICROTOME_SHARED_LIBRARY_H
#define MICROTOME_SHARED_LIBRARY_H

/// Opens the library at `path` with immediate binding and local symbols. Returns NULL on failure; see `mt_library_error`.
void *mt_library_open(const char *path);

/// The address of the function or variable `name`, or NULL when the library has none.
void *mt_library_symbol(void *library, const char *name);

/// What the last failed call on this thread had to say; never NULL.
const char *mt_library_error(void);

#endif
