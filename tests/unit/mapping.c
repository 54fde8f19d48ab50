// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * core/mapping.h and core/session.h, step by step. Races are made by hand: a step of one packet, then what another did, then
 * the next step; or by the look for a socket of the router, which lies in the middle of making a mapping and which this
 * test answers itself.
 */
#include "tests/unit/core.h"

/* What happens in the middle of a packet. */
static void (*meanwhile)(void);
static u32 socket_port; /* the router has a socket there */

int native_socket_find(const struct nat_instance *of, u32 class, __be32 remote, __be16 remote_port,
		       __be32 local, __be16 port)
{
	void (*act)(void) = meanwhile;

	(void)of;
	(void)class;
	(void)remote;
	(void)remote_port;
	(void)local;
	meanwhile = NULL;
	if (act)
		act();
	return be16_to_host(port) == socket_port ? SOCKET_OPEN : SOCKET_NONE;
}

static int begin(void **state)
{
	meanwhile = NULL;
	socket_port = 0;
	return nat_setup_two(state);
}

static u32 map(enum class class, __be32 inside, u16 port)
{
	ask(class, inside, port);
	return mapping_out(&nat, work());
}

/* The outside endpoint of an inside one, made if need be. */
static struct endpoint outside_of(__be32 inside, u16 port)
{
	assert_int_equal(map(CLASS_UDP, inside, port), 0);
	return request()->outside;
}

static int same(struct endpoint a, struct endpoint b) { return a.addr == b.addr && a.port == b.port; }

static void kept_for_all_remotes(void **state)
{
	(void)state;
	struct endpoint first = outside_of(HOST_1, 5000);
	assert_int_equal(first.port, htons(5000)); /* preserved */
	for (int i = 0; i < 10; i++) {
		nat.now += 10;
		assert_true(same(outside_of(HOST_1, 5000), first));
	}
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_true(port_bit(address_find(&nat, config(), first.addr).index, CLASS_UDP, 5000));
	struct slot *i = half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE),
		    *o = half_at(first, CLASS_UDP, HALF_OUTSIDE);
	assert_non_null(i);
	assert_non_null(o);
	assert_int_equal(word_time(i->word), nat.now);
	assert_int_equal(word_time(o->word), nat.now);
}

static void classes_are_apart(void **state)
{
	(void)state;
	for (int class = 0; class < CLASSES; class ++) {
		assert_int_equal(map((enum class) class, HOST_1, 5000), 0);
		assert_int_equal(request()->outside.port, htons(5000));
	}
	assert_int_equal(live(TABLE_MAPPINGS), 2 * CLASSES);
}

/* The rare classes share a bitmap: its bits keep nobody from a port by its number, and a search passes by all that is set. */
static void rare_classes_share_bits(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	config()->port_min = 5000;
	config()->port_max = 5007;
	config()->port_parity = 0;
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(map(CLASS_DCCP, HOST_1, (u16)(5000 + i)), 0);
	assert_int_equal(map(CLASS_SCTP, HOST_2, 5001), 0);
	assert_int_equal(request()->outside.port, htons(5001));
	for (u32 i = 0; i < 4; i++) {
		assert_int_equal(map(CLASS_SCTP, HOST_2, (u16)(6000 + i)), 0);
		assert_in_range(ntohs(request()->outside.port), 5004, 5007);
	}
	assert_int_equal(map(CLASS_SCTP, HOST_2, 6004), REASON_no_port);
	assert_int_equal(map(CLASS_DCCP, HOST_2, 5001), REASON_no_port); /* this one is taken for good */
	assert_int_equal(map(CLASS_UDP, HOST_2, 5001), 0);
	assert_int_equal(request()->outside.port, htons(5001));
}

/* Two hosts with one port at one outside address: the second gets another, of the same parity. */
static void a_taken_port_changes(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	assert_int_equal(outside_of(HOST_1, 5001).port, htons(5001));
	u16 other = be16_to_host(outside_of(HOST_2, 5001).port);
	assert_int_not_equal(other, 5001);
	assert_int_equal(other & 1, 1);
	assert_in_range(other, 1024, 65535);
}

