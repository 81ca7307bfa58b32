// What Linux tells only through GNU extensions, which Swift's Glibc module does not show.
#ifndef MICROTOME_PROCESSORS_H
#define MICROTOME_PROCESSORS_H

/// The number of processors this process may be scheduled on; 0 when unknown.
int mt_schedulable_processors(void);

#endif
