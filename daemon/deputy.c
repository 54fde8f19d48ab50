// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/deputy.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/defrag.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/privileges.h"

struct deputy {
	pid_t pid;
	int fd;
};

struct order {
	u32 task; /* enum deputy_task */
	u32 number;
};

/*
 * The deputy
 */

/* What it does not need it must not hold: a lock that outlived the worker would keep its successor out. */
static int descriptors_close(const struct keepnat *k, int own)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!folder)
		return -errno;
	while ((entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fd != own && fd != dirfd(folder) && !loader_has(k->loader, fd))
			close(fd);
	}
	closedir(folder);
	return 0;
}

static int order_do(struct keepnat *k, const struct order *order)
{
	switch (order->task) {
	case DEPUTY_DEFRAG:
		return defrag_make(k);
	case DEPUTY_DEFRAG_DROP:
		defrag_drop(k);
		return 0;
	case DEPUTY_OWNER:
		return loader_program_owner(k->loader, order->number);
	default:
		return -EINVAL;
	}
}

static _Noreturn void deputy_run(struct keepnat *k, int fd, pid_t worker)
{
	struct order order;
	int result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "keepnat-deputy");
	if (getppid() != worker || descriptors_close(k, fd) || privileges_drop(PRIVILEGES_DEPUTY))
		_exit(EXIT_FAILURE);
	while (read(fd, &order, sizeof(order)) == sizeof(order)) {
		result = order_do(k, &order);
		if (write(fd, &result, sizeof(result)) != sizeof(result))
			break;
	}
	_exit(EXIT_SUCCESS);
}

/*
 * The worker's side
 */

int deputy_start(struct keepnat *k)
{
	struct deputy *deputy = calloc(1, sizeof(*deputy));
	pid_t worker = getpid();
	int ends[2];

	if (!deputy || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		free(deputy);
		log_error("cannot open its descriptors: %s; raise the limit (ulimit -n)", strerror(errno));
		return -ENOMEM;
	}
	deputy->pid = fork();
	if (!deputy->pid)
		deputy_run(k, ends[1], worker);
	close(ends[1]);
	deputy->fd = ends[0];
	k->deputy = deputy;
	if (deputy->pid > 0)
		return 0;
	log_error("cannot start its deputy: %s; raise the limit of processes, or free memory",
		  strerror(errno));
	return -EAGAIN;
}

void deputy_stop(struct keepnat *k, bool leave)
{
	struct deputy *deputy = k->deputy;

	(void)leave;
	if (!deputy)
		return;
	close(deputy->fd); /* which is its end */
	if (deputy->pid > 0)
		(void)waitpid(deputy->pid, NULL, 0);
	free(deputy);
	k->deputy = NULL;
}

int deputy_ask(const struct keepnat *k, enum deputy_task task, u32 number)
{
	const struct order order = { .task = task, .number = number };
	int result, fd = k->deputy->fd;

	if (send(fd, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order) ||
	    recv(fd, &result, sizeof(result), 0) != sizeof(result))
		return -EPIPE;
	return result;
}

int deputy_fd(const struct keepnat *k) { return k->deputy->fd; }
