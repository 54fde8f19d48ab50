/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * scenario.h - scenarios: packets and what shall become of them, in virtual time. The language is told in README.md.
 *
 * A scenario is interpreted line by line against a world of one or two ways (tests/way/way.h). Of two, each packet goes
 * through both, and verdict, reason, bytes and all state must be equal after each.
 */
#pragma once
#include <stdbool.h>
#include "native/fixed.h"
#include "native/packet_build.h"
#include "tests/way/way.h"

enum { STATION = 0x02 }; /* each byte of all hardware addresses */
enum {
	WORDS_MAX = 160,
	LINE_MAX_BYTES = 4096,
	NAME_MAX_BYTES = 32,
	VALUE_MAX_BYTES = 64,
	VARIABLES_MAX = 512,
	UNIQUE_MAX = 1024,
	LOOPS_MAX = 4,
	FIXED_MAX = 32,
	MUTATIONS_MAX = 6,
	RAW_MAX = 2048,
	SWEEPS_PER_STEP = 3,
};

struct scenario {
	const char *path;
	char **lines;
	u32 count;
};

struct name_value {
	char name[NAME_MAX_BYTES];
	char value[VALUE_MAX_BYTES];
};

struct world_interface {
	char name[NAME_MAX_BYTES];
	u32 ifindex;
	u32 number;
	enum role role;
};

struct world {
	struct way *ways[2]; /* the first one is native */
	u32 way_count;
	const struct scenario *scenario;
	u32 line; /* that is run, from 0 */
	struct native_sizes sizes;
	u64 seed;
	bool begun;
	u32 clock; /* tick at which the scenario's time is 0 */
	u32 now;   /* seconds of the scenario */
	bool sweeping;
	bool roads; /* packets meet all hooks on their way, and may take the fast path */
	bool fast;  /* interfaces take part in the fast path */
	bool xdp;   /* and packets meet it at XDP first */
	bool all;   /* which makes sessions, too */
	u32 fast_packets;
	struct sweep *sweeps[2];
	struct world_interface interfaces[MAX_INTERFACES];
	u32 interface_count;
	struct fixed_host reserved[FIXED_MAX];
	struct fixed_mapping mapped[FIXED_MAX];
	u32 reserved_count, mapped_count;
	struct name_value variables[VARIABLES_MAX];
	u32 variable_count;
	struct name_value loops[LOOPS_MAX];
	u32 loop_count;
	struct name_value unique[UNIQUE_MAX];
	u32 unique_count;
	u32 packets;
	u64 reasons[REASONS]; /* met, over all scenarios */
	char error[LINE_MAX_BYTES];
};

/* Words of a line, being consumed. */
struct words {
	char text[LINE_MAX_BYTES * 2];
	char *word[WORDS_MAX + 1]; /* the one after the last is NULL */
	u32 count;
	u32 at;
};

/* Run it. 0, or -1 and world->error says where and why. */
int scenario_run(struct world *world, const struct scenario *scenario);

/* words.c */
int world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
int words_split(struct world *world, const char *line, struct words *words);
const char *words_peek(const struct words *words); /* NULL at the end */
const char *words_next(struct words *words);
bool words_take(struct words *words, const char *expected); /* if it comes next */
int number_parse(const char *text, u32 most, u32 *value);
int time_parse(const char *text, u32 *seconds);
int address_parse(const char *text, __be32 *addr);
int endpoint_parse(const char *text, __be32 *addr, u16 *port); /* A.B.C.D:PORT or A.B.C.D, then port 0 */
int hex_parse(const char *text, u8 *bytes, u32 room);	       /* number of bytes, or -1 */
int class_parse(const char *text, enum class *class);
void address_print(char *text, size_t room, __be32 addr);
int variable_set(struct world *world, const char *name, const char *value);

/* packet_words.c */
struct mutation {
	u32 offset; /* from the IP header on */
	u8 bytes[64];
	u32 length;
};

/* A packet as the scenario says it. */
struct packet_text {
	struct packet_spec spec;
	struct packet_spec quote;
	u8 payload[RAW_MAX];
	u8 quote_payload[RAW_MAX];
	struct mutation mutations[MUTATIONS_MAX];
	u32 mutation_count;
	u32 cut; /* to so many bytes, if not 0 */
	u8 raw[RAW_MAX];
	u32 raw_length; /* not 0: just these bytes */
	u16 ethertype;
};
int packet_read(struct world *world, struct words *words, struct packet_text *packet);
/* The bytes of it. Their number, or -1. */
/* HEX: TCP's options. */
int tcp_options_read(struct world *world, struct words *words, struct packet_spec *s);

int packet_make(struct world *world, const struct packet_text *packet, u8 *ip, size_t room);

/* expect.c */
struct event {
	enum native_hook hook;
	u32 ifindex;
	u32 ingress_ifindex;
	bool ordered; /* a fragment that comes back from where it was put in order */
	bool from_inside;
	const struct packet_text *packet;
	const u8 *before; /* IP packets */
	const u8 *after;
	u32 length;
	struct native_result result;
};
/* Does the event fit what the words after `expect` say? 0 or -1. */
int expect_event(struct world *world, struct words *words, const struct event *event);
const char *reason_name(u32 reason);
