#include "task_catalogue.h"

// #embed is C23; clang (19 and later) has it in every dialect, and says so.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char content[] = {
#embed "tasks.json"
};

const unsigned char *mt_task_catalogue(size_t *size) {
  *size = sizeof content;
  return content;
}
