// Noticing Ctrl-C without losing what is half done.
#ifndef MICROTOME_INTERRUPTION_H
#define MICROTOME_INTERRUPTION_H

/// From now on the first SIGINT or SIGTERM only sets a flag; a second one ends the process at once.
void mt_watch_interruption(void);

/// The signal that was received, or 0.
int mt_interruption(void);

#endif
