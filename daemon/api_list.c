// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lists that may be long: sessions, mappings, hosts, pools.
 *
 * One is {"sessions":[ROW,...],"cursor":null}, formatted as the connection takes it: each call of the reader looks at
 * LIST_TURN slots at most, so that other connections have their turn. When it met no row that is wanted it sends
 * a line feed, which JSON allows there: the reader must not return nothing, and the client sees that there is life.
 *
 * With a limit the cursor is the slot after the last row, to go on from; null: that was all. No cursor is ever
 * invalid, whatever ended meanwhile: list.h says what that promises.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/api_text.h"
#include "daemon/list.h"

enum {
	LIST_TURN = 16384, /* slots; the most that other connections wait for */
	ROW_SIZE = 1024,   /* bytes of the longest row, and more */
};

enum stage { STAGE_HEAD, STAGE_ROWS, STAGE_TAIL, STAGE_END };

struct listing;

/* A list by name, and what writes the row of a slot: true if there is one. */
struct list {
	const char *name;
	enum list_kind kind;
	bool (*row)(struct listing *l, u32 at, struct text *t);
};

struct listing {
	const struct list *list;
	struct list_view view;
	struct list_filter filter;
	u32 at, slots;
	u64 left; /* rows that may still come */
	enum stage stage;
	bool begun; /* a row was written */
	char piece[ROW_SIZE];
	size_t piece_at, piece_length;
};

static void text_interface(const struct listing *l, struct text *t, u32 number)
{
	text_string(t, "interface", number < MAX_INTERFACES ? l->view.names[number] : "");
}

static void text_protocol(struct text *t, u8 protocol)
{
	const char *name = protocol_name(protocol);
	char number[4];

	snprintf(number, sizeof(number), "%u", protocol);
	text_string(t, "protocol", name ? name : number);
}

static bool session_write(struct listing *l, u32 at, struct text *t)
{
	static const char *const states[] = { "active", "init", "established", "closing" };
	struct session_row row;

	if (!list_session(&l->view, &l->filter, at, &row))
		return false;
	text_protocol(t, row.protocol);
	text_address(t, "inside_address", row.inside_address);
	text_number(t, "inside_port", ntohs(row.inside_port));
	text_address(t, "outside_address", row.outside_address);
	text_number(t, "outside_port", ntohs(row.outside_port));
	text_address(t, "remote_address", row.remote_address);
	text_number(t, "remote_port", ntohs(row.remote_port));
	text_interface(l, t, row.interface);
	text_string(t, "state", states[row.state]);
	text_boolean(t, "own", row.own);
	text_boolean(t, "hairpin", row.hairpin);
	text_boolean(t, "full_nat", row.full);
	text_number(t, "idle", row.idle);
	text_number(t, "lifetime", row.lifetime);
	text_number(t, "packets_out", row.packets_out);
	text_number(t, "bytes_out", row.bytes_out);
	text_number(t, "packets_in", row.packets_in);
	text_number(t, "bytes_in", row.bytes_in);
	text_number(t, "generation", row.generation);
	return true;
}

static bool mapping_write(struct listing *l, u32 at, struct text *t)
{
	struct mapping_row row;

	if (!list_mapping(&l->view, &l->filter, at, &row))
		return false;
	text_protocol(t, row.protocol);
	text_address(t, "inside_address", row.inside_address);
	text_number(t, "inside_port", ntohs(row.inside_port));
	text_address(t, "outside_address", row.outside_address);
	text_number(t, "outside_port", ntohs(row.outside_port));
	text_interface(l, t, row.interface);
	text_boolean(t, "own", row.own);
	text_boolean(t, "static", row.fixed);
	text_boolean(t, "full_nat", row.full);
	text_number(t, "idle", row.idle);
	text_number(t, "generation", row.generation);
	return true;
}

static bool block_write(struct listing *l, u32 at, struct text *t)
{
	struct block_row row;

	if (!list_block(&l->view, &l->filter, at, &row))
		return false;
	text_address(t, "inside_address", row.inside_address);
	text_address(t, "outside_address", row.outside_address);
	text_number(t, "first_port", row.first);
	text_number(t, "last_port", row.last);
	text_interface(l, t, row.interface);
	text_number(t, "idle", row.idle);
	text_number(t, "generation", row.generation);
	return true;
}

static bool host_write(struct listing *l, u32 at, struct text *t)
{
	struct host_row row;

	if (!list_host(&l->view, &l->filter, at, &row))
		return false;
	text_address(t, "inside_address", row.inside_address);
	text_address(t, "outside_address", row.outside_address);
	text_interface(l, t, row.interface);
	text_boolean(t, "own", row.own);
	text_boolean(t, "reserved", row.reserved);
	if (row.counted) {
		text_number(t, "mappings", row.mappings);
		text_number(t, "sessions", row.sessions);
	}
	text_number(t, "idle", row.idle);
	text_number(t, "generation", row.generation);
	return true;
}

