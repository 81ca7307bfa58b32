// Waiting for the disk.
#ifndef MICROTOME_DISK_H
#define MICROTOME_DISK_H

/// Writes everything of the file system that an open file or folder lies on to the disk. Returns 0, or -1 with `errno` set.
int mt_flush_file_system(int descriptor);

#endif
