// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each line of the array names the next one, in an order that leads through all of them (a linear congruential
 * sequence of full period) and that no prefetcher follows. Pages are small ones, as those of the kernel's arrays are, so
 * that a read pays for the walk to its page, too.
 */
#include "bench/random_read.h"
#include <sys/mman.h>
#include <time.h>
#include <linux/types.h>

enum {
	LINE = 64,
	LINES = (256 << 20) / LINE,
	FACTOR = 1664525, /* one more than a multiple of 4; the step is odd: so all lines are visited */
	STEP = 1013904223,
	READS = 1 << 17,
};

struct line {
	__u32 next;
	__u8 rest[LINE - sizeof(__u32)];
};

static struct line *lines_make(void)
{
	struct line *lines =
		mmap(NULL, (size_t)LINES * LINE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (lines == MAP_FAILED)
		return NULL;
	madvise(lines, (size_t)LINES * LINE, MADV_NOHUGEPAGE);
	for (__u32 i = 0; i < LINES; i++)
		lines[i].next = (i * FACTOR + STEP) % LINES;
	return lines;
}

static double clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double random_read_ns(void)
{
	static struct line *lines;
	static volatile __u32 at; /* the next call goes on here */
	__u32 i = at;
	double begin;

	lines = lines ? lines : lines_make();
	if (!lines)
		return -1;
	begin = clock_ns();
	for (int n = 0; n < READS; n++)
		i = lines[i].next;
	at = i;
	return (clock_ns() - begin) / READS;
}
