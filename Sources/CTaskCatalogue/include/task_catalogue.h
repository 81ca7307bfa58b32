// The built-in catalogue of tasks, tasks.json, as bytes of the program itself: one file to install, nothing to find.
#ifndef MICROTOME_TASK_CATALOGUE_H
#define MICROTOME_TASK_CATALOGUE_H

#include <stddef.h>

/// The bytes of tasks.json, not terminated; their number goes to `size`.
const unsigned char *mt_task_catalogue(size_t *size);

#endif
