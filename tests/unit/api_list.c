// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the lists say of a state that the core itself has made: which rows there are, and what stands in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sweep.h"
#include "daemon/list.h"
#include "tests/unit/fixture/instance.h"

enum { FLOWS = 1024, MAPPINGS = 1024, HOSTS = 256 };

static const struct list_filter everything;

static int setup(void **state)
{
	*state = instance_make(FLOWS, MAPPINGS, HOSTS);
	return 0;
}

static int teardown(void **state)
{
	instance_free(*state);
	return 0;
}

/* Rows that the filter wants; *last is the last of them. */
static u32 sessions(struct instance *i, const struct list_filter *filter, struct session_row *last)
{
	struct session_row row;
	struct list_view view;
	u32 count = 0;

	memset(last, 0, sizeof(*last));
	list_open(&view, &i->k);
	for (u32 at = 0; at < list_slots(&view, LIST_SESSIONS); at++)
		if (list_session(&view, filter, at, &row)) {
			*last = row;
			count++;
		}
	return count;
}

static u32 mappings(struct instance *i, const struct list_filter *filter, struct mapping_row *last)
{
	struct mapping_row row;
	struct list_view view;
	u32 count = 0;

	memset(last, 0, sizeof(*last));
	list_open(&view, &i->k);
	for (u32 at = 0; at < list_slots(&view, LIST_MAPPINGS); at++)
		if (list_mapping(&view, filter, at, &row)) {
			*last = row;
			count++;
		}
	return count;
}

static u32 hosts(struct instance *i, const struct list_filter *filter, struct host_row *last)
{
	struct host_row row;
	struct list_view view;
	u32 count = 0;

	memset(last, 0, sizeof(*last));
	list_open(&view, &i->k);
	for (u32 at = 0; at < list_slots(&view, LIST_HOSTS); at++)
		if (list_host(&view, filter, at, &row)) {
			*last = row;
			count++;
		}
	return count;
}

/* The flow of a direction; there is only one. */
static struct flow *flow_of(struct instance *i, u8 direction)
{
	for (u32 at = 0; at < FLOWS; at++) {
		struct slot *s = env_slot(&i->k.nat, TABLE_FLOWS, at);
		if (word_state(s->word) == LIVE && ((struct flow *)s)->direction == direction)
			return (struct flow *)s;
	}
	return NULL;
}

static void nothing_is_there(void **state)
{
	struct session_row session;
	struct mapping_row mapping;
	struct host_row host;

	assert_int_equal(sessions(*state, &everything, &session), 0);
	assert_int_equal(mappings(*state, &everything, &mapping), 0);
	assert_int_equal(hosts(*state, &everything, &host), 0);
}

/* One row for two flows, with the ends, the counts of both directions and the time that is left. */
static void udp_session(void **state)
{
	struct instance *i = *state;
	struct session_row row;
	u16 port;

	assert_int_equal(instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0),
			 REASON_out_created);
	__be32 outside = i->plan.ip.saddr;
	port = be16_to_host(i->plan.ip.sport);
	assert_int_equal(port, 5000);
	assert_int_equal(instance_packet(i, 0, PROTOCOL_UDP, address("192.0.2.9"), 53, outside, port, 0),
			 REASON_in_session);
	instance_wait(i, 5);
	assert_int_equal(instance_packet(i, 0, PROTOCOL_UDP, address("192.0.2.9"), 53, outside, port, 0),
			 REASON_in_session);
	instance_wait(i, 20);

	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.protocol, PROTOCOL_UDP);
	assert_int_equal(row.inside_address, address("10.0.0.5"));
	assert_int_equal(row.inside_port, host_to_be16(5000));
	assert_int_equal(row.outside_address, outside);
	assert_int_equal(row.outside_port, host_to_be16(5000));
	assert_int_equal(row.remote_address, address("192.0.2.9"));
	assert_int_equal(row.remote_port, host_to_be16(53));
	assert_int_equal(row.interface, 0);
	assert_int_equal(row.state, SESSION_ACTIVE);
	assert_int_equal(row.idle, 20);
	assert_int_equal(row.lifetime, 280);
	assert_int_equal(row.packets_out, 1);
	assert_int_equal(row.bytes_out, 100);
	assert_int_equal(row.packets_in, 2);
	assert_int_equal(row.bytes_in, 200);
	assert_false(row.own);
	assert_false(row.hairpin);
}

