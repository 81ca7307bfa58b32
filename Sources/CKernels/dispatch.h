// How a kernel asks to be compiled once per x86-64 instruction set level, chosen when the program loads.
#ifndef MICROTOME_DISPATCH_H
#define MICROTOME_DISPATCH_H

#if defined(__x86_64__) && defined(__linux__)
#define MT_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MT_MULTIVERSION
#endif

#endif
