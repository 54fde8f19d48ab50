// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Records by IPFIX (RFC 7011), with the events and fields of RFC 8158. A message has the templates first when they are due, then the records,
 * those with one template in a row as one set. The sequence counts all records of a connection, or, of datagrams, since the start.
 */
#include <string.h>

#include "core/env.h"
#include "daemon/book_sink.h"

enum {
	IPFIX_VERSION = 10,
	IPFIX_HEADER = 16,
	SET_HEADER = 4,
	SET_TEMPLATES = 2,
	SET_OPTIONS = 3,
	TEMPLATES_MS = 60000, /* datagrams may be lost: they are sent again */
	RECORD_MAX = 64,
	STREAM_MESSAGE = 8192,
};

/* IANA's numbers of information elements. */
enum element {
	SOURCE_PORT = 7,
	PROTOCOL = 4,
	SOURCE_ADDRESS = 8,
	DESTINATION_PORT = 11,
	DESTINATION_ADDRESS = 12,
	EXPORTING_PROCESS = 144,
	NOT_SENT = 166,
	POST_SOURCE_ADDRESS = 225,
	POST_DESTINATION_ADDRESS = 226,
	POST_SOURCE_PORT = 227,
	POST_DESTINATION_PORT = 228,
	NAT_EVENT = 230,
	NAT_POOL = 283,
	MILLISECONDS = 323,
	PORT_FIRST = 361,
	PORT_LAST = 362,
	PORT_STEP = 363,
	PORT_COUNT = 364,
	NAT_INSTANCE = 463,
	QUOTA_EVENT = 466,
	MAX_SESSIONS = 471,
	MAX_MAPPINGS = 472,
	MAX_OF_HOST = 473,
	MAX_HOSTS = 474,
	THRESHOLD_EVENT = 467,
	POOL_HIGH = 476,
	POOL_LOW = 477,
	MAPPINGS_HIGH = 478,
	BINDINGS_HIGH = 481,
};

/* And of events. */
enum nat_event {
	EVENT_ADDRESSES_EXHAUSTED = 3,
	EVENT_SESSION_CREATE = 4,
	EVENT_SESSION_DELETE = 5,
	EVENT_BIB_CREATE = 8,
	EVENT_BIB_DELETE = 9,
	EVENT_PORTS_EXHAUSTED = 12,
	EVENT_QUOTA_EXCEEDED = 13,
	EVENT_BINDING_CREATE = 14,
	EVENT_BINDING_DELETE = 15,
	EVENT_BLOCK_ALLOCATION = 16,
	EVENT_BLOCK_DEALLOCATION = 17,
	EVENT_THRESHOLD = 18,
};

/* And of thresholds. That of one host, 4, is none here. */
enum nat_threshold {
	THRESHOLD_POOL_HIGH = 1,
	THRESHOLD_POOL_LOW = 2,
	THRESHOLD_MAPPINGS_HIGH = 3,
	THRESHOLD_BINDINGS_HIGH = 5,
};

struct field {
	u16 element; /* 0: no more */
	u16 length;
};

#define HEAD \
	{ MILLISECONDS, 8 }, { NAT_EVENT, 1 }, { NAT_INSTANCE, 4 }

