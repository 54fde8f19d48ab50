// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * GET /v1/drops: the headers of the last packets that were dropped, or answered in place of their destination, the newest first. Of each
 * reason there are a few (core/drop.h), so a flood of one hides no other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/address.h"
#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/api_snapshot.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/reason.h"

enum { READ_TRIES = 8, IP_HEADER = 20, SECOND = 1000000000, ENDPOINT = 24 };

struct row {
	struct drop drop;
	u32 reason;
};

struct rows {
	struct row *items;
	u32 count;
};

/* What the kept bytes tell. Without a protocol: no IPv4 header. */
struct header {
	u8 protocol;
	bool has_ports;
	__be32 source, destination;
	__be16 source_port, destination_port;
	char flags[20]; /* of TCP, as `explain` takes them */
};

/* One that is whole: 1 and *copy; 0: there is none, or it changes faster than one can read. */
static int drop_read(const struct drop *at, struct drop *copy)
{
	const u64 *from = (const u64 *)(const void *)at;
	u64 words[sizeof(*at) / sizeof(u64)];

	for (int try = 0; try < READ_TRIES; try++) {
		u64 word = LOAD(&from[0]);

		if (!word)
			return 0;
		for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
			words[i] = LOAD(&from[i]);
		words[0] = word;
		if (word & 1 || LOAD(&from[0]) != word)
			continue;
		memcpy(copy, words, sizeof(*copy));
		return copy->kept <= DROP_BYTES && copy->interface < MAX_INTERFACES;
	}
	return 0;
}

static void flags_read(u8 bits, char text[20])
{
	static const struct {
		const char *name;
		u8 bit;
	} known[] = { { "syn", 2 }, { "ack", 16 }, { "fin", 1 }, { "rst", 4 } };

	*text = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bits & known[i].bit) {
			strcat(text, *text ? "+" : "");
			strcat(text, known[i].name);
		}
}

static void header_read(const struct drop *drop, struct header *header)
{
	const u8 *ip = drop->packet;
	u32 l4 = (ip[0] & 15u) * 4;
	bool first;

	memset(header, 0, sizeof(*header));
	if (drop->kept < IP_HEADER || ip[0] >> 4 != 4 || l4 < IP_HEADER)
		return;
	first = !(ip[6] & 0x1f) && !ip[7];
	header->protocol = ip[9];
	memcpy(&header->source, ip + 12, 4);
	memcpy(&header->destination, ip + 16, 4);
	header->has_ports =
		protocol_has_ports(ip[9]) && ip[9] != IPPROTO_ICMP && first && drop->kept >= l4 + 4;
	if (header->has_ports) {
		memcpy(&header->source_port, ip + l4, 2);
		memcpy(&header->destination_port, ip + l4 + 2, 2);
	}
	if (header->has_ports && ip[9] == IPPROTO_TCP && drop->kept >= l4 + 14)
		flags_read(ip[l4 + 13], header->flags);
}

static bool wanted(const struct list_filter *filter, const struct drop *drop, const struct header *header)
{
	return (!filter->by_interface || filter->interface == drop->interface) &&
	       (!filter->by_protocol || filter->protocol == header->protocol) &&
	       (!filter->by_host || filter->host == header->source || filter->host == header->destination);
}

/* All that are there: 0, or -ENOMEM. */
static int rows_read(struct keepnat *k, const struct list_filter *filter, u32 reason, struct rows *rows)
{
	struct header header;

	rows->count = 0;
	rows->items = calloc((size_t)k->cpus * REASONS * DROP_PLACES, sizeof(*rows->items));
	if (!rows->items)
		return -ENOMEM;
	for (u32 cpu = 0; cpu < k->cpus; cpu++)
		for (u32 r = 0; r < REASONS; r++)
			for (u32 i = 0; i < DROP_PLACES && (reason == REASONS || reason == r); i++) {
				struct row *row = &rows->items[rows->count];

				if (!drop_read(&k->nat.drops[cpu].by[r].last[i], &row->drop))
					continue;
				row->reason = r;
				header_read(&row->drop, &header);
				rows->count += wanted(filter, &row->drop, &header);
			}
	return 0;
}

static int newer_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->drop.when < y->drop.when) - (x->drop.when > y->drop.when);
}

