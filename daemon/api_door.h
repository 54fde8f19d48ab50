/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api_door.h - the ways to the API: the Unix socket, whose file says who may; and an address and port of TCP, for who has the token.
 *
 * Each is a server of its own, with a thread and a number of connections of its own: whatever comes by TCP, the Unix socket is served.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <microhttpd.h>

struct api;
struct blackbox_thread;
struct keepnat;

enum {
	TOKEN_MIN = 16,
	TOKEN_MAX = 128,
	GUESTS_MAX = 64,    /* connections by TCP */
	GUEST_SECONDS = 30, /* after which one that has not shown the token is ended, whatever it sends */
};

/* A connection by TCP. */
struct guest {
	int fd; /* -1: this place is free */
	time_t since;
	bool admitted; /* it has shown the token */
};

struct door {
	struct api *api;
	int fd;			      /* listens, and nobody serves it yet; -1: none */
	struct MHD_Daemon *http;      /* the server */
	bool joined;		      /* its thread has made itself known, */
	struct blackbox_thread *life; /* here */
	bool closed;		      /* only for who has the token */
	char token[TOKEN_MAX + 1];    /* the rest is zero */
	pthread_mutex_t lock;	      /* over the guests */
	struct guest guests[GUESTS_MAX];
};

/* The socket of TCP, if the settings want it, after api_open(). 0; or -errno, and a line has said why. */
int door_listen(struct keepnat *k);

/* "Bearer TOKEN", in a time that does not depend on how much of it is right. NULL: there was none. */
bool door_admits(const struct door *door, const char *authorization);

/*
 * Who may use a socket is not who wrote the page in his browser, should he have led the socket to a port of his machine (ssh -L). NULL, or
 * which header says that it is a page of another site: "Origin", or "Host" that is a name of the DNS, which that site's owner may point at
 * the port. Both as the request has them, NULL: it has none.
 */
const char *door_foreign(const char *origin, const char *host);

/* The callback of libmicrohttpd for connections that begin and end; `context` is the door. */
void door_notice(void *context, struct MHD_Connection *connection, void **socket_context,
		 enum MHD_ConnectionNotificationCode what);

/* This connection has shown the token. */
void door_admit(struct door *door, struct MHD_Connection *connection);

/* End those that have not, in time. Now and then; any thread. */
void door_sweep(struct door *door, time_t now);
