// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * faults list				each place of native/faults.def: "NAME BY"
 * faults BOARD new			a board on which nothing is armed
 * faults BOARD arm NAME[:COUNT][:HOW]	end the daemon when it comes by for the COUNTth time; HOW: kill segv abort bus overflow oom
 * faults BOARD armed			status 0: what was armed was not come by yet
 * faults BOARD reached			"NAME TIMES" for each place that was come by
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "native/fault.h"

static const struct {
	const char *name, *by;
} places[FAULTS] = {
#define FAULT_DEF(name, by, what) { #name, #by },
#include "native/faults.def"
#undef FAULT_DEF
};
static const char *const hows[FAULT_HOWS] = { "kill", "segv", "abort", "bus", "overflow", "oom" };

static struct fault_board *board_open(const char *path, int flags)
{
	struct fault_board *board = MAP_FAILED;
	int fd = open(path, O_RDWR | flags, 0600);

	if (fd >= 0 && (!flags || !ftruncate(fd, sizeof(*board))))
		board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (board != MAP_FAILED)
		return board;
	fprintf(stderr, "faults: %s: %s\n", path, strerror(errno));
	exit(1);
}

/* 0, or 2: there is no such place, or way to end. */
static int arm(struct fault_board *board, char *order)
{
	const char *name = strsep(&order, ":"), *word;
	unsigned int place = 0, count = 1, how = FAULT_KILL;

	while (place < FAULTS && strcmp(places[place].name, name))
		place++;
	while ((word = strsep(&order, ":"))) {
		if (atoi(word) > 0) {
			count = (unsigned int)atoi(word);
			continue;
		}
		for (how = 0; how < FAULT_HOWS && strcmp(hows[how], word); how++)
			;
	}
	if (place == FAULTS || how == FAULT_HOWS) {
		fprintf(stderr, "faults: %s: there is no such place, or no such end\n", name);
		return 2;
	}
	board->count = count;
	board->how = how;
	__atomic_store_n(&board->armed, place + 1, __ATOMIC_SEQ_CST);
	return 0;
}

int main(int argc, char **argv)
{
	struct fault_board *board;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (int i = 0; i < FAULTS; i++)
			printf("%s %s\n", places[i].name, places[i].by);
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr,
			"usage: faults list | faults BOARD new|arm NAME[:COUNT][:HOW]|armed|reached\n");
		return 2;
	}
	board = board_open(argv[1], strcmp(argv[2], "new") ? 0 : O_CREAT | O_TRUNC);
	if (!strcmp(argv[2], "arm") && argc == 4)
		return arm(board, argv[3]);
	if (!strcmp(argv[2], "armed"))
		return !__atomic_load_n(&board->armed, __ATOMIC_SEQ_CST);
	for (int i = 0; i < FAULTS && !strcmp(argv[2], "reached"); i++)
		if (board->reached[i])
			printf("%s %u\n", places[i].name, board->reached[i]);
	return 0;
}
