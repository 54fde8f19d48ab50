// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/beside.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/lab.h"

static void beside_set(const struct lab *lab, cpu_set_t *set)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	CPU_ZERO(set);
	for (int i = 0; i < cpus; i++)
		if (i != lab->cpu)
			CPU_SET(i, set);
}

int beside_possible(const struct lab *lab)
{
	cpu_set_t set;

	beside_set(lab, &set);
	return CPU_COUNT(&set) > 0;
}

int beside_move(const struct lab *lab, pid_t pid)
{
	cpu_set_t set;

	beside_set(lab, &set);
	return sched_setaffinity(pid, sizeof(set), &set) ? -errno : 0;
}

void *beside_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

pid_t beside_begin(const struct lab *lab, void (*work)(void *context), void *context)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	if (beside_move(lab, 0))
		_exit(1);
	work(context);
	_exit(0);
}

void beside_end(pid_t pid, int ask)
{
	if (pid <= 0)
		return;
	if (ask)
		kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