static void session_ends_with_its_timeout(void **state)
{
	struct instance *i = *state;
	struct session_row row;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	instance_wait(i, 300);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.lifetime, 0);
	instance_wait(i, 1);
	assert_int_equal(sessions(i, &everything, &row), 0);
}

static void tcp_states(void **state)
{
	struct instance *i = *state;
	struct session_row row;

	instance_out(i, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, TCP_SYN);
	__be32 outside = i->plan.ip.saddr;
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.state, SESSION_INIT);
	assert_int_equal(row.lifetime, 240);
	instance_packet(i, 0, PROTOCOL_TCP, address("192.0.2.9"), 80, outside, 5000, TCP_SYN | TCP_ACK);
	sessions(i, &everything, &row);
	assert_int_equal(row.state, SESSION_ESTABLISHED);
	assert_int_equal(row.lifetime, 7440);
	instance_out(i, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, TCP_FIN | TCP_ACK);
	sessions(i, &everything, &row);
	assert_int_equal(row.state, SESSION_ESTABLISHED);
	instance_packet(i, 0, PROTOCOL_TCP, address("192.0.2.9"), 80, outside, 5000, TCP_FIN | TCP_ACK);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.state, SESSION_CLOSING);
	assert_int_equal(row.lifetime, 240);
}

static void icmp_identifier_is_the_port(void **state)
{
	struct instance *i = *state;
	struct session_row row;

	assert_int_equal(instance_out(i, PROTOCOL_ICMP, "10.0.0.5", 77, "192.0.2.9", 0, 1),
			 REASON_out_created);
	u16 id = be16_to_host(i->plan.ip.sport);
	assert_int_equal(instance_packet(i, 0, PROTOCOL_ICMP, address("192.0.2.9"), 0, i->plan.ip.saddr, id,
					 0),
			 REASON_in_session);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.inside_port, host_to_be16(77));
	assert_int_equal(row.outside_port, host_to_be16(id));
	assert_int_equal(row.remote_port, 0);
	assert_int_equal(row.packets_in, 1);
	assert_int_equal(row.lifetime, 60);
}

/* Without its outbound half an inbound flow is a row of its own; with it, never. */
static void half_sessions(void **state)
{
	struct instance *i = *state;
	struct session_row row;
	struct flow *flow;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	__be32 outside = i->plan.ip.saddr;
	flow = flow_of(i, DIRECTION_OUT);
	flow->word = word_free(flow->word);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.inside_address, address("10.0.0.5"));
	assert_int_equal(row.inside_port, host_to_be16(5000));
	assert_int_equal(row.outside_address, outside);
	assert_int_equal(row.remote_address, address("192.0.2.9"));
	assert_int_equal(row.remote_port, host_to_be16(53));
	assert_int_equal(row.packets_out, 0);

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.packets_out, 1);
	flow = flow_of(i, DIRECTION_IN);
	flow->word = word_free(flow->word);
	assert_int_equal(sessions(i, &everything, &row), 1);
	assert_int_equal(row.packets_in, 0);
}

/* A hint that points at somebody else's flow, or beyond the table, gives nobody else's counts. */
static void peer_is_checked(void **state)
{
	struct instance *i = *state;
	struct list_filter first = { .by_host = true, .host = address("10.0.0.5") };
	struct session_row row;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	struct flow *in = flow_of(i, DIRECTION_IN), *out = flow_of(i, DIRECTION_OUT);
	in->packets = 3;
	out->peer = (u32)((u8 *)out - i->k.nat.tables[TABLE_FLOWS]) / sizeof(*out);
	assert_int_equal(sessions(i, &first, &row), 1);
	assert_int_equal(row.packets_in, 3); /* found by its key */
	out->peer = 0xfffffff0;
	assert_int_equal(sessions(i, &first, &row), 1);
	assert_int_equal(row.packets_in, 3);
	in->addr = address("10.0.0.6"); /* now it is not the other half of anything */
	assert_int_equal(sessions(i, &first, &row), 1);
	assert_int_equal(row.packets_in, 0);
	assert_int_equal(sessions(i, &everything, &row), 2);
}