static const struct field bib_fields[] = {
	HEAD,
	{ SOURCE_ADDRESS, 4 },
	{ POST_SOURCE_ADDRESS, 4 },
	{ PROTOCOL, 1 },
	{ SOURCE_PORT, 2 },
	{ POST_SOURCE_PORT, 2 },
	{ 0 },
};
static const struct field block_fields[] = {
	HEAD,
	{ SOURCE_ADDRESS, 4 },
	{ POST_SOURCE_ADDRESS, 4 },
	{ PORT_FIRST, 2 },
	{ PORT_LAST, 2 },
	{ PORT_STEP, 2 },
	{ PORT_COUNT, 2 },
	{ 0 },
};
/* The remote endpoint is the same on both sides. */
static const struct field session_fields[] = {
	HEAD,
	{ SOURCE_ADDRESS, 4 },
	{ POST_SOURCE_ADDRESS, 4 },
	{ PROTOCOL, 1 },
	{ SOURCE_PORT, 2 },
	{ POST_SOURCE_PORT, 2 },
	{ DESTINATION_ADDRESS, 4 },
	{ POST_DESTINATION_ADDRESS, 4 },
	{ DESTINATION_PORT, 2 },
	{ POST_DESTINATION_PORT, 2 },
	{ 0 },
};
static const struct field addresses_fields[] = { HEAD, { NAT_POOL, 4 }, { 0 } };
static const struct field ports_fields[] = { HEAD, { POST_SOURCE_ADDRESS, 4 }, { PROTOCOL, 1 }, { 0 } };
/* Quotas: of sessions, mappings, of one host, and of hosts. */
static const struct field sessions_fields[] = { HEAD, { QUOTA_EVENT, 4 }, { MAX_SESSIONS, 4 }, { 0 } };
static const struct field mappings_fields[] = { HEAD, { QUOTA_EVENT, 4 }, { MAX_MAPPINGS, 4 }, { 0 } };
static const struct field host_fields[] = {
	HEAD, { QUOTA_EVENT, 4 }, { MAX_OF_HOST, 4 }, { SOURCE_ADDRESS, 4 }, { 0 }
};
static const struct field hosts_fields[] = { HEAD, { QUOTA_EVENT, 4 }, { MAX_HOSTS, 4 }, { 0 } };
static const struct field binding_fields[] = {
	HEAD, { SOURCE_ADDRESS, 4 }, { POST_SOURCE_ADDRESS, 4 }, { 0 }
};
/* Thresholds: of the addresses of a pool, upwards and downwards, of mappings, and of hosts' addresses. */
static const struct field pool_high_fields[] = {
	HEAD, { THRESHOLD_EVENT, 4 }, { POOL_HIGH, 4 }, { NAT_POOL, 4 }, { 0 }
};
static const struct field pool_low_fields[] = {
	HEAD, { THRESHOLD_EVENT, 4 }, { POOL_LOW, 4 }, { NAT_POOL, 4 }, { 0 }
};
static const struct field mappings_high_fields[] = {
	HEAD, { THRESHOLD_EVENT, 4 }, { MAPPINGS_HIGH, 4 }, { 0 }
};
static const struct field bindings_high_fields[] = {
	HEAD, { THRESHOLD_EVENT, 4 }, { BINDINGS_HIGH, 4 }, { 0 }
};
/* RFC 7011 section 4.3, of what is known here: records that were lost. The first field is the scope. */
static const struct field lost_fields[] = { { EXPORTING_PROCESS, 4 }, { NOT_SENT, 8 }, { 0 } };

struct layout {
	u16 id;
	u16 scope; /* fields that are; not 0: one of options */
	const struct field *fields;
};

static const struct layout templates[] = {
	{ 256, 0, bib_fields },	     { 257, 0, block_fields },	       { 258, 1, lost_fields },
	{ 259, 0, session_fields },  { 260, 0, addresses_fields },     { 261, 0, ports_fields },
	{ 262, 0, sessions_fields }, { 263, 0, mappings_fields },      { 264, 0, host_fields },
	{ 265, 0, hosts_fields },    { 266, 0, binding_fields },       { 267, 0, pool_high_fields },
	{ 268, 0, pool_low_fields }, { 269, 0, mappings_high_fields }, { 270, 0, bindings_high_fields },
};

static const struct {
	u8 event;
	u8 template;
	u8 threshold; /* enum nat_threshold */
} kinds[TRAIL_KINDS] = {
	[TRAIL_MAPPING_BEGIN] = { EVENT_BIB_CREATE, 0, 0 },
	[TRAIL_MAPPING_END] = { EVENT_BIB_DELETE, 0, 0 },
	[TRAIL_BLOCK_BEGIN] = { EVENT_BLOCK_ALLOCATION, 1, 0 },
	[TRAIL_BLOCK_END] = { EVENT_BLOCK_DEALLOCATION, 1, 0 },
	[TRAIL_SESSION_BEGIN] = { EVENT_SESSION_CREATE, 3, 0 },
	[TRAIL_SESSION_END] = { EVENT_SESSION_DELETE, 3, 0 },
	[TRAIL_BINDING_BEGIN] = { EVENT_BINDING_CREATE, 10, 0 },
	[TRAIL_BINDING_END] = { EVENT_BINDING_DELETE, 10, 0 },
	[TRAIL_LOST] = { 0, 2, 0 },
	[TRAIL_ADDRESSES_EXHAUSTED] = { EVENT_ADDRESSES_EXHAUSTED, 4, 0 },
	[TRAIL_PORTS_EXHAUSTED] = { EVENT_PORTS_EXHAUSTED, 5, 0 },
	[TRAIL_QUOTA_EXCEEDED] = { EVENT_QUOTA_EXCEEDED, 5,
				   0 }, /* and so many more as the quota's number is */
	[TRAIL_POOL_HIGH] = { EVENT_THRESHOLD, 11, THRESHOLD_POOL_HIGH },
	[TRAIL_POOL_LOW] = { EVENT_THRESHOLD, 12, THRESHOLD_POOL_LOW },
	[TRAIL_MAPPINGS_HIGH] = { EVENT_THRESHOLD, 13, THRESHOLD_MAPPINGS_HIGH },
	[TRAIL_BINDINGS_HIGH] = { EVENT_THRESHOLD, 14, THRESHOLD_BINDINGS_HIGH },
};

