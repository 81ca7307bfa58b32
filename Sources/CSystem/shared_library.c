#include "shared_library.h"

#include <dlfcn.h>

void *mt_library_open(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }

void *mt_library_symbol(void *library, const char *name) { return dlsym(library, name); }

const char *mt_library_error(void) {
  const char *message = dlerror();
  return message ? message : "unknown error";
}
