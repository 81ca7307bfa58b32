// Waiting for the disk, renaming on it, and whose it is.
#ifndef MICROTOME_DISK_H
#define MICROTOME_DISK_H

/// Writes everything of the file system that an open file or folder lies on to the disk. Returns 0, or -1 with `errno` set.
int mt_flush_file_system(int descriptor);

/// Exchanges two files or folders of one file system in one step. Returns 0, or -1 where one of them does not exist or the
/// system cannot do it.
int mt_exchange_names(const char *first, const char *second);

/// Whether the file system of an open file or folder is used by this machine alone: 1, or 0 where it may be shared.
int mt_is_local_file_system(int descriptor);

#endif
