// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[FAULTS] = {
#define FAULT_DEF(name, by, what) #name,
#include "native/faults.def"
#undef FAULT_DEF
};

/* The test's board; NULL: there is none. */
static struct fault_board *board(void)
{
	static struct fault_board *found;
	static int looked;
	const char *path = getenv("KEEPNAT_FAULTS");
	void *memory;
	int fd;

	if (looked)
		return found;
	looked = 1;
	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return NULL;
	memory = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		found = memory;
	return found;
}

/* Until the stack has no room any more; what it returns keeps the compiler from making a loop of it. */
static int stack_overflow(volatile char *above)
{
	volatile char room[4096] = { 0 };

	room[0] = *above;
	return above[0] + (room[0] == 1 ? 0 : stack_overflow(room)) + room[1];
}

/* As if the machine had no more of it: first nothing can be allocated, then something goes on without a look. */
static void memory_exhaust(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_AS, &none))
		abort(); /* it would be the machine's memory */
	for (size_t size = 1 << 20; size >= 16; size /= 2)
		for (volatile char *piece = malloc(size); piece; piece = malloc(size))
			piece[0] = 1;
	*(volatile int *)NULL = 0;
}

static void process_end(enum fault_how how)
{
	static const int signals[FAULT_HOWS] = {
		[FAULT_KILL] = SIGKILL, [FAULT_SEGV] = SIGSEGV, [FAULT_ABORT] = SIGABRT, [FAULT_BUS] = SIGBUS
	};
	volatile char first = 0;

	if (how == FAULT_OVERFLOW)
		(void)stack_overflow(&first);
	if (how == FAULT_OOM)
		memory_exhaust();
	syscall(SYS_tgkill, getpid(), gettid(), signals[how % FAULT_HOWS]);
}

void fault_reached(enum fault fault)
{
	struct fault_board *b = board();

	if (!b)
		return;
	__atomic_fetch_add(&b->reached[fault], 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&b->armed, __ATOMIC_SEQ_CST) != fault + 1u ||
	    __atomic_fetch_sub(&b->count, 1, __ATOMIC_SEQ_CST) != 1)
		return;
	__atomic_store_n(&b->armed, 0, __ATOMIC_SEQ_CST);
	process_end((enum fault_how)b->how);
}

void fault_reached_named(const char *prefix, const char *name)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s%s", prefix, name);
	for (unsigned int i = 0; i < FAULTS; i++)
		if (!strcmp(names[i], wanted)) {
			fault_reached((enum fault)i);
			return;
		}
	fprintf(stderr, "faults.def: there is no %s\n", wanted);
	abort();
}