/* RFC 7857 section 9: ports are chosen by chance, from all of the range, and the next one does not follow from the last. */
static void ports_that_change_are_spread(void **state)
{
	enum { DRAWS = 2000, PARTS = 32, CLOSE = 16 };
	u32 part[PARTS] = { 0 }, last = 0, near = 0;

	(void)state;
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .mappings = 8192 }, 1);
	config()->port_preserve = 0;
	config()->port_parity = 0;
	for (u32 i = 0; i < DRAWS; i++) {
		u32 port = ntohs(outside_of(HOST_1, (u16)(2000 + i)).port);
		assert_in_range(port, 1024, 65535);
		part[(port - 1024) * PARTS / (65536 - 1024)]++;
		near += port + CLOSE > last && port < last + CLOSE;
		last = port;
	}
	/* 62.5 are to be expected in each part, give or take five times 7.8; one near the last. */
	for (u32 i = 0; i < PARTS; i++)
		assert_in_range(part[i], 23, 102);
	assert_in_range(near, 0, 8);
}

static void parity_is_a_wish(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	config()->port_min = 2000;
	config()->port_max = 2003;
	assert_int_equal(outside_of(HOST_1, 2000).port, htons(2000));
	assert_int_equal(outside_of(HOST_2, 2000).port, htons(2002));
	u16 odd = be16_to_host(outside_of(REMOTE_1, 2000).port);
	assert_true(odd == 2001 || odd == 2003);
	assert_int_equal(map(CLASS_UDP, REMOTE_2, 2000), 0);
	assert_int_equal(map(CLASS_UDP, htonl(0x0a000001), 2000), REASON_no_port);
	assert_int_equal(live(TABLE_MAPPINGS), 8);
}

/* The router's sockets keep their ports. */
static void ports_with_sockets_are_left(void **state)
{
	(void)state;
	socket_port = 5000;
	struct endpoint o = outside_of(HOST_1, 5000);
	assert_int_not_equal(o.port, htons(5000));
	assert_false(port_bit(0, CLASS_UDP, 5000));
	assert_false(port_bit(1, CLASS_UDP, 5000));
}

/* Bits say where to look. The claim is the outside half: a lost bit costs a probe and comes back. */
static void a_lost_bit_is_no_free_port(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	outside_of(HOST_1, 5000);
	port_give(&nat, port_area(0, CLASS_UDP), 5000);
	assert_int_not_equal(outside_of(HOST_2, 5000).port, htons(5000));
	assert_true(port_bit(0, CLASS_UDP, 5000));
	assert_int_equal(half_at(endpoint(ADDRESS_A, 5000), CLASS_UDP, HALF_OUTSIDE)->data[1] >> 32, HOST_1);
}

/*
 * Lost races
 */

/* Both packets found no mapping, and both have a port: the second to join gives its port back and uses the first's. */
static void the_second_to_join_yields(void **state)
{
	(void)state;
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(mapping_known(&nat, work(), 0), MAPPING_ABSENT);
	assert_int_equal(host_get(&nat, work()), 0);
	assert_int_equal(port_out(&nat, work(), 0), 0);
	struct work second = *work();
	assert_int_equal(second.req.outside.port, htons(5000));

	struct endpoint first = outside_of(HOST_1, 5000);
	assert_int_not_equal(first.port, htons(5000));
	*work() = second;
	assert_int_equal(mapping_join(&nat, work()), MAPPING_AGAIN);
	assert_null(half_at(second.req.outside, CLASS_UDP, HALF_OUTSIDE));
	assert_false(port_bit(second.req.index, CLASS_UDP, 5000));
	assert_true(same(outside_of(HOST_1, 5000), first));
	assert_int_equal(live(TABLE_MAPPINGS), 2);
}

/* Also if its slot was wanted by another key meanwhile: reach is not the entry's. */
static void yielding_takes_no_notice_of_reach(void **state)
{
	(void)state;
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(host_get(&nat, work()), 0);
	assert_int_equal(port_out(&nat, work(), 0), 0);
	struct work second = *work();
	outside_of(HOST_1, 5000);
	half_at(second.req.outside, CLASS_UDP, HALF_OUTSIDE)->word |= FRESH | 1ull << 58;
	*work() = second;
	assert_int_equal(mapping_join(&nat, work()), MAPPING_AGAIN);
	assert_null(half_at(second.req.outside, CLASS_UDP, HALF_OUTSIDE));
	assert_false(port_bit(second.req.index, CLASS_UDP, 5000));
}

