#define _GNU_SOURCE
#include "disk.h"

#include <unistd.h>

int mt_flush_file_system(int descriptor) {
#ifdef __linux__
  return syncfs(descriptor);
#else
  (void)descriptor;
  sync();
  return 0;
#endif
}
