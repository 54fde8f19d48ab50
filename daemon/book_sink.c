// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/book_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"

static u64 counter_get(const u64 *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
static void counter_set(u64 *counter, u64 value) { __atomic_store_n(counter, value, __ATOMIC_RELEASE); }

/*
 * The queue
 */

static u64 sink_waiting(const struct sink *s) { return counter_get(&s->pushed) - counter_get(&s->arrived); }

bool sink_ready(const struct sink *s)
{
	return sink_waiting(s) < s->size || !__atomic_load_n(&s->up, __ATOMIC_RELAXED);
}

void sink_push(struct sink *s, const struct trail_record *record)
{
	if (sink_waiting(s) >= s->size) {
		counter_set(&s->lost, s->lost + 1);
		return;
	}
	s->ring[s->pushed % s->size] = *record;
	counter_set(&s->pushed, s->pushed + 1);
}

bool sink_idle(const struct sink *s)
{
	return !s->up || (!sink_waiting(s) && s->lost == s->lost_arrived && !s->out_length);
}

/*
 * The connection
 */

static void sink_shut(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->connecting = false;
	s->seen = false;
	s->sent = s->arrived;
	s->lost_said = s->lost_arrived;
	s->flight_first = s->flight_next = s->bytes = 0;
	s->out_length = s->out_done = 0;
}

static void flights_settle(struct sink *s, u64 now);

/* It is gone. What has not arrived is sent again when it is back. */
static void sink_fail(struct sink *s, u64 now, int error)
{
	if (s->fd >= 0 && !s->connecting)
		flights_settle(s, now);
	if (s->up)
		log_warning("log.%s: %s: %s; it is tried again, and %u records can wait", s->format->name,
			    s->target, strerror(error), s->size);
	counter_set(&s->failures, s->failures + s->up);
	__atomic_store_n(&s->up, false, __ATOMIC_RELAXED);
	sink_shut(s);
	s->again = now + s->pause;
	s->pause = s->pause * 2 < SINK_AGAIN_MAX_MS ? s->pause * 2 : SINK_AGAIN_MAX_MS;
}

/* It takes records. */
static void sink_serves(struct sink *s)
{
	s->seen = true;
	s->pause = SINK_AGAIN_MS;
	if (!s->up)
		log_notice("log.%s: %s: it is back", s->format->name, s->target);
	__atomic_store_n(&s->up, true, __ATOMIC_RELAXED);
}

static int socket_open(const struct settings_destination *to)
{
	const struct sockaddr_in inet = { .sin_family = AF_INET,
					  .sin_addr = to->address,
					  .sin_port = htons(to->port) };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	bool is_local = to->transport == SETTINGS_TO_UNIX;
	int fd = socket(is_local ? AF_UNIX : AF_INET,
			(to->transport == SETTINGS_TO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
				SOCK_NONBLOCK,
			0);
	int error;

	if (fd < 0)
		return -errno;
	if (is_local)
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", to->path);
	error = is_local ? connect(fd, (const struct sockaddr *)&local, sizeof(local))
			 : connect(fd, (const struct sockaddr *)&inet, sizeof(inet));
	if (!error || errno == EINPROGRESS)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static void sink_connect(struct sink *s, u64 now)
{
	int fd = s->to.transport == SETTINGS_TO_FILE
			 ? open(s->to.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640)
			 : socket_open(&s->to);

	if (fd == -1 && s->to.transport == SETTINGS_TO_FILE)
		fd = -errno;
	if (fd < 0) {
		sink_fail(s, now, -fd);
		return;
	}
	s->fd = fd;
	s->since = now;
	s->connecting = s->to.transport == SETTINGS_TO_TCP;
	s->format->begin(s);
}

static int socket_error(int fd)
{
	socklen_t size = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

/* True: it is connected. */
static bool sink_connected(struct sink *s, u64 now)
{
	struct pollfd fd = { .fd = s->fd, .events = POLLOUT };
	int error;

	if (!poll(&fd, 1, 0)) {
		if (now - s->since > SINK_CONNECT_MS)
			sink_fail(s, now, ETIMEDOUT);
		return false;
	}
	error = socket_error(s->fd);
	if (error) {
		sink_fail(s, now, error);
		return false;
	}
	s->connecting = false;
	s->since = now;
	sink_serves(s);
	return true;
}

/* A file that was renamed or removed is not the one that is wanted any more. */
static bool file_moved(const struct sink *s)
{
	struct stat open_one, named;

	return stat(s->to.path, &named) || fstat(s->fd, &open_one) || named.st_ino != open_one.st_ino ||
	       named.st_dev != open_one.st_dev;
}

/* What has become of the other end? 0, or an error. */
static int sink_look(struct sink *s)
{
	char byte;

	if (s->to.transport == SETTINGS_TO_FILE) {
		if (!s->out_length && file_moved(s))
			sink_shut(s);
		return 0;
	}
	int error = socket_error(s->fd);
	if (error || s->to.transport != SETTINGS_TO_TCP)
		return error;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);
	return n == 0 ? ECONNRESET : n < 0 && errno != EAGAIN ? errno : 0;
}

/*
 * What has arrived
 */

static void flights_settle(struct sink *s, u64 now)
{
	u64 waits = 0;
	int unacknowledged;

	if (s->to.transport == SETTINGS_TO_TCP && !ioctl(s->fd, SIOCOUTQ, &unacknowledged))
		waits = (u64)unacknowledged;
	for (; s->flight_first != s->flight_next; s->flight_first++) {
		const struct sink_flight *flight = &s->flights[s->flight_first % SINK_FLIGHTS];

		if (s->to.transport == SETTINGS_TO_UDP ? now - flight->when < SINK_SETTLED_MS
						       : flight->bytes + waits > s->bytes)
			return;
		counter_set(&s->arrived, flight->until);
		s->lost_arrived = flight->lost;
		if (!s->seen)
			sink_serves(s);
	}
}

/*
 * Sending
 */

/* How many records may go now. */
static unsigned int sink_allowance(struct sink *s, u64 now)
{
	if (!s->rate)
		return SINK_BATCH;
	s->tokens += (double)s->rate * (double)(now - s->filled) / 1000;
	s->filled = now;
	if (s->tokens > s->rate)
		s->tokens = s->rate;
	return s->tokens < SINK_BATCH ? (unsigned int)s->tokens : SINK_BATCH;
}

/* The next message, if there is one. */
static bool message_make(struct sink *s, const struct book_names *names, u64 now, u64 wall)
{
	struct trail_record records[SINK_BATCH];
	u64 waiting = counter_get(&s->pushed) - s->sent, lost = counter_get(&s->lost);
	unsigned int allowed = sink_allowance(s, now), count = 0, said, taken;

	if (!allowed || s->flight_next - s->flight_first == SINK_FLIGHTS)
		return false;
	said = lost != s->lost_said;
	if (said)
		records[count++] = (struct trail_record){ .kind = TRAIL_LOST,
							  .when = wall,
							  .count = lost - s->lost_said };
	while (count < allowed && count - said < waiting) {
		records[count] = s->ring[(s->sent + count - said) % s->size];
		count++;
	}
	if (!count)
		return false;
	s->out_length = s->format->pack(s, names, records, count, wall, &taken);
	s->out_done = 0;
	if (said)
		s->lost_said = lost;
	s->sent += taken - said;
	s->out_until = s->sent;
	s->tokens -= s->rate ? taken : 0;
	return true;
}

/* Give the message away. 0: it is gone; EAGAIN: not now; or an error. */
static int message_send(struct sink *s, u64 now)
{
	while (s->out_done < s->out_length) {
		const u8 *from = s->out + s->out_done;
		size_t left = s->out_length - s->out_done;
		ssize_t n = s->to.transport == SETTINGS_TO_FILE
				    ? write(s->fd, from, left)
				    : send(s->fd, from, left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EWOULDBLOCK || errno == ENOBUFS ? EAGAIN : errno;
		s->out_done += (size_t)n;
		s->bytes += (u64)n;
		s->since = now;
	}
	s->flights[s->flight_next++ % SINK_FLIGHTS] = (struct sink_flight){
		.until = s->out_until, .bytes = s->bytes, .when = now, .lost = s->lost_said
	};
	s->out_length = 0;
	return 0;
}

/* Whether it has to be heard first that the last message arrived: nobody knows whether a datagram is wanted. */
static bool sink_probes(const struct sink *s)
{
	return s->to.transport == SETTINGS_TO_UDP && !s->up && s->flight_first != s->flight_next;
}

void sink_run(struct sink *s, const struct book_names *names, u64 now, u64 wall)
{
	int error;

	if (s->fd < 0 && now >= s->again)
		sink_connect(s, now);
	if (s->fd < 0 || (s->connecting && !sink_connected(s, now)))
		return;
	error = sink_look(s);
	if (s->fd < 0)
		return;
	if (!error)
		flights_settle(s, now);
	while (!error && (s->out_length || (!sink_probes(s) && message_make(s, names, now, wall))))
		error = message_send(s, now);
	if (error == EAGAIN && now - s->since > SINK_STALLED_MS)
		error = ETIMEDOUT;
	if (error && error != EAGAIN)
		sink_fail(s, now, error);
	else if (s->to.transport != SETTINGS_TO_UDP)
		flights_settle(s, now);
}

int sink_fd(const struct sink *s, short *events)
{
	*events = POLLOUT;
	return s->connecting || s->out_length ? s->fd : -1;
}

void sink_reopen(struct sink *s)
{
	if (s->to.transport == SETTINGS_TO_FILE && !s->out_length)
		sink_shut(s);
}

int sink_open(struct sink *s, const struct sink_format *format, const char *target, u32 size, u32 rate)
{
	*s = (struct sink){
		.format = format, .fd = -1, .size = size, .rate = rate, .up = true, .pause = SINK_AGAIN_MS
	};
	snprintf(s->target, sizeof(s->target), "%s", target);
	if (settings_destination_parse(s->target, &s->to))
		return -EINVAL;
	s->ring = calloc(size, sizeof(*s->ring));
	return s->ring ? 0 : -ENOMEM;
}

void sink_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->ring);
	s->ring = NULL;
}