static void another_packet_makes_it(void)
{
	struct work *mine = nat.work, other = { 0 };

	nat.work = &other;
	outside_of(HOST_1, 5000);
	nat.work = mine;
}

static void made_by_another_meanwhile(void **state)
{
	(void)state;
	ask(CLASS_UDP, HOST_1, 5000);
	meanwhile = another_packet_makes_it;
	assert_int_equal(mapping_out(&nat, work()), 0);
	assert_null(meanwhile);
	struct endpoint o = request()->outside;
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_true(same(outside_of(HOST_1, 5000), o));
}

static __be32 rival_host;

static void another_host_takes_the_port(void)
{
	struct work *mine = nat.work, other = { 0 };

	nat.work = &other;
	outside_of(rival_host, 5000);
	nat.work = mine;
}

static void port_taken_by_another_meanwhile(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	rival_host = HOST_2;
	ask(CLASS_UDP, HOST_1, 5000);
	meanwhile = another_host_takes_the_port;
	assert_int_equal(mapping_out(&nat, work()), 0);
	struct endpoint mine = request()->outside, rival = outside_of(HOST_2, 5000);
	assert_false(same(mine, rival));
	assert_int_equal(live(TABLE_MAPPINGS), 4);
}

/* Everything that is tried is taken by others: dropped, with its own reason, and nothing is left behind. */
static void contention(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	for (u32 port = 2000; port < 3000; port++)
		outside_of(HOST_2, (u16)port);
	memset(nat.ports, 0, PORT_AREA * PORT_AREAS * sizeof(u64)); /* and no bit says so */
	config()->port_min = 2000;
	config()->port_max = 2999;
	u32 before = live(TABLE_MAPPINGS);
	assert_int_equal(map(CLASS_UDP, HOST_1, 2000), REASON_port_contention);
	assert_int_equal(live(TABLE_MAPPINGS), before);
}

/*
 * Mending
 */

static void a_missing_outside_half_comes_back(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	struct slot *s = half_at(o, CLASS_UDP, HALF_OUTSIDE);
	u32 index = request()->index;
	slot_end(s, s->word);
	port_give(&nat, port_area(index, CLASS_UDP), 5000);

	ask(CLASS_UDP, HOST_1, 5000);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 0), REASON_no_mapping);
	assert_true(same(outside_of(HOST_1, 5000), o));
	assert_non_null(half_at(o, CLASS_UDP, HALF_OUTSIDE));
	assert_true(port_bit(index, CLASS_UDP, 5000));
	ask(CLASS_UDP, HOST_1, 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 0), 0);
	assert_int_equal(request()->inside.addr, HOST_1);
	assert_int_equal(request()->inside.port, htons(5000));
}

static void an_overruled_inside_half_ends(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	struct endpoint o = outside_of(HOST_1, 5000);
	struct slot *s = half_at(o, CLASS_UDP, HALF_OUTSIDE);
	slot_end(s, s->word);
	port_give(&nat, port_area(0, CLASS_UDP), 5000);
	assert_true(same(outside_of(HOST_2, 5000), o)); /* the port went to another */

	struct endpoint moved = outside_of(HOST_1, 5000);
	assert_false(same(moved, o));
	assert_true(same(outside_of(HOST_1, 5000), moved));
	assert_true(same(outside_of(HOST_2, 5000), o));
}

static void a_lone_outside_half_lets_nobody_in(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	struct slot *s = half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE);
	slot_end(s, s->word);
	ask(CLASS_UDP, HOST_1, 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping);
	/* The endpoint comes back: its port is still kept from all, so it gets another. */
	struct endpoint again = outside_of(HOST_1, 5000);
	assert_false(same(again, o));
	assert_int_equal(mapping_in(&nat, work(), 1), 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping); /* it does not agree */
}

/*
 * Rest
 */

/* As the sweep leaves it when the mapping's time is over. */
static struct slot *comes_to_rest(struct endpoint inside)
{
	struct slot *i = half_at(inside, CLASS_UDP, HALF_INSIDE);

	i->word |= word_make(0, 0, RESTING);
	return i;
}

static void at_rest_it_is_its_endpoints_alone(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	struct slot *i = comes_to_rest(endpoint(HOST_1, 5000));
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(mapping_peek_out(&nat, work()), REASON_no_mapping);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping);
	assert_int_equal(word_flags(i->word), RESTING);
	assert_true(same(outside_of(HOST_1, 5000), o));
	assert_int_equal(word_flags(i->word), 0);
	request()->inside = endpoint(0, 0);
	assert_int_equal(mapping_in(&nat, work(), 1), 0);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
}

