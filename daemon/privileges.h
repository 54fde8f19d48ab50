/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * privileges.h - what a process of ours keeps of its rights, once it has what takes more.
 *
 * CAPABILITIES. The worker loads programs at any time (CAP_BPF, CAP_PERFMON), attaches them, sets addresses and speaks netlink
 * (CAP_NET_ADMIN), announces addresses and answers SYNs (CAP_NET_RAW). What takes CAP_SYS_ADMIN is the deputy's (deputy.h). Any other is
 * gone, from the bounding set, too, where it may be.
 *
 * SYSTEM CALLS. Those of a list, no other: not to execute, to fork, to trace, to mount, to load modules, to change identity, to set
 * clocks. A list of what is allowed, for what the kernel learns tomorrow is not on it. What is not on it fails with ENOSYS, as
 * in an older kernel: a C library that tries something newer then does without, and nothing dies of it.
 *
 * Both hold for the calling thread and those that it makes from then on: drop before there are others. The parent keeps what it
 * was given, for its next worker needs all of it at the start.
 */
#pragma once

enum privileges { PRIVILEGES_WORKER, PRIVILEGES_DEPUTY };

/* 0, or -errno after a line. Where the kernel has no filters of system calls, a line says so, and that is all. */
int privileges_drop(enum privileges which);
