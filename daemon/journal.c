// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/event.h"
#include "daemon/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal {
	int fd;
};

/* Is stderr the stream that systemd made for us? It says which one: device and inode. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;
	char *end;

	if (!stream || fstat(STDERR_FILENO, &status))
		return false;
	device = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	inode = strtoull(end + 1, &end, 10);
	return !*end && device == status.st_dev && inode == status.st_ino;
}

struct journal *journal_open(void)
{
	const char *path = getenv("KEEPNAT_JOURNAL_SOCKET"); /* tests have one of their own */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct journal *journal;

	if (!path && !stderr_is_journal())
		return NULL;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path ? path : JOURNAL_SOCKET);
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal->fd >= 0 && !connect(journal->fd, (struct sockaddr *)&address, sizeof(address)))
		return journal;
	journal_close(journal);
	return NULL;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}

/* A line to stderr, if that takes it at once: a pipe does that for what is shorter than its buffer's least. */
static bool line_write(int severity, const struct event *event, const char *untold)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&fd, 1, 0) == 0)
		return false;
	log_line((enum log_level)severity, "%s%s%s%s", event->subject, *event->subject ? ": " : "",
		 event->text, untold);
	return true;
}

bool journal_write(struct journal *journal, int severity, const char *instance, const struct event *event,
		   const char *untold)
{
	const struct event_kind *kind = event_kind(event->id);
	char datagram[2048];
	int length;

	if (!journal)
		return line_write(severity, event, untold);
	length = snprintf(datagram, sizeof(datagram),
			  "MESSAGE=%s%s%s%s\nMESSAGE_ID=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=keepnatd\n"
			  "KEEPNAT_INSTANCE=%s\nKEEPNAT_EVENT=%s\nKEEPNAT_SUBJECT=%s\nKEEPNAT_NUMBER=%llu\n"
			  "KEEPNAT_DROPPED=%llu\n",
			  event->subject, *event->subject ? ": " : "", event->text, untold, kind->message_id,
			  severity, instance ? instance : "", kind->name, event->subject,
			  (unsigned long long)event->number, (unsigned long long)event->dropped);
	if (send(journal->fd, datagram, (size_t)length, MSG_NOSIGNAL) == length)
		return true;
	return errno == EAGAIN || errno == EWOULDBLOCK ? false : line_write(severity, event, untold);
}