/* Its host was forgotten and has another address now: paired pooling comes first (RFC 4787 REQ-2). */
static void at_rest_it_follows_its_host(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	comes_to_rest(endpoint(HOST_1, 5000));
	__be32 other = o.addr == ADDRESS_A ? ADDRESS_B : ADDRESS_A;
	struct host *h = (struct host *)env_slot(&nat, TABLE_HOSTS, request()->host);
	h->outside = other;
	h->index = address_find(&nat, config(), other).index;
	struct endpoint moved = outside_of(HOST_1, 5000);
	assert_int_equal(moved.addr, other);
	assert_true(same(outside_of(HOST_1, 5000), moved));
	assert_non_null(half_at(o, CLASS_UDP, HALF_OUTSIDE)); /* until the sweep has let it rest */
}

/* The address left while it rested; there is another, or none. */
static void at_rest_its_address_leaves(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	comes_to_rest(endpoint(HOST_1, 5000));
	native_address_set(&nat, 0, ADDRESS_A, 0);
	native_address_set(&nat, 0, ADDRESS_B, 0);
	nat_reset(1, 0, 0);
	assert_int_equal(map(CLASS_UDP, HOST_1, 5000), REASON_no_address);
	native_address_set(&nat, 0, o.addr, ADDRESS_LIVE | ADDRESS_POOL);
	assert_true(same(outside_of(HOST_1, 5000), o));
	comes_to_rest(endpoint(HOST_1, 5000));
	__be32 other = o.addr == ADDRESS_A ? ADDRESS_B : ADDRESS_A;
	native_address_set(&nat, 0, other, ADDRESS_LIVE | ADDRESS_POOL);
	native_address_set(&nat, 0, o.addr, 0);
	nat_reset(1, 0, 0);
	assert_int_equal(outside_of(HOST_1, 5000).addr, other);
}

/* One direction's flow is gone; its next packet makes it again, whatever the filtering. */
static void a_missing_flow_comes_back(void **state)
{
	static const u8 filters[] = { FILTERING_EIF, FILTERING_ADF, FILTERING_EDF };

	(void)state;
	for (u32 i = 0; i < sizeof(filters); i++) {
		u16 port = (u16)(5000 + i);
		config()->filtering[CLASS_UDP] = filters[i];
		assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, port, REMOTE_1, 53), REASON_out_created);
		struct endpoint o = endpoint(frame_source(), frame_sport()), remote = endpoint(REMOTE_1, 53);
		struct slot *in = flow_at(PROTOCOL_UDP, remote, o, DIRECTION_IN);
		assert_non_null(in);
		slot_end(in, in->word);
		if (meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)) != REASON_in_created)
			fail_msg("filtering %d: the session's own remote is not let in", filters[i]);
		assert_int_equal(frame_target(), HOST_1);
		assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)),
				 REASON_in_session);

		struct slot *out = flow_at(PROTOCOL_UDP, endpoint(HOST_1, port), remote, DIRECTION_OUT);
		slot_end(out, out->word);
		assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, port, REMOTE_1, 53), REASON_out_created);
		assert_int_equal(frame_sport(), be16_to_host(o.port));
		assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, port, REMOTE_1, 53), REASON_out_session);
	}
}

/* A flow that leads elsewhere than its mapping is a leftover, and ends. */
static void a_leftover_flow_ends(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_B, 0);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	/* The inbound flow leads to HOST_2's endpoint, whose it once was. */
	struct slot *in =
		flow_at(PROTOCOL_UDP, endpoint(REMOTE_1, 53), endpoint(ADDRESS_A, 5000), DIRECTION_IN);
	struct flow *f = (struct flow *)in;
	f->addr = HOST_2;
	struct slot *out =
		flow_at(PROTOCOL_UDP, endpoint(HOST_1, 5000), endpoint(REMOTE_1, 53), DIRECTION_OUT);
	slot_end(out, out->word);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, ADDRESS_A, 5000), REASON_in_session);
	assert_int_equal(frame_target(), HOST_1);
}