/* A reset ends what is older; the permission flows of adf are no sessions. */
static void stale_is_not_listed(void **state)
{
	struct instance *i = *state;
	struct session_row session;
	struct mapping_row mapping;
	struct host_row host;

	i->k.nat.config->filtering[CLASS_UDP] = FILTERING_ADF;
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	assert_non_null(flow_of(i, DIRECTION_PERMIT));
	assert_int_equal(sessions(i, &everything, &session), 1);
	assert_int_equal(session.generation, 0);
	i->k.nat.config->generation[0] += 1;
	assert_int_equal(sessions(i, &everything, &session), 0);
	assert_int_equal(mappings(i, &everything, &mapping), 1);
	i->k.nat.config->generation[0] += 1ull << GENERATION_BITS;
	assert_int_equal(mappings(i, &everything, &mapping), 0);
	assert_int_equal(hosts(i, &everything, &host), 1);
	i->k.nat.config->generation[0] += 1ull << (2 * GENERATION_BITS);
	assert_int_equal(hosts(i, &everything, &host), 0);
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	assert_int_equal(sessions(i, &everything, &session), 1);
	assert_int_equal(session.generation, 1);
}

static void mapping_needs_both_halves(void **state)
{
	struct instance *i = *state;
	struct mapping_row row;

	instance_out(i, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 53, TCP_SYN);
	__be32 outside = i->plan.ip.saddr;
	instance_wait(i, 7);
	assert_int_equal(mappings(i, &everything, &row), 1);
	assert_int_equal(row.protocol, PROTOCOL_TCP);
	assert_int_equal(row.inside_address, address("10.0.0.5"));
	assert_int_equal(row.outside_address, outside);
	assert_int_equal(row.outside_port, host_to_be16(5000));
	assert_int_equal(row.idle, 7);
	for (u32 at = 0; at < MAPPINGS; at++) {
		struct slot *s = env_slot(&i->k.nat, TABLE_MAPPINGS, at);
		struct mapping *m = (struct mapping *)s;
		if (word_state(s->word) == LIVE && m->half & HALF_OUTSIDE)
			m->port = host_to_be16(5001); /* of another endpoint now */
	}
	assert_int_equal(mappings(i, &everything, &row), 0);
}

static void mapping_at_rest_is_over(void **state)
{
	struct instance *i = *state;
	struct mapping_row row;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	assert_int_equal(mappings(i, &everything, &row), 1);
	for (u32 at = 0; at < MAPPINGS; at++) {
		struct slot *s = env_slot(&i->k.nat, TABLE_MAPPINGS, at);
		if (word_state(s->word) == LIVE && !(((struct mapping *)s)->half & HALF_OUTSIDE))
			s->word |= word_make(0, 0, RESTING);
	}
	assert_int_equal(mappings(i, &everything, &row), 0);
}

static void host_keeps_its_address(void **state)
{
	struct instance *i = *state;
	struct host_row row;
	u32 counts[HOSTS];

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	__be32 outside = i->plan.ip.saddr;
	instance_wait(i, 9);
	assert_int_equal(hosts(i, &everything, &row), 1);
	assert_int_equal(row.inside_address, address("10.0.0.5"));
	assert_int_equal(row.outside_address, outside);
	assert_int_equal(row.idle, 9);
	assert_false(row.counted);
	for (u32 at = 0; at < HOSTS; at++)
		counts[at] = 7;
	struct sweep sweep = { .last_host_mappings = counts, .last_host_sessions = counts };
	struct list_view view;
	list_open(&view, &i->k);
	for (sweep.passes = 0; sweep.passes < 2; sweep.passes++) {
		view.sweep = &sweep;
		for (u32 at = 0; at < HOSTS; at++)
			if (list_host(&view, &everything, at, &row))
				assert_int_equal(row.mappings + row.sessions, sweep.passes ? 14 : 0);
	}
}

