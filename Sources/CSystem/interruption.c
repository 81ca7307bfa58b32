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
  const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) {
    // Whoever started the process with a signal ignored (nohup, a script's background job) wants it to stay so.
    struct sigaction current;
    if (sigaction(signals[index], NULL, &current) == 0 && current.sa_handler == SIG_IGN) continue;
    sigaction(signals[index], &action, NULL);
  }
}

int mt_interruption(void) { return received; }
