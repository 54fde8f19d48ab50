// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/types.h"

/* What goes over to another program: "NAME=DESCRIPTOR:" for each. */
#define HANDED "KEEPNAT_HELD"

enum hold_order { HOLD_PUT, HOLD_DROP, HOLD_RENAME };

/* From worker to parent; with HOLD_PUT a descriptor goes along. */
struct hold_message {
	u32 order;
	char name[HOLD_NAME], to[HOLD_NAME];
};

/*
 * The table
 */

/* Who speaks may have lost its mind: a name is what it should be, or there is none. */
static bool name_is_sound(const char name[HOLD_NAME])
{
	size_t length = strnlen(name, HOLD_NAME);

	return length && length < HOLD_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/") == length;
}

static struct hold *hold_find(const struct holds *holds, const char *name)
{
	for (unsigned int i = 0; i < holds->count; i++)
		if (!strcmp(holds->list[i].name, name))
			return (struct hold *)&holds->list[i];
	return NULL;
}

static bool table_drop(struct holds *holds, const char *name)
{
	struct hold *hold = hold_find(holds, name);

	if (!hold)
		return false;
	close(hold->fd);
	*hold = holds->list[--holds->count];
	return true;
}

/* The descriptor is the table's from now on, or closed. False: there was no room. */
static bool table_put(struct holds *holds, const char *name, int fd)
{
	struct hold *hold;

	(void)table_drop(holds, name);
	if (holds->count == HOLDS) {
		close(fd);
		return false;
	}
	hold = &holds->list[holds->count++];
	snprintf(hold->name, sizeof(hold->name), "%s", name);
	hold->fd = fd;
	return true;
}

static bool table_rename(struct holds *holds, const char *name, const char *to)
{
	if (!strcmp(name, to) || !hold_find(holds, name))
		return false;
	(void)table_drop(holds, to);
	snprintf(hold_find(holds, name)->name, HOLD_NAME, "%s", to);
	return true;
}

/*
 * The parent's side
 */

/* Numbers that are no descriptors of ours are left out. */
static void handed_read(struct holds *holds)
{
	char *handed = getenv(HANDED), *save = NULL, name[HOLD_NAME];
	int fd;

	for (char *one = handed ? strtok_r(handed, ":", &save) : NULL; one; one = strtok_r(NULL, ":", &save))
		if (sscanf(one, "%55[^=]=%d", name, &fd) == 2 && name_is_sound(name) && fd > STDERR_FILENO &&
		    !fcntl(fd, F_SETFD, FD_CLOEXEC))
			(void)table_put(holds, name, fd);
	unsetenv(HANDED);
}

int holds_open(struct holds *holds)
{
	int ends[2];

	holds->hear = holds->tell = -1;
	holds->count = 0;
	handed_read(holds);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	holds->hear = ends[0];
	holds->tell = ends[1];
	return 0;
}

/* The next message, and its descriptor or -1. False: there is none. */
static bool message_take(const struct holds *holds, struct hold_message *message, int *fd)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr))));
	struct iovec bytes = { .iov_base = message, .iov_len = sizeof(*message) };
	/* CMSG_LEN, not its SPACE: there is room for one descriptor and no more. */
	struct msghdr header = { .msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = space,
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	const struct cmsghdr *control;

	*fd = -1;
	memset(message, 0, sizeof(*message));
	if (recvmsg(holds->hear, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return false;
	control = CMSG_FIRSTHDR(&header);
	if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
	    control->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(control), sizeof(int));
	return true;
}

void holds_hear(struct holds *holds)
{
	struct hold_message message;
	int fd;

	while (message_take(holds, &message, &fd)) {
		bool sound = name_is_sound(message.name);

		if (sound && message.order == HOLD_PUT && fd >= 0) {
			(void)table_put(holds, message.name, fd);
			continue;
		}
		if (fd >= 0)
			close(fd);
		if (sound && message.order == HOLD_DROP)
			(void)table_drop(holds, message.name);
		else if (sound && message.order == HOLD_RENAME && name_is_sound(message.to))
			(void)table_rename(holds, message.name, message.to);
	}
}

void holds_hand(struct holds *holds)
{
	static char text[HOLDS * (HOLD_NAME + 12)];
	size_t length = 0;

	holds_hear(holds);
	for (unsigned int i = 0; i < holds->count; i++)
		if (!fcntl(holds->list[i].fd, F_SETFD, 0))
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "%s=%d:", holds->list[i].name, holds->list[i].fd);
	if (length && setenv(HANDED, text, 1))
		holds_keep(holds); /* without memory it has its pins */
}

void holds_keep(struct holds *holds)
{
	unsetenv(HANDED);
	for (unsigned int i = 0; i < holds->count; i++)
		(void)fcntl(holds->list[i].fd, F_SETFD, FD_CLOEXEC);
}

/*
 * The worker's side
 */

void holds_begin(struct holds *holds)
{
	close(holds->hear);
	holds->hear = -1;
}

/* The parent takes it within its turn. One that is gone takes us along. */
static void message_send(const struct holds *holds, u32 order, const char *name, const char *to, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr)))) = { 0 };
	struct hold_message message = { .order = order };
	struct iovec bytes = { .iov_base = &message, .iov_len = sizeof(message) };
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };

	snprintf(message.name, sizeof(message.name), "%s", name);
	snprintf(message.to, sizeof(message.to), "%s", to);
	if (fd >= 0) {
		struct cmsghdr *control = (struct cmsghdr *)(void *)space;

		*control = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
					     .cmsg_level = SOL_SOCKET,
					     .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(control), &fd, sizeof(int));
		header.msg_control = space;
		header.msg_controllen = sizeof(space);
	}
	(void)sendmsg(holds->tell, &header, MSG_NOSIGNAL);
}

int hold_get(const struct holds *holds, const char *name)
{
	const struct hold *hold = holds ? hold_find(holds, name) : NULL;

	return hold ? fcntl(hold->fd, F_DUPFD_CLOEXEC, 3) : -1;
}

void hold_put(struct holds *holds, const char *name, int fd)
{
	int own = holds ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;

	if (own >= 0 && table_put(holds, name, own))
		message_send(holds, HOLD_PUT, name, "", fd);
}

void hold_drop(struct holds *holds, const char *name)
{
	if (holds && table_drop(holds, name))
		message_send(holds, HOLD_DROP, name, "", -1);
}

void hold_rename(struct holds *holds, const char *name, const char *to)
{
	if (holds && table_rename(holds, name, to))
		message_send(holds, HOLD_RENAME, name, to, -1);
}
