#define _GNU_SOURCE
#include "processors.h"

#ifdef __linux__
#include <sched.h>

int mt_schedulable_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  return CPU_COUNT(&set);
}
#else
int mt_schedulable_processors(void) { return 0; }
#endif