/* What is written, and where. */
struct message {
	u8 *bytes;
	size_t used, room;
	size_t set; /* where the set begins that is open; 0: none */
	u16 set_id;
};

static void put(struct message *m, u64 value, unsigned int length)
{
	while (length--)
		m->bytes[m->used++] = (u8)(value >> 8 * length);
}

static void put_at(struct message *m, size_t at, u64 value, unsigned int length)
{
	size_t used = m->used;

	m->used = at;
	put(m, value, length);
	m->used = used;
}

static void set_end(struct message *m)
{
	if (m->set)
		put_at(m, m->set + 2, m->used - m->set, 2);
	m->set = 0;
}

/* In a set of this number from now on. */
static void set_begin(struct message *m, u16 id)
{
	if (m->set && m->set_id == id)
		return;
	set_end(m);
	m->set = m->used;
	m->set_id = id;
	put(m, id, 2);
	put(m, 0, 2);
}

static unsigned int fields_count(const struct layout *template)
{
	unsigned int n = 0;

	while (template->fields[n].element)
		n++;
	return n;
}

static void templates_put(struct message *m)
{
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		const struct layout *t = &templates[i];

		set_begin(m, t->scope ? SET_OPTIONS : SET_TEMPLATES);
		put(m, t->id, 2);
		put(m, fields_count(t), 2);
		if (t->scope)
			put(m, t->scope, 2);
		for (const struct field *f = t->fields; f->element; f++) {
			put(m, f->element, 2);
			put(m, f->length, 2);
		}
	}
	set_end(m);
}

static u64 field_value(const struct sink *sink, const struct trail_record *r, u16 element)
{
	switch (element) {
	case MILLISECONDS:
		return r->when;
	case NAT_EVENT:
		return kinds[r->kind].event;
	case SOURCE_ADDRESS:
		return be32_to_host(r->inside);
	case POST_SOURCE_ADDRESS:
		return be32_to_host(r->outside);
	case PROTOCOL:
		return r->protocol;
	case SOURCE_PORT:
		return r->inside_port;
	case POST_SOURCE_PORT:
	case PORT_FIRST:
		return r->outside_port;
	case DESTINATION_ADDRESS:
	case POST_DESTINATION_ADDRESS:
		return be32_to_host(r->remote);
	case DESTINATION_PORT:
	case POST_DESTINATION_PORT:
		return r->remote_port;
	case PORT_LAST:
		return r->last_port;
	case PORT_STEP:
		return 1;
	case PORT_COUNT:
		return r->last_port - r->outside_port + 1u;
	case NAT_POOL:
		return r->interface;
	case QUOTA_EVENT:
		return r->quota;
	case THRESHOLD_EVENT:
		return kinds[r->kind].threshold;
	case MAX_SESSIONS:
	case MAX_MAPPINGS:
	case MAX_OF_HOST:
	case MAX_HOSTS:
	case POOL_HIGH:
	case POOL_LOW:
	case MAPPINGS_HIGH:
	case BINDINGS_HIGH:
		return r->count;
	case NOT_SENT:
		return __atomic_load_n(&sink->lost, __ATOMIC_RELAXED);
	default: /* there is one instance, and one process */
		return 0;
	}
}

static void record_put(struct message *m, struct sink *sink, const struct trail_record *r)
{
	const struct layout *t = &templates[kinds[r->kind].template + r->quota];

	set_begin(m, t->id);
	for (const struct field *f = t->fields; f->element; f++)
		put(m, field_value(sink, r, f->element), f->length);
	sink->sequence++;
}

static size_t ipfix_pack(struct sink *sink, const struct book_names *names,
			 const struct trail_record *records, unsigned int count, u64 now, unsigned int *taken)
{
	bool datagrams = sink->to.transport == SETTINGS_TO_UDP;
	struct message m = { .bytes = sink->out, .room = datagrams ? SINK_DATAGRAM : STREAM_MESSAGE };

	(void)names;
	put(&m, IPFIX_VERSION, 2);
	put(&m, 0, 2);
	put(&m, now / 1000, 4);
	put(&m, sink->sequence, 4);
	put(&m, 0, 4); /* the observation domain */
	if (!sink->templates || (datagrams && now - sink->templates >= TEMPLATES_MS)) {
		templates_put(&m);
		sink->templates = now;
	}
	for (*taken = 0; *taken < count && m.used + SET_HEADER + RECORD_MAX <= m.room; ++*taken)
		record_put(&m, sink, &records[*taken]);
	set_end(&m);
	put_at(&m, 2, m.used, 2);
	return m.used;
}

static void ipfix_begin(struct sink *sink)
{
	sink->templates = 0;
	if (sink->to.transport == SETTINGS_TO_TCP)
		sink->sequence = 0;
}

const struct sink_format book_ipfix = { .name = "ipfix", .pack = ipfix_pack, .begin = ipfix_begin };