static void text_classes(struct text *t, const char *key, const u32 counts[PORT_AREAS])
{
	text_object(t, key);
	text_number(t, "udp", counts[CLASS_UDP]);
	text_number(t, "tcp", counts[CLASS_TCP]);
	text_number(t, "icmp", counts[CLASS_ICMP]);
	text_number(t, "other", counts[PORT_AREAS - 1]);
	text_end(t);
}

static bool pool_write(struct listing *l, u32 at, struct text *t)
{
	struct pool_row row;

	if (!list_pool(&l->view, &l->filter, at, &row))
		return false;
	text_address(t, "address", row.address);
	text_interface(l, t, row.interface);
	text_boolean(t, "pool", row.flags & ADDRESS_POOL);
	text_boolean(t, "local", row.flags & ADDRESS_LOCAL);
	text_boolean(t, "reserved", row.flags & (ADDRESS_RESERVED | ADDRESS_INBOUND));
	text_boolean(t, "full_nat", row.flags & ADDRESS_CLIENTS);
	text_classes(t, "ports_used", row.used);
	text_classes(t, "ports_free", row.free);
	return true;
}

/* The next row, or nothing if the turn ends before there is one. */
static void listing_row(struct listing *l, struct text *t, u32 *turn)
{
	for (; l->at < l->slots && *turn; l->at++, --*turn) {
		struct text row = *t;

		text_put(&row, l->begun ? ",\n" : "\n", l->begun ? 2 : 1);
		text_object(&row, NULL);
		if (!l->list->row(l, l->at, &row))
			continue;
		text_end(&row);
		*t = row;
		l->begun = true;
		l->at++;
		l->left--;
		--*turn;
		break;
	}
	if (l->at == l->slots || !l->left)
		l->stage = STAGE_TAIL;
}

/* The next piece of text into l->piece; none if the turn is over, or at the end. */
static void listing_next(struct listing *l, u32 *turn)
{
	struct text t;

	text_start(&t, l->piece, sizeof(l->piece));
	switch (l->stage) {
	case STAGE_HEAD:
		text_put(&t, "{\"", 2);
		text_put(&t, l->list->name, strlen(l->list->name));
		text_put(&t, "\":[", 3);
		l->stage = l->at < l->slots && l->left ? STAGE_ROWS : STAGE_TAIL;
		break;
	case STAGE_ROWS:
		listing_row(l, &t, turn);
		break;
	case STAGE_TAIL:
		text_put(&t, "\n]", 2);
		t.comma = true;
		if (l->at < l->slots)
			text_number(&t, "cursor", l->at);
		else
			text_put(&t, ",\"cursor\":null", 14);
		text_put(&t, "}\n", 2);
		l->stage = STAGE_END;
		break;
	default:
		break;
	}
	l->piece_at = 0;
	l->piece_length = (size_t)(t.at - l->piece);
}

static ssize_t listing_read(void *context, uint64_t position, char *buffer, size_t size)
{
	struct listing *l = context;
	u32 turn = LIST_TURN;
	size_t used = 0;

	(void)position;
	while (used < size && turn) {
		size_t length = l->piece_length - l->piece_at;

		if (!length && l->stage == STAGE_END)
			return used ? (ssize_t)used : MHD_CONTENT_READER_END_OF_STREAM;
		if (!length) {
			listing_next(l, &turn);
			continue;
		}
		length = length < size - used ? length : size - used;
		memcpy(buffer + used, l->piece + l->piece_at, length);
		l->piece_at += length;
		used += length;
	}
	if (!used)
		buffer[used++] = '\n';
	return (ssize_t)used;
}

static const struct stream listing_stream = { .read = listing_read, .free = free };

static void listing_start(struct request *request, const struct list *list)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l) {
		request_json(request, NULL);
		return;
	}
	list_open(&l->view, request->api->k);
	l->list = list;
	l->slots = list_slots(&l->view, list->kind);
	if (filter_read(request, &l->view, &l->filter) || filter_page(request, &l->at, &l->left)) {
		free(l);
		return;
	}
	if (l->at > l->slots)
		l->at = l->slots;
	request_stream(request, &listing_stream, l);
}

void answer_sessions(struct request *request)
{
	static const struct list list = { "sessions", LIST_SESSIONS, session_write };

	listing_start(request, &list);
}

void answer_mappings(struct request *request)
{
	static const struct list list = { "mappings", LIST_MAPPINGS, mapping_write };

	listing_start(request, &list);
}

void answer_blocks(struct request *request)
{
	static const struct list list = { "blocks", LIST_BLOCKS, block_write };

	listing_start(request, &list);
}

void answer_hosts(struct request *request)
{
	static const struct list list = { "hosts", LIST_HOSTS, host_write };

	listing_start(request, &list);
}

void answer_pools(struct request *request)
{
	static const struct list list = { "pools", LIST_POOLS, pool_write };

	listing_start(request, &list);
}
