/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * crash.h - what a crashing worker writes down of itself, and what becomes of that.
 *
 * In the worker, crash_watch() catches the signals of serious errors, on a stack of their own. The handler writes signal, registers and
 * return addresses into the black box, nothing else: no lock, no memory, no file. What it began the parent has, also when the handler
 * crashes in its turn. Then the signal does what it does without a handler.
 *
 * In a child of the parent, crash_report() makes the report of it: there memory, names and files are sound. If the disk is full the
 * report goes to the journal (stderr) alone.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct blackbox;
struct blackbox_thread;

enum { CRASH_FRAMES = 48, CRASH_REGISTERS = 40, CRASH_MODULES = 48, CRASH_ID = 20, CRASH_PATH = 128 };

enum crash_access { CRASH_ACCESS_UNKNOWN, CRASH_ACCESS_READ, CRASH_ACCESS_WRITE, CRASH_ACCESS_EXECUTE };

/* A program or library, where it lies in memory. */
struct crash_module {
	u64 begin, end, bias;
	u8 id[CRASH_ID]; /* of its build */
	u8 id_size;
	char path[CRASH_PATH]; /* "": the program itself */
};

struct crash {
	u32 begun; /* the handler was entered */
	int signal, code;
	u32 access;		     /* enum crash_access */
	u32 thread;		     /* the kernel's number */
	u64 address, counter, stack; /* referenced; program counter; stack pointer */
	u32 register_count, frame_count;
	u64 registers[CRASH_REGISTERS]; /* in the order of crash_register_names[] */
	u64 frames[CRASH_FRAMES];
};

extern const char *const crash_register_names[CRASH_REGISTERS + 1];

/* From now on, for the whole process; the calling thread is prepared, too. With `core` the kernel writes a core. */
void crash_watch(struct blackbox *box, bool core);

/* The calling thread gets a stack for the handler: without, an overflow of its own stack leaves no record. */
void crash_thread(void);

/* The libraries that are there now. */
void crash_modules(struct blackbox *box);

/* What the parent knows of an end. */
struct crash_end {
	int status;    /* as from waitpid() */
	bool oom;      /* the kernel ended some process for want of memory meanwhile */
	bool hung;     /* it was ended for showing no sign of life */
	bool given_up; /* no other follows */
	u32 row, same; /* as in struct recoveries */
	u64 lived;     /* seconds */
};

/* The same for ends that are alike: of the signal and of where in the program it came, whatever its addresses are. */
u64 crash_signature(const struct blackbox *box, const struct crash_end *end);

/* Write it, keep as many as wanted, run the alert. Returns after a minute at the latest. */
void crash_report(const struct blackbox *box, const struct crash_end *end);
