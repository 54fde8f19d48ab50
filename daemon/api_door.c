// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api_door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/api_request.h"
#include "daemon/config.h"
#include "daemon/keepnat.h"
#include "daemon/log.h"

enum { TCP_BACKLOG = 64 };

#define BEARER "Bearer "

bool door_admits(const struct door *door, const char *authorization)
{
	char given[TOKEN_MAX + 1] = "";
	unsigned char differs = 0;
	size_t length;

	if (!authorization || strncmp(authorization, BEARER, strlen(BEARER)) != 0)
		return false;
	authorization += strlen(BEARER);
	length = strlen(authorization);
	if (length > TOKEN_MAX)
		return false;
	memcpy(given, authorization, length);
	for (size_t i = 0; i < TOKEN_MAX; i++)
		differs |= (unsigned char)(given[i] ^ door->token[i]);
	return !differs;
}

/* An address, or a name that no DNS leads elsewhere: one without a dot, such as localhost. The port may follow. */
static bool host_is_ours(const char *host)
{
	size_t name = strcspn(host, ":");

	return *host == '[' || strspn(host, "0123456789.") == name || !memchr(host, '.', name);
}

const char *door_foreign(const char *origin, const char *host)
{
	if (host && !host_is_ours(host))
		return "Host";
	if (!origin)
		return NULL;
	if (!strncmp(origin, "http://", 7))
		origin += 7;
	else if (!strncmp(origin, "https://", 8))
		origin += 8;
	else
		return "Origin";
	return host && !strcmp(origin, host) ? NULL : "Origin";
}

/*
 * Connections by TCP. libmicrohttpd ends one that is silent; these are ended also if they talk and never show the token, so that
 * nobody without it has a place for longer.
 */

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static struct guest *guest_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* The place that is free; there is one, as libmicrohttpd lets no more in. */
static struct guest *guest_place(struct door *door)
{
	for (unsigned int i = 0; i < GUESTS_MAX; i++)
		if (door->guests[i].fd < 0)
			return &door->guests[i];
	return NULL;
}

void door_notice(void *context, struct MHD_Connection *connection, void **socket_context,
		 enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct door *door = context;
	struct guest *guest;

	pthread_mutex_lock(&door->lock);
	guest = what == MHD_CONNECTION_NOTIFY_STARTED ? guest_place(door) : *socket_context;
	if (guest && what == MHD_CONNECTION_NOTIFY_STARTED)
		*guest = (struct guest){ .fd = info->connect_fd, .since = seconds() };
	else if (guest)
		guest->fd = -1; /* before it is closed: its number is not yet somebody else's */
	*socket_context = guest;
	pthread_mutex_unlock(&door->lock);
}

void door_admit(struct door *door, struct MHD_Connection *connection)
{
	struct guest *guest = guest_of(connection);

	pthread_mutex_lock(&door->lock);
	if (guest)
		guest->admitted = true;
	pthread_mutex_unlock(&door->lock);
}

void door_sweep(struct door *door, time_t now)
{
	pthread_mutex_lock(&door->lock);
	for (unsigned int i = 0; i < GUESTS_MAX; i++) {
		const struct guest *guest = &door->guests[i];

		if (guest->fd >= 0 && !guest->admitted && now - guest->since > GUEST_SECONDS)
			(void)shutdown(guest->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&door->lock);
}

/* The words to say what is wrong with a token's file; NULL: it is read. */
static const char *token_take(struct door *door, int fd)
{
	char text[TOKEN_MAX + 2];
	struct stat status;
	ssize_t length;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return "it is no file";
	if (status.st_mode & (S_IROTH | S_IWOTH))
		return "everybody may read or write it; run: chmod 640";
	length = read(fd, text, sizeof(text));
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	if (length < TOKEN_MIN || length > TOKEN_MAX)
		return "it does not hold a token of 16 to 128 characters";
	for (ssize_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return "a token is one line without blanks";
	memcpy(door->token, text, (size_t)length);
	return NULL;
}

static int token_read(struct door *door, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = fd < 0 ? -errno : 0;
	const char *wrong = error ? strerror(-error) : token_take(door, fd);

	if (fd >= 0)
		close(fd);
	if (!wrong)
		return 0;
	log_error("api.token_file %s: %s; `openssl rand -hex 24` makes a token", path, wrong);
	return error ? error : -EINVAL;
}

/* The listening socket, or -errno. */
static int tcp_listen(const char *listen_at)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd, error, on = 1;
	u16 port = 0;

	if (settings_listen_parse(listen_at, &address.sin_addr, &port))
		return -EINVAL;
	address.sin_port = htons(port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, TCP_BACKLOG))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int door_listen(struct keepnat *k)
{
	const struct settings_api *settings = &k->settings->api;
	struct door *door = &k->api->doors[1];
	int error;

	if (!*settings->listen)
		return 0;
	error = token_read(door, settings->token_file);
	if (error)
		return error;
	door->fd = tcp_listen(settings->listen);
	if (door->fd >= 0)
		return 0;
	log_error("api.listen %s: %s; name an address of this machine and a port that nobody has",
		  settings->listen, strerror(-door->fd));
	return door->fd;
}
