// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/lease.h: leases, the next hops that they name, and the header that a packet gets. */
#include "core/lease.h"
#include "tests/unit/core.h"

enum { L3 = 14, WAN = 0, LAN = MAX_OUTSIDE };

static u8 wire[ROOM + 2];

static int fast_setup(void **state)
{
	nat_setup(state);
	native_interface_fast(&nat, WAN, FAST_TC);
	native_interface_fast(&nat, LAN, FAST_TC);
	return 0;
}

/* A frame at a hook, with these as its hardware addresses: each byte of them. */
static u32 frame_meet(enum native_hook hook, const struct packet_spec *spec, u8 to, u8 from)
{
	u8 *at = wire + 2;
	int length = packet_build(spec, at + L3, ROOM - L3);
	bool inside = hook == NATIVE_HAIRPIN || hook == NATIVE_LEARN;
	struct native_frame f = { .data = at,
				  .length = L3 + (u32)length,
				  .l3 = L3,
				  .ifindex = inside ? INSIDE_IFINDEX : OUTSIDE_IFINDEX,
				  .ingress_ifindex = inside ? OUTSIDE_IFINDEX : INSIDE_IFINDEX };

	memset(at, to, 6);
	memset(at + 6, from, 6);
	memcpy(at + 12, "\x08\0", 2);
	return native_meet(&nat, hook, &f).reason;
}

static struct packet_spec udp(__be32 from, u16 sport, __be32 to, u16 dport)
{
	return (struct packet_spec){ .protocol = PROTOCOL_UDP,
				     .saddr = from,
				     .sport = sport,
				     .daddr = to,
				     .dport = dport,
				     .payload_length = 5 };
}

/* A flow out with a lease to the station whose address is all `to`. */
static struct packet_spec flow_lease(u16 port, u8 to)
{
	struct packet_spec s = udp(HOST_1, port, REMOTE_1, 53);

	for (int i = 0; i < 2; i++)
		frame_meet(NATIVE_OUT, &s, to, 0x22);
	return s;
}

static u32 *lease_of(u16 port)
{
	struct slot *s = flow_at(PROTOCOL_UDP, endpoint(HOST_1, port), endpoint(REMOTE_1, 53), DIRECTION_OUT);

	assert_non_null(s);
	return &((struct flow *)s)->lease;
}

static u32 next_hops(void)
{
	u32 n = 0;

	for (u32 i = 0; i < NEXT_HOPS; i++)
		n += (nat.next_hops[i].word & NEXT_HOP_WHOLE) != 0;
	return n;
}

static void header_as_the_kernel_wrote_it(void **state)
{
	static const u8 wanted[12] = {
		0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22
	};
	struct packet_spec s = flow_lease(5000, 0x11);

	(void)state;
	assert_int_equal(frame_meet(NATIVE_HAIRPIN, &s, 0x33, 0x44), REASON_out_fast);
	assert_memory_equal(wire + 2, wanted, sizeof(wanted));
	assert_int_equal(get32(wire + 2 + L3, IPV4_SOURCE), ADDRESS_A);
	assert_int_equal(packet_check(wire + 2 + L3, 33), 0);
}

static void a_renewal_shows_another_way(void **state)
{
	struct packet_spec s = flow_lease(5000, 0x11);

	(void)state;
	nat.now++;
	frame_meet(NATIVE_OUT, &s, 0x55, 0x22);
	assert_int_equal(frame_meet(NATIVE_HAIRPIN, &s, 0x33, 0x44), REASON_out_fast);
	assert_int_equal(wire[2], 0x55);
}

static void flows_share_next_hops(void **state)
{
	(void)state;
	for (u16 i = 0; i < 50; i++)
		flow_lease((u16)(5000 + i), i % 2 ? 0x11 : 0x12);
	assert_int_equal(next_hops(), 2);
}

/* More next hops than there is room: those who find none go the kernel's way; room comes when leases are over. */
static void next_hops_run_out_and_come_back(void **state)
{
	u32 given = 0, refused = 0, again = 0;
	struct next_hop hop = { .mtu = 1500, .ifindex = OUTSIDE_IFINDEX };

	(void)state;
	for (u32 i = 0; i < 2 * NEXT_HOPS; i++) {
		memcpy(hop.frame, &i, sizeof(i));
		u32 number = next_hop_number(&nat, config(), &hop, nat.now);
		given += number != 0;
		refused += !number;
	}
	assert_in_range(given, NEXT_HOPS * 9 / 10, NEXT_HOPS - 1);
	assert_true(refused > 0);
	nat.now += NEXT_HOP_KEEP + 1;
	for (u32 i = 0; i < 1000; i++) {
		memcpy(hop.frame, &(u32){ i + 1000000 }, sizeof(i));
		again += next_hop_number(&nat, config(), &hop, nat.now) != 0;
	}
	assert_int_equal(again, 1000);
}

