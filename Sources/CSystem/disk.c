#define _GNU_SOURCE
#include "disk.h"

#include <stdio.h>
#include <unistd.h>

#ifdef __linux__
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#elif defined(__APPLE__)
#include <sys/mount.h>
#include <sys/param.h>
#endif

int mt_flush_file_system(int descriptor) {
#ifdef __linux__
  return syncfs(descriptor);
#else
  (void)descriptor;
  sync();
  return 0;
#endif
}

int mt_exchange_names(const char *first, const char *second) {
#if defined(__linux__) && defined(SYS_renameat2)
  // RENAME_EXCHANGE, which not every C library declares.
  return (int)syscall(SYS_renameat2, AT_FDCWD, first, AT_FDCWD, second, 2u);
#elif defined(__APPLE__)
  return renamex_np(first, second, RENAME_SWAP);
#else
  (void)first;
  (void)second;
  return -1;
#endif
}

int mt_is_local_file_system(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return 0;
#ifdef __linux__
  // Those that belong to one kernel; every other kind may be shared between machines.
  static const unsigned long local[] = {
      0xEF53UL,      // ext2, ext3, ext4
      0x58465342UL,  // XFS
      0x9123683EUL,  // Btrfs
      0x01021994UL,  // tmpfs
      0x794C7630UL,  // overlayfs
      0x2FC12FC1UL,  // ZFS
      0xF2F52010UL,  // F2FS
      0xCA451A4EUL,  // bcachefs
  };
  for (unsigned long i = 0; i < sizeof local / sizeof local[0]; i++) {
    if (((unsigned long)status.f_type & 0xFFFFFFFFUL) == local[i]) return 1;
  }
  return 0;
#elif defined(__APPLE__)
  return (status.f_flags & MNT_LOCAL) != 0;
#else
  return 0;
#endif
}
