// Waiting for the disk, and renaming on it.
#ifndef MICROTOME_DISK_H
#define MICROTOME_DISK_H

/// Writes everything of the file system that an open file or folder lies on to the disk. Returns 0, or -1 with `errno` set.
int mt_flush_file_system(int descriptor);

/// Exchanges two files or folders of one file system in one step. Returns 0, or -1 where one of them does not exist or the
/// system cannot do it.
int mt_exchange_names(const char *first, const char *second);

#endif
