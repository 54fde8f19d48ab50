// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * End what a filter names, and say how much that was.
 *
 * The tables are walked as the connection takes the answer, a turn at a time, so that other connections have theirs. Until the end the
 * answer is line feeds, which JSON allows ahead. A client that goes away leaves the walk where it was.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/event.h"
#include "daemon/kill.h"

enum { KILL_TURN = 16384, ANSWER_SIZE = 256 };

struct order {
	struct kill kill;
	struct keepnat *k;
	char answer[ANSWER_SIZE];
	size_t at, length;
};

static void order_finish(struct order *order)
{
	const struct kill_counts *n = &order->kill.counts;

	order->length =
		(size_t)snprintf(order->answer, sizeof(order->answer),
				 "{\"sessions\":%llu,\"mappings\":%llu,\"hosts\":%llu,\"kept\":%llu}\n",
				 (unsigned long long)n->sessions, (unsigned long long)n->mappings,
				 (unsigned long long)n->hosts, (unsigned long long)n->kept);
	if (n->sessions || n->mappings || n->hosts)
		event_tell(order->k, EVENT_entries_killed, "", "%llu sessions, %llu mappings, %llu hosts",
			   (unsigned long long)n->sessions, (unsigned long long)n->mappings,
			   (unsigned long long)n->hosts);
}

static ssize_t order_read(void *context, uint64_t position, char *buffer, size_t size)
{
	struct order *order = context;
	size_t left;

	(void)position;
	if (!order->kill.done) {
		kill_step(&order->kill, KILL_TURN);
		if (order->kill.done)
			order_finish(order);
		*buffer = '\n';
		return 1;
	}
	left = order->length - order->at;
	if (!left)
		return MHD_CONTENT_READER_END_OF_STREAM;
	left = left < size ? left : size;
	memcpy(buffer, order->answer + order->at, left);
	order->at += left;
	return (ssize_t)left;
}

static const struct stream order_stream = { .read = order_read, .free = free };

static bool filter_is_empty(const struct list_filter *f)
{
	return !f->by_host && !f->by_outside && !f->by_remote && !f->by_protocol && !f->by_interface;
}

/* Read the filter; else the request is answered. */
static int order_filter(struct request *request, struct order *order, enum kill_what what)
{
	struct list_filter *filter = &order->kill.filter;
	struct in_addr address;
	int error = filter_read(request, &order->kill.view, filter);

	if (error)
		return error;
	if (what == KILL_HOSTS) {
		if (address_parse(request->name, &address))
			return filter_refuse(request, "inside address", request->name,
					     "give the inside address of a host, such as 10.0.0.11");
		filter->by_host = true;
		filter->host = address.s_addr;
	}
	if (!filter_is_empty(filter))
		return 0;
	request_fail(
		request, MHD_HTTP_BAD_REQUEST, "it is not said which",
		"name host, outside, remote, protocol or interface; to end all sessions of an interface, "
		"reset it",
		NULL);
	return -1;
}

static void order_start(struct request *request, enum kill_what what)
{
	struct order *order = calloc(1, sizeof(*order));

	if (!order) {
		request_json(request, NULL);
		return;
	}
	order->k = request->api->k;
	list_open(&order->kill.view, order->k);
	kill_begin(&order->kill, what);
	if (order_filter(request, order, what)) {
		free(order);
		return;
	}
	request_stream(request, &order_stream, order);
}

void answer_kill_sessions(struct request *request) { order_start(request, KILL_SESSIONS); }
void answer_kill_mappings(struct request *request) { order_start(request, KILL_MAPPINGS); }
void answer_kill_host(struct request *request) { order_start(request, KILL_HOSTS); }