static void a_full_flow_table_refuses_no_packet(void **state)
{
	(void)state;
	for (u32 i = 0; i <= config()->flow_mask; i++) {
		struct flow *f = (struct flow *)env_slot(&nat, TABLE_FLOWS, i);
		f->saddr = htonl(i + 1);
		f->idle_max = 0xffff;
		f->word = STATE(LIVE) | word_make(nat.now, 0, 0);
	}
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_from_mapping);
	struct endpoint o = endpoint(frame_source(), frame_sport());
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_2, 53), REASON_out_from_mapping);
	assert_true(same(endpoint(frame_source(), frame_sport()), o));
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)),
			 REASON_in_from_mapping);
	assert_int_equal(frame_target(), HOST_1);
}

static void a_full_mapping_table(void **state)
{
	(void)state;
	for (u32 i = 0; i <= config()->mapping_mask; i++) {
		struct mapping *m = (struct mapping *)env_slot(&nat, TABLE_MAPPINGS, i);
		m->key_addr = htonl(i + 1);
		m->word = STATE(LIVE) | word_make(nat.now, 0, 0);
	}
	assert_int_equal(map(CLASS_UDP, HOST_1, 5000), REASON_mappings_full);
	assert_false(port_bit(request()->index, CLASS_UDP, 5000));
	/* Room for one half only. */
	ask(CLASS_UDP, HOST_1, 5000);
	u64 key = mapping_key(request()->inside, CLASS_UDP, HALF_INSIDE, 0);
	u32 inside_home = table_pos(table_hash(config(), TABLE_MAPPINGS, &key), 0, config()->mapping_mask);
	host_get(&nat, work());
	key = mapping_key(endpoint(request()->outside.addr, 5000), CLASS_UDP, HALF_OUTSIDE, 0);
	u32 home = table_pos(table_hash(config(), TABLE_MAPPINGS, &key), 0, config()->mapping_mask);
	assert_int_not_equal(home, inside_home);
	env_slot(&nat, TABLE_MAPPINGS, home)->word = 0;
	assert_int_equal(map(CLASS_UDP, HOST_1, 5000), REASON_mappings_full);
	assert_null(half_at(endpoint(request()->outside.addr, 5000), CLASS_UDP, HALF_OUTSIDE));
	assert_false(port_bit(request()->index, CLASS_UDP, 5000));
}

/*
 * Resets and addresses
 */

static void a_reset_of_flows_keeps_ports(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	nat_reset(1, 0, 0);
	assert_true(same(outside_of(HOST_1, 5000), o));
	assert_int_equal(live(TABLE_MAPPINGS), 2);
}

static void a_reset_of_mappings_takes_new_ports(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	nat_reset(1, 1, 0);
	ask(CLASS_UDP, HOST_1, 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping);
	struct endpoint anew = outside_of(HOST_1, 5000);
	assert_int_equal(anew.addr, o.addr);
	assert_int_not_equal(anew.port, o.port); /* the old half keeps it until the sweep */
	assert_non_null(half_at(o, CLASS_UDP, HALF_OUTSIDE));
}

static void an_address_that_left_moves_its_mappings(void **state)
{
	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	native_address_set(&nat, 0, o.addr, 0);
	nat_reset(1, 0, 0);
	ask(CLASS_UDP, HOST_1, 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping);
	assert_int_not_equal(outside_of(HOST_1, 5000).addr, o.addr);
}

/* It did not serve when a packet looked, and is back when that asks where to go: what the endpoint had is not given up. */
static void an_address_that_is_back_keeps_its_mappings(void **state)
{
	static u64 buckets[POOL_BUCKETS];

	(void)state;
	struct endpoint o = outside_of(HOST_1, 5000);
	memcpy(buckets, nat.pools, sizeof(buckets));
	native_address_set(&nat, 0, o.addr, 0);
	memcpy(nat.pools, buckets, sizeof(buckets));
	assert_int_equal(map(CLASS_UDP, HOST_1, 5000), REASON_no_address);
	native_address_set(&nat, 0, o.addr, ADDRESS_LIVE | ADDRESS_POOL);
	assert_true(same(outside_of(HOST_1, 5000), o));
}

static void bump_all(void) { nat_reset(1, 1, 1); }
static void bump_mappings(void) { nat_reset(1, 1, 0); }

static __be32 leaving;

static void address_leaves(void)
{
	native_address_set(&nat, 0, leaving, 0);
	nat_reset(1, 0, 0);
}

