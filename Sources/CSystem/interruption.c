#include "interruption.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t received = 0;

static void note(int number) { received = number; }

void mt_watch_interruption(void) {
  struct sigaction action = {0};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  // SA_RESETHAND restores the default, so that an impatient second signal ends the process.
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

int mt_interruption(void) { return received; }
