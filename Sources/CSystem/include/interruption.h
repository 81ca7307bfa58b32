// Noticing Ctrl-C without losing what is half done.
#ifndef MICROTOME_INTERRUPTION_H
#define MICROTOME_INTERRUPTION_H

/// From now on the first SIGINT, SIGTERM or SIGHUP only sets a flag; a second one ends the process at once. Signals that
/// the process was started to ignore stay ignored.
void mt_watch_interruption(void);

/// The signal that was received, or 0.
int mt_interruption(void);

#endif
