/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core.h - what the unit tests of the core share: a small NAT, its usual cast, and packets through it.
 *
 * One outside interface (number 0, ifindex 3) with two addresses in its pool, one inside interface (ifindex 2). Time
 * starts at 1000. Packets have no Ethernet header and begin at an address that is 2 mod 4, as they do in the kernel.
 */
#pragma once
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/sweep.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"
#include "native/sweep_memory.h"

enum { OUTSIDE_IFINDEX = 3, INSIDE_IFINDEX = 2, START = 1000, ROOM = 2048 };

#define ADDRESS_A inet_addr("198.51.100.1")
#define ADDRESS_B inet_addr("198.51.100.2")
#define HOST_1 inet_addr("192.168.0.1")
#define HOST_2 inet_addr("192.168.0.2")
#define REMOTE_1 inet_addr("203.0.113.1")
#define REMOTE_2 inet_addr("203.0.113.2")

static struct nat_instance nat;
static union {
	u32 align;
	u8 bytes[ROOM + 2];
} room;

static inline u8 *frame(void) { return room.bytes + 2; }

static inline struct work *work(void) { return nat.work; }
static inline struct request *request(void) { return &nat.work->req; }
static inline struct config *config(void) { return nat.config; }

/* A NAT with tables of these sizes; addresses: how many of A and B the pool has. */
static inline void nat_begin(struct native_sizes sizes, int addresses)
{
	static const u32 flags = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL;

	assert_int_equal(native_create(&nat, &sizes, 1), 0);
	assert_int_equal(native_interface_add(&nat, OUTSIDE_IFINDEX, ROLE_OUTSIDE), 0);
	assert_int_equal(native_interface_add(&nat, INSIDE_IFINDEX, ROLE_INSIDE), MAX_OUTSIDE);
	if (addresses > 0)
		assert_true(native_address_set(&nat, 0, ADDRESS_A, flags) >= 0);
	if (addresses > 1)
		assert_true(native_address_set(&nat, 0, ADDRESS_B, flags) >= 0);
	nat.now = START;
}

static inline int nat_setup(void **state)
{
	(void)state;
	nat_begin((struct native_sizes){ 0 }, 1);
	return 0;
}

static inline int nat_setup_two(void **state)
{
	(void)state;
	nat_begin((struct native_sizes){ 0 }, 2);
	return 0;
}

static inline int nat_end(void **state)
{
	(void)state;
	native_destroy(&nat);
	return 0;
}

/* A reset: the generations of these tables, in one store. */
static inline void nat_reset(int flows, int mappings, int hosts)
{
	u64 word = config()->generation[0];

	word += (u64)flows + ((u64)mappings << GENERATION_BITS) + ((u64)hosts << 2 * GENERATION_BITS);
	STORE(&config()->generation[0], word);
}

static inline struct endpoint endpoint(__be32 addr, u16 port)
{
	return (struct endpoint){ .addr = addr, .port = htons(port), .zero = 0 };
}

/* A request as miss.h makes it: from an inside endpoint to a remote one. */
static inline struct request *ask(enum class class, __be32 inside, u16 port)
{
	struct request *r = request();

	memset(nat.work, 0, sizeof(*nat.work));
	r->inside = endpoint(inside, port);
	r->remote = endpoint(REMOTE_1, 53);
	r->class = (u8) class;
	r->protocol = protocol_of_class(class);
	r->now = nat.now;
	r->generation = generation_word(config(), 0);
	return r;
}

/* A packet through a hook; it lies in frame() afterwards. */
static inline u32 meet(enum native_hook hook, const struct packet_spec *spec)
{
	int length = packet_build(spec, frame(), ROOM);
	struct native_frame f = { .data = frame(),
				  .length = (u32)length,
				  .ifindex = hook == NATIVE_HAIRPIN ? INSIDE_IFINDEX : OUTSIDE_IFINDEX,
				  .ingress_ifindex = INSIDE_IFINDEX };

	assert_true(length > 0);
	assert_int_equal(packet_check(frame(), (size_t)length) & (spec->corrupt ? 0u : ~0u), 0);
	u32 reason = native_meet(&nat, hook, &f).reason;
	if (!spec->corrupt)
		assert_int_equal(packet_check(frame(), (size_t)length), 0);
	return reason;
}

static inline u32 meet_udp(enum native_hook hook, __be32 from, u16 sport, __be32 to, u16 dport)
{
	struct packet_spec spec = { .protocol = PROTOCOL_UDP,
				    .saddr = from,
				    .sport = sport,
				    .daddr = to,
				    .dport = dport,
				    .payload_length = 5 };

	return meet(hook, &spec);
}

static inline u32 meet_tcp(enum native_hook hook, u8 flags, __be32 from, u16 sport, __be32 to, u16 dport)
{
	struct packet_spec spec = { .protocol = PROTOCOL_TCP,
				    .saddr = from,
				    .sport = sport,
				    .daddr = to,
				    .dport = dport,
				    .tcp_flags = flags };

	return meet(hook, &spec);
}

static inline __be32 frame_source(void) { return get32(frame(), IPV4_SOURCE); }
static inline __be32 frame_target(void) { return get32(frame(), IPV4_TARGET); }
static inline u16 frame_sport(void) { return be16_to_host(get16(frame() + 20, 0)); }
static inline u16 frame_dport(void) { return be16_to_host(get16(frame() + 20, 2)); }

/* How many LIVE slots a table has. */
static inline u32 live(enum table t)
{
	u32 n = 0;

	for (u32 i = 0; i <= table_mask(config(), t); i++)
		n += word_state(env_slot(&nat, t, i)->word) == LIVE;
	return n;
}

/* The slot of an outside or inside half, or NULL. */
static inline struct slot *half_at(struct endpoint e, enum class class, u32 half)
{
	u64 key = mapping_key(e, (u8) class, half, 0), word;
	u32 number;

	return table_find(&nat, config(), TABLE_MAPPINGS, table_hash(config(), TABLE_MAPPINGS, &key), &key,
			  &word, &number);
}

/* The slot of a flow, or NULL. */
static inline struct slot *flow_at(u8 protocol, struct endpoint from, struct endpoint to, u8 direction)
{
	union flow_key key;
	u64 word;
	u32 number;

	flow_key_between(&key, from, to, protocol, direction);
	return table_find(&nat, config(), TABLE_FLOWS, table_hash(config(), TABLE_FLOWS, key.word), key.word,
			  &word, &number);
}

static inline int port_bit(u32 index, enum class class, u32 port)
{
	return (int)(nat.ports[port_area(index, class) + (port >> 6)] >> (port & 63) & 1);
}