static void filters(void **state)
{
	struct instance *i = *state;
	struct session_row row;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	__be32 outside = i->plan.ip.saddr;
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5001, "192.0.2.9", 53, 0);
	instance_out(i, PROTOCOL_TCP, "10.0.0.6", 5002, "192.0.2.9", 80, TCP_SYN);

	struct list_filter host = { .by_host = true, .host = address("10.0.0.5") };
	assert_int_equal(sessions(i, &host, &row), 2);
	struct list_filter port = {
		.by_outside = true, .outside = outside, .by_port = true, .outside_port = host_to_be16(5001)
	};
	assert_int_equal(sessions(i, &port, &row), 1);
	assert_int_equal(row.inside_port, host_to_be16(5001));
	struct list_filter protocol = { .by_protocol = true, .protocol = PROTOCOL_TCP };
	assert_int_equal(sessions(i, &protocol, &row), 1);
	assert_int_equal(row.inside_address, address("10.0.0.6"));
	struct list_filter interface = { .by_interface = true, .interface = 1 };
	assert_int_equal(sessions(i, &interface, &row), 0);
	interface.interface = 0;
	assert_int_equal(sessions(i, &interface, &row), 3);
}

static void pool_ports(void **state)
{
	struct instance *i = *state;
	struct pool_row row = { 0 };
	struct list_view view;
	u32 rows = 0, used[PORT_AREAS] = { 0 };

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 123, "192.0.2.9", 123,
		     0); /* below the range: stays there */
	instance_out(i, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, TCP_SYN);
	list_open(&view, &i->k);
	for (u32 at = 0; at < list_slots(&view, LIST_POOLS); at++) {
		if (!list_pool(&view, &everything, at, &row))
			continue;
		rows++;
		assert_int_equal(!!(row.flags & ADDRESS_LOCAL), row.address == address("198.51.100.1"));
		for (u32 class = 0; class < PORT_AREAS; class ++)
			used[class] += row.used[class];
		assert_int_equal(row.free[CLASS_TCP] + row.used[CLASS_TCP], 65535 - 1024 + 1);
		assert_int_equal(row.free[CLASS_UDP], row.used[CLASS_UDP] ? 64511 : 64512);
	}
	assert_int_equal(rows, 2);
	assert_int_equal(used[CLASS_UDP], 2);
	assert_int_equal(used[CLASS_TCP], 1);
	assert_int_equal(used[CLASS_ICMP], 0);
}

static void reasons_are_summed(void **state)
{
	struct instance *i = *state;
	struct list_view view;

	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0); /* counted on CPU 0 */
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5001, "192.0.2.9", 53, 0); /* on CPU 1 */
	list_open(&view, &i->k);
	assert_int_equal(list_reason(&view, NO_INTERFACE, REASON_out_created).packets, 2);
	assert_int_equal(list_reason(&view, 0, REASON_out_created).bytes, 200);
	assert_int_equal(list_reason(&view, 1, REASON_out_created).packets, 0);
	assert_int_equal(list_reason(&view, MAX_INTERFACES - 1, REASON_out_created).packets, 0);
	assert_int_equal(list_reason(&view, NO_INTERFACE, REASON_internal).packets, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(udp_session, setup, teardown),
		cmocka_unit_test_setup_teardown(session_ends_with_its_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(tcp_states, setup, teardown),
		cmocka_unit_test_setup_teardown(icmp_identifier_is_the_port, setup, teardown),
		cmocka_unit_test_setup_teardown(half_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_is_not_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(mapping_needs_both_halves, setup, teardown),
		cmocka_unit_test_setup_teardown(mapping_at_rest_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(host_keeps_its_address, setup, teardown),
		cmocka_unit_test_setup_teardown(filters, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(reasons_are_summed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