/* A place that a lease may still name is nobody else's. */
static void next_hop_in_use_is_kept(void **state)
{
	struct next_hop hop = { .mtu = 1500, .ifindex = OUTSIDE_IFINDEX }, copy;
	u32 number = next_hop_number(&nat, config(), &hop, nat.now);

	(void)state;
	assert_int_not_equal(number, 0);
	nat.now += LEASE_WATCHED;
	for (u32 i = 1; i < 3 * NEXT_HOPS; i++) {
		struct next_hop other = hop;
		memcpy(other.frame, &i, sizeof(i));
		assert_int_not_equal(next_hop_number(&nat, config(), &other, nat.now), number);
	}
	assert_true(next_hop_read(&nat, number, &copy));
	assert_memory_equal(copy.frame, hop.frame, sizeof(hop.frame));
}

static void one_that_is_being_replaced_is_not_read(void **state)
{
	struct next_hop hop = { .mtu = 1500, .ifindex = OUTSIDE_IFINDEX }, copy;
	u32 number = next_hop_number(&nat, config(), &hop, nat.now);

	(void)state;
	nat.next_hops[number].word &= ~NEXT_HOP_WHOLE;
	assert_false(next_hop_read(&nat, number, &copy));
}

static void the_tick_comes_round(void **state)
{
	(void)state;
	nat.now = TIME - 1;
	config()->watch = (union lease_watch){ .looked = TIME - 1, .changed = TIME - 3 }.word;
	struct packet_spec s = flow_lease(5000, 0x11);
	for (u32 i = 0; i < LEASE_ALONE; i++) {
		assert_int_equal(frame_meet(NATIVE_HAIRPIN, &s, 0x33, 0x44), REASON_out_fast);
		nat.now++;
	}
	assert_int_equal(frame_meet(NATIVE_HAIRPIN, &s, 0x33, 0x44), REASON_out_fast);
	nat.now++;
	assert_int_equal(frame_meet(NATIVE_HAIRPIN, &s, 0x33, 0x44), REASON_inside_other);
}

/* The slot went to another flow of the mapping between the look and the lease: it is taken back. */
static void a_lease_for_a_slot_that_went_away(void **state)
{
	struct packet_spec s = flow_lease(5000, 0x11);
	struct flow_hit hit;
	union flow_key key;

	(void)state;
	(void)s;
	flow_key_between(&key, endpoint(HOST_1, 5000), endpoint(REMOTE_1, 53), PROTOCOL_UDP, DIRECTION_OUT);
	assert_true(flow_find(&nat, config(), key.word, &hit));
	u32 before = *lease_of(5000);
	hit.slot->word += VER1;
	lease_give(&hit, 7u << LEASE_SHIFT | nat.now);
	assert_int_equal(*lease_of(5000), before);
	assert_int_equal(((struct flow *)hit.slot)->mapping, hit.value.mapping);
}

static void both_ends_must_take_part(void **state)
{
	(void)state;
	nat.config->interfaces[LAN].fast = 0;
	for (u32 i = 0; i < INTERFACE_BUCKETS; i++)
		if (nat.config->buckets[i].ifindex == INSIDE_IFINDEX)
			nat.config->buckets[i].fast = 0;
	flow_lease(5000, 0x11);
	assert_int_equal(*lease_of(5000), 0);
}

static void the_routers_own_flows_have_none(void **state)
{
	struct packet_spec s = udp(ADDRESS_A, 6000, REMOTE_1, 53);
	u8 *at = wire + 2;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct native_frame f = { .data = at, .l3 = L3, .ifindex = OUTSIDE_IFINDEX };
		f.length = L3 + (u32)packet_build(&s, at + L3, ROOM - L3);
		memcpy(at + 12, "\x08\0", 2);
		native_meet(&nat, NATIVE_OUT, &f);
	}
	assert_int_equal(next_hops(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fast_setup, nat_end)
	const struct CMUnitTest tests[] = {
		TEST(header_as_the_kernel_wrote_it), TEST(a_renewal_shows_another_way),
		TEST(flows_share_next_hops),	     TEST(next_hops_run_out_and_come_back),
		TEST(next_hop_in_use_is_kept),	     TEST(one_that_is_being_replaced_is_not_read),
		TEST(the_tick_comes_round),	     TEST(a_lease_for_a_slot_that_went_away),
		TEST(both_ends_must_take_part),	     TEST(the_routers_own_flows_have_none),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
