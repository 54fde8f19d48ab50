/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * beside.h - work beside the traffic: by a process of its own, on the CPUs that the lab leaves free.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct lab;

/* Is there a CPU beside the lab's? */
int beside_possible(const struct lab *lab);

/* Moves a thread there; pid 0: the caller. 0 or -errno. */
int beside_move(const struct lab *lab, pid_t pid);

/* Zeroed memory that processes made later share. NULL: there is none. It is returned by munmap(). */
void *beside_memory(size_t size);

/* Does work(context) in a process of its own, which ends with it, or with this one. Its number, or -errno. */
pid_t beside_begin(const struct lab *lab, void (*work)(void *context), void *context);

/* Waits for its end; ask: by SIGTERM first. */
void beside_end(pid_t pid, int ask);