/* The session of a packet that began before a reset is not there after it. */
static void no_flow_outlives_a_reset_in_its_middle(void (*event)(void))
{
	struct endpoint remote = endpoint(REMOTE_1, 53);
	struct flow_hit hit;
	union flow_key key;

	leaving = address_find(&nat, config(), host_choose(&nat, config(), ask(CLASS_UDP, HOST_1, 5000)).addr)
			  .addr;
	meanwhile = event;
	(void)meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53);
	assert_null(meanwhile);
	struct endpoint o = endpoint(frame_source(), frame_sport());
	flow_key_between(&key, endpoint(HOST_1, 5000), remote, PROTOCOL_UDP, DIRECTION_OUT);
	assert_false(flow_find(&nat, config(), key.word, &hit));
	flow_key_between(&key, remote, o, PROTOCOL_UDP, DIRECTION_IN);
	assert_false(flow_find(&nat, config(), key.word, &hit));
}

static void reset_between_host_and_port(void **state)
{
	(void)state;
	no_flow_outlives_a_reset_in_its_middle(bump_all);
}

static void reset_of_mappings_while_one_is_made(void **state)
{
	(void)state;
	no_flow_outlives_a_reset_in_its_middle(bump_mappings);
	struct endpoint o = endpoint(frame_source(), frame_sport());
	/* Nor the mapping: the next packet makes one, and what the first left serves nobody. */
	ask(CLASS_UDP, HOST_1, 0);
	request()->outside = o;
	assert_int_equal(mapping_in(&nat, work(), 1), REASON_no_mapping);
}

static void address_leaves_while_a_port_is_chosen(void **state)
{
	(void)state;
	no_flow_outlives_a_reset_in_its_middle(address_leaves);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	assert_int_not_equal(frame_source(), leaving);
}

/* A mapping that was found before a reset and touched after it is not of the new generation. */
static void a_touch_revives_nothing(void **state)
{
	struct half i = { 0 };

	(void)state;
	outside_of(HOST_1, 5000);
	u64 key = mapping_key(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE, 0);
	assert_int_equal(half_find(&nat, config(), key, 0, &i), HALF_LIVE);
	nat_reset(1, 1, 0);
	(void)mapping_use(&nat, config(), work(), &i);
	assert_int_not_equal(half_find(&nat, config(), key, 0, &i), HALF_LIVE);
}

/*
 * Blocks (RFC 6888 REQ-14)
 */

static void blocks_of(u32 size, u32 max)
{
	struct shares s = { .inside = 0 };

	shares_lend(&s, size, max, config()->port_min, config()->port_max);
	native_interface_shares(&nat, 0, &s);
	native_address_set(&nat, 0, ADDRESS_B, 0);
}

/* The nth block of a host: its number; 0: none. */
static u32 block_at(__be32 inside, u32 n)
{
	struct slot *s = half_at(endpoint(inside, (u16)n), CLASS_BLOCK, HALF_INSIDE);
	union mapping_value value;

	if (!s)
		return 0;
	value.word = s->data[1];
	return be16_to_host(value.port);
}

/* Two packets of one host found that it has no block: one is lent, both have ports of it, and the other block is nobody's. */
static void two_processors_lend_one_block(void **state)
{
	(void)state;
	blocks_of(64, 1);
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(mapping_known(&nat, work(), 0), MAPPING_ABSENT);
	assert_int_equal(host_get(&nat, work()), 0);
	assert_int_equal(ports_choose(&nat, work(), 0), PORTS_TO_LEND);
	struct work second = *work();

	u16 first = be16_to_host(outside_of(HOST_1, 6000).port);
	u32 block = block_at(HOST_1, 0);
	assert_int_equal(first / 64, block);
	*work() = second;
	assert_int_equal(block_claim(&nat, work(), 0), PORTS_TO_LEND);
	assert_int_equal(port_out(&nat, work(), 0), 0);
	assert_int_equal(ntohs(request()->outside.port) / 64, block);
	assert_int_equal(mapping_join(&nat, work()), 0);
	assert_int_equal(live(TABLE_MAPPINGS), 6); /* two mappings, one block */
}