/* What the clock showed so many nanoseconds after the machine's start. */
static json_t *json_when(u64 when)
{
	struct timespec wall, boot;
	s64 nanoseconds;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	nanoseconds = ((s64)wall.tv_sec - boot.tv_sec) * SECOND + wall.tv_nsec - boot.tv_nsec + (s64)when;
	return json_moment(
		&(struct timespec){ .tv_sec = nanoseconds / SECOND, .tv_nsec = nanoseconds % SECOND });
}

static void endpoint_text(char text[ENDPOINT], const struct header *header, __be32 address, __be16 port)
{
	char copy[ADDRESS_TEXT_SIZE];

	address_format(copy, (struct in_addr){ .s_addr = address });
	if (header->has_ports)
		snprintf(text, ENDPOINT, "%.15s:%u", copy, ntohs(port));
	else
		snprintf(text, ENDPOINT, "%.15s", copy);
}

/* What to give to `keepnat explain` for such a packet. */
static json_t *json_question(const struct drop *drop, const struct header *header, const char *protocol,
			     const char *interface)
{
	const char *flags = header->flags;
	char text[160], source[ENDPOINT], destination[ENDPOINT];
	bool askable = header->has_ports || !protocol_has_ports(header->protocol);

	if (!askable || (drop->packet[6] & 0x3f) || drop->packet[7])
		return json_null();
	endpoint_text(source, header, header->source, header->source_port);
	endpoint_text(destination, header, header->destination, header->destination_port);
	snprintf(text, sizeof(text), "%s %s %s %s%s%s%s%s", drop->direction == DIRECTION_IN ? "in" : "out",
		 protocol, source, destination, *interface ? " --interface " : "", interface,
		 *flags ? " --tcp-flags " : "", flags);
	return json_string(text);
}

static json_t *json_bytes(const struct drop *drop)
{
	char text[2 * DROP_BYTES + 1] = "";

	for (u32 i = 0; i < drop->kept; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", drop->packet[i]);
	return json_string(text);
}

static json_t *json_drop(const struct row *row, const struct list_view *view)
{
	const struct drop *drop = &row->drop;
	const char *interface = view->names[drop->interface], *name;
	/* `explain` asks by where a packet comes, and of one that leaves only the egress is known. */
	bool came = drop->direction == DIRECTION_IN || drop->interface >= MAX_OUTSIDE;
	char number[8], source[ENDPOINT], destination[ENDPOINT];
	struct header header;

	header_read(drop, &header);
	snprintf(number, sizeof(number), "%u", header.protocol);
	name = protocol_name(header.protocol);
	name = name ? name : number;
	endpoint_text(source, &(struct header){ 0 }, header.source, 0);
	endpoint_text(destination, &(struct header){ 0 }, header.destination, 0);
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:i, s:o, s:o}", "time",
			 json_when(drop->when), "reason", reason_name(row->reason), "verdict",
			 verdict_name(reason_verdict(row->reason)), "interface", interface, "direction",
			 drop->direction == DIRECTION_IN ? "in" : "out", "protocol", name, "source_address",
			 source, "source_port", ntohs(header.source_port), "destination_address", destination,
			 "destination_port", ntohs(header.destination_port), "tcp_flags", header.flags,
			 "length", (int)drop->length, "explain",
			 json_question(drop, &header, name, came ? interface : ""), "packet",
			 json_bytes(drop));
}

void answer_drops(struct request *request)
{
	struct keepnat *k = request->api->k;
	const char *name = request_parameter(request, "reason");
	u32 reason = name ? reason_named(name) : REASONS, none;
	struct list_filter filter;
	struct list_view view;
	struct rows rows;
	json_t *list;
	u64 limit;

	list_open(&view, k);
	if (name && reason == REASONS) {
		filter_refuse(request, "reason", name, "GET /v1/reasons lists them");
		return;
	}
	if (filter_read(request, &view, &filter) || filter_page(request, &none, &limit))
		return;
	if (rows_read(k, &filter, reason, &rows)) {
		request_json(request, NULL);
		return;
	}
	qsort(rows.items, rows.count, sizeof(*rows.items), newer_first);
	list = json_array();
	for (u32 i = 0; i < rows.count && i < limit; i++)
		json_array_append_new(list, json_drop(&rows.items[i], &view));
	free(rows.items);
	request_json(request, json_pack("{s:o}", "drops", list));
}
