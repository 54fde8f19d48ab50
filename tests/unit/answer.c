/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/answer.h: what is quoted of a packet whose checksum the kernel left to the device, and of one that only looks so. */
#include "core/answer.h"
#include "tests/unit/core.h"

static int setup(void **state)
{
	(void)state;
	nat_begin((struct native_sizes){ 0 }, 0); /* so nobody gets an address, and is told */
	config()->tell = 1;
	return 0;
}

static struct packet_spec spec_of(u8 protocol)
{
	return (struct packet_spec){ .protocol = protocol,
				     .saddr = HOST_1,
				     .sport = 5000,
				     .daddr = REMOTE_1,
				     .dport = 53,
				     .type = 1,
				     .payload_length = 2 };
}

/* What lies in frame() leaves, and its sender is told: bytes of the answer, which lies there then. */
static u32 told(int length)
{
	struct native_frame f = { .data = frame(),
				  .length = (u32)length,
				  .ifindex = OUTSIDE_IFINDEX,
				  .ingress_ifindex = INSIDE_IFINDEX,
				  .room = ROOM };
	struct native_result r = native_meet(&nat, NATIVE_OUT, &f);

	assert_int_equal(r.reason, REASON_told_full);
	assert_int_equal(packet_check(frame(), r.length) & (PACKET_BAD_IP | PACKET_BAD_FORM), 0);
	return r.length;
}

static u16 pseudo_of(u8 protocol, int length)
{
	struct tuple t = { .saddr = HOST_1, .daddr = REMOTE_1, .protocol = protocol };

	return checksum_fold(pseudo_sum(&t, (u32)length - IP_MIN));
}

/* TCP and UDP: the device completes the checksum in the quote, over what there is of it; ICMP's is then right. */
static void what_is_partial_is_quoted_as_it_will_be(void **state)
{
	static const u8 protocols[] = { PROTOCOL_UDP, PROTOCOL_TCP };

	(void)state;
	for (u32 i = 0; i < 2; i++) {
		struct packet_spec spec = spec_of(protocols[i]);
		u32 check = protocols[i] == PROTOCOL_TCP ? TCP_CHECK : UDP_CHECK;
		int length = packet_build(&spec, frame(), ROOM);

		put16(frame(), IP_MIN + check, (__be16)pseudo_of(protocols[i], length));
		u32 answer = told(length), at = ANSWER_ROOM + IP_MIN;
		u64 sum = answer_words_sum(frame() + at, (answer - at) / 2);
		put16(frame(), at + check, (__be16)(u16)~checksum_fold(sum));
		assert_int_equal(packet_check(frame(), answer) & PACKET_BAD_TRANSPORT, 0);
	}
}

/* No device completes those of the others. A whole one has the pseudo header's sum there by chance, SCTP in its tag. */
static void what_only_looks_partial_is_quoted_as_it_is(void **state)
{
	static const u8 protocols[] = { PROTOCOL_UDPLITE, PROTOCOL_DCCP, PROTOCOL_SCTP };

	(void)state;
	for (u32 i = 0; i < 3; i++) {
		struct packet_spec spec = spec_of(protocols[i]);
		u8 payload[2];
		int length = 0;
		u32 n = 0;

		spec.payload = payload;
		do {
			assert_true(n < 0x10000);
			put16(payload, 0, host_to_be16(n));
			spec.tag = n++;
			length = packet_build(&spec, frame(), ROOM);
		} while ((u16)get16(frame(), IP_MIN + UDP_CHECK) != pseudo_of(protocols[i], length));
		assert_int_equal(packet_check(frame(), (size_t)length), 0);
		assert_int_equal(packet_check(frame(), told(length)) & PACKET_BAD_TRANSPORT, 0);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(what_is_partial_is_quoted_as_it_will_be),
		CASE(what_only_looks_partial_is_quoted_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