/* The block that a search found was lent to another before it could be claimed. */
static void a_block_has_one_owner(void **state)
{
	(void)state;
	config()->port_min = 1024;
	config()->port_max = 1151;
	blocks_of(64, 4);
	u32 first = be16_to_host(outside_of(HOST_1, 6000).port) / 64;
	u32 other = be16_to_host(outside_of(HOST_2, 6000).port) / 64;
	assert_int_equal(first + other, 16 + 17);
	assert_int_equal(map(CLASS_UDP, REMOTE_2, 6000), REASON_no_port);
	for (u32 i = 1; i < 64; i++)
		assert_int_equal(be16_to_host(outside_of(HOST_1, (u16)(6000 + i)).port) / 64, first);
	assert_int_equal(map(CLASS_UDP, HOST_1, 7000), REASON_no_port);
	assert_int_equal(be16_to_host(outside_of(HOST_2, 6001).port) / 64, other);
}

/*
 * The sweep was about to return a block: the packet that took a port of it first keeps it, and the one that came too late
 * has another.
 */
static void a_block_that_is_being_returned(void **state)
{
	struct slot *block;
	u64 judged;

	(void)state;
	blocks_of(64, 1);
	outside_of(HOST_1, 6000);
	block = half_at(endpoint(HOST_1, 0), CLASS_BLOCK, HALF_INSIDE);
	judged = block->word;
	nat.now += 1000;
	outside_of(HOST_1, 6001);
	assert_false(slot_end(block, judged)); /* the sweep's */
	u32 number = block_at(HOST_1, 0);
	assert_true(slot_end(block, block->word));
	assert_int_equal(block_at(HOST_1, 0), 0);
	u32 again = be16_to_host(outside_of(HOST_1, 6002).port) / 64;
	assert_int_not_equal(again, number); /* its outside half was not ended yet, so nobody has it */
	assert_int_equal(again, block_at(HOST_1, 0));
}

/* Where its address went, its block went, too. */
static void a_block_goes_with_its_address(void **state)
{
	(void)state;
	blocks_of(64, 1);
	assert_int_equal(outside_of(HOST_1, 6000).addr, ADDRESS_A);
	u32 before = block_at(HOST_1, 0);
	native_address_set(&nat, 0, ADDRESS_A, 0);
	native_address_set(&nat, 0, ADDRESS_B, ADDRESS_LIVE | ADDRESS_POOL);
	struct endpoint o = outside_of(HOST_1, 6000);
	assert_int_equal(o.addr, ADDRESS_B);
	assert_int_equal(be16_to_host(o.port) / 64, block_at(HOST_1, 0));
	u64 key = block_key(ADDRESS_A, before, HALF_OUTSIDE, 0);
	struct half half;
	assert_int_equal(half_find(&nat, config(), key, 0, &half), HALF_LIVE); /* the sweep lets it rest */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(kept_for_all_remotes),
		CASE(classes_are_apart),
		CASE(rare_classes_share_bits),
		CASE(a_taken_port_changes),
		CASE(ports_that_change_are_spread),
		CASE(parity_is_a_wish),
		CASE(ports_with_sockets_are_left),
		CASE(a_lost_bit_is_no_free_port),
		CASE(the_second_to_join_yields),
		CASE(yielding_takes_no_notice_of_reach),
		CASE(made_by_another_meanwhile),
		CASE(port_taken_by_another_meanwhile),
		CASE(contention),
		CASE(a_missing_outside_half_comes_back),
		CASE(an_overruled_inside_half_ends),
		CASE(a_lone_outside_half_lets_nobody_in),
		CASE(at_rest_it_is_its_endpoints_alone),
		CASE(at_rest_it_follows_its_host),
		CASE(at_rest_its_address_leaves),
		CASE(a_missing_flow_comes_back),
		CASE(a_leftover_flow_ends),
		CASE(a_full_flow_table_refuses_no_packet),
		CASE(a_full_mapping_table),
		CASE(a_reset_of_flows_keeps_ports),
		CASE(a_reset_of_mappings_takes_new_ports),
		CASE(an_address_that_left_moves_its_mappings),
		CASE(an_address_that_is_back_keeps_its_mappings),
		CASE(reset_between_host_and_port),
		CASE(reset_of_mappings_while_one_is_made),
		CASE(address_leaves_while_a_port_is_chosen),
		CASE(a_touch_revives_nothing),
		CASE(two_processors_lend_one_block),
		CASE(a_block_has_one_owner),
		CASE(a_block_that_is_being_returned),
		CASE(a_block_goes_with_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
