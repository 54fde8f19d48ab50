// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keepnat.h"
#include "daemon/log.h"
#include "daemon/machine.h"

/* Here for all instances, wherever their folders are: they must meet. No instance can have this name. */
static const char meeting_place[] = "/run/keepnat/.interfaces";

enum { PATIENCE_MS = 1000, PAUSE_MS = 20 };

struct claims {
	int run, pins;
	unsigned long netns; /* inode of the network namespace */
	unsigned int count;
	struct {
		u32 ifindex;
		int fd;
	} interfaces[MAX_INTERFACES];
};

/* flock() it at once, or not at all. The descriptor; -EWOULDBLOCK; -errno. */
static int claim_file(const char *path, int flags)
{
	for (;;) {
		struct stat file = { 0 };
		int fd = open(path, flags | O_CLOEXEC, 0600), error = 0;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &file))
			error = -errno;
		if (!error && file.st_nlink)
			return fd;
		close(fd);
		if (error)
			return error;
		/* Its owner gave it up and removed it between our two steps. */
	}
}

/* The process that the file names, or 0. */
static long claim_holder(const char *path)
{
	FILE *file = fopen(path, "re");
	long pid = 0;

	if (file && fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

/* As claim_file(). When a parent was killed its worker is, too, and gives up its files only when it is gone. */
static int claim_patiently(const char *path, int flags)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int fd = claim_file(path, flags);

	for (int i = 0; i < PATIENCE_MS / PAUSE_MS && fd == -EWOULDBLOCK; i++) {
		long holder = claim_holder(path);

		if (holder > 0 && (!kill((pid_t)holder, 0) || errno != ESRCH))
			break;
		nanosleep(&pause, NULL);
		fd = claim_file(path, flags);
	}
	return fd;
}

/* Say in the file who to turn to, the parent, for the message of the next one. */
static void claim_sign(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getppid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		return; /* only the message is poorer */
}

static void claim_refuse(const struct keepnat *k, const char *path)
{
	log_error("instance \"%s\" is running already: process %ld; stop it, or choose another --instance",
		  k->instance, claim_holder(path));
}

int claims_open(struct keepnat *k)
{
	struct claims *claims = calloc(1, sizeof(*claims));
	char path[sizeof(k->run_dir) + 8];
	struct stat netns;

	if (!claims)
		return -ENOMEM;
	claims->run = claims->pins = -1;
	k->claims = claims;
	if (!stat("/proc/self/ns/net", &netns))
		claims->netns = (unsigned long)netns.st_ino;
	snprintf(path, sizeof(path), "%s/lock", k->run_dir);
	claims->run = claim_patiently(path, O_RDWR | O_CREAT);
	if (claims->run >= 0) {
		claim_sign(claims->run);
		return 0;
	}
	if (claims->run == -EWOULDBLOCK)
		claim_refuse(k, path);
	else
		log_error("cannot write %s: %s; choose another --run-dir", path, strerror(-claims->run));
	return claims->run == -EWOULDBLOCK ? -EBUSY : claims->run;
}

int claim_pins(struct keepnat *k)
{
	int fd;

	if (k->claims->pins >= 0)
		close(k->claims->pins);
	k->claims->pins = -1;
	fd = claim_patiently(k->pin_dir, O_RDONLY | O_DIRECTORY);
	if (fd >= 0) {
		k->claims->pins = fd;
		return 0;
	}
	if (fd == -EWOULDBLOCK)
		log_error("another keepnatd uses the pins in %s; stop it, or choose another --pin-dir",
			  k->pin_dir);
	else
		log_error("cannot open %s: %s; choose another --pin-dir", k->pin_dir, strerror(-fd));
	return fd == -EWOULDBLOCK ? -EBUSY : fd;
}

static void interface_path(const struct claims *claims, u32 ifindex, char path[96])
{
	snprintf(path, 96, "%s/%lu-%u", meeting_place, claims->netns, ifindex);
}

int claim_interface(struct keepnat *k, u32 ifindex)
{
	struct claims *claims = k->claims;
	char path[96];
	int error, fd;

	if (!claims)
		return 0;
	for (unsigned int i = 0; i < claims->count; i++)
		if (claims->interfaces[i].ifindex == ifindex)
			return 0;
	error = machine_folder(meeting_place);
	if (error)
		return error;
	interface_path(claims, ifindex, path);
	fd = claim_patiently(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd == -EWOULDBLOCK ? -EBUSY : fd;
	claim_sign(fd);
	claims->interfaces[claims->count].ifindex = ifindex;
	claims->interfaces[claims->count++].fd = fd;
	return 0;
}

/* The file goes first: whoever opens it now makes a new one, and we no longer want ours. */
static void interface_give(struct claims *claims, unsigned int i)
{
	char path[96];

	interface_path(claims, claims->interfaces[i].ifindex, path);
	unlink(path);
	close(claims->interfaces[i].fd);
	claims->interfaces[i] = claims->interfaces[--claims->count];
}

void claim_give(struct keepnat *k, u32 ifindex)
{
	for (unsigned int i = 0; i < k->claims->count; i++)
		if (k->claims->interfaces[i].ifindex == ifindex) {
			interface_give(k->claims, i);
			return;
		}
}

void claims_close(struct keepnat *k)
{
	struct claims *claims = k->claims;

	if (!claims)
		return;
	while (claims->count)
		interface_give(claims, claims->count - 1);
	if (claims->pins >= 0)
		close(claims->pins);
	if (claims->run >= 0)
		close(claims->run);
	free(claims);
	k->claims = NULL;
}
