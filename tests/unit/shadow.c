// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * native/shadow.h: what a shadow says of a packet is what then becomes of it, byte for byte; and while it does, nobody could write the
 * arrays, for their pages are read-only.
 *
 * A walk of many packets through NATs of several kinds, small enough that ports, hosts and tables run out.
 */
#include <sys/mman.h>
#include "native/fixed.h"
#include "native/shadow.h"
#include "native/sweep_memory.h"
#include "tests/unit/core.h"

enum { STEPS = 1500, POOL = ADDRESS_LIVE | ADDRESS_POOL, PROTOCOLS = 7, SERVER_PORT = 80 };

#define SERVED inet_addr("198.51.100.3")   /* of a reservation */
#define LISTED inet_addr("192.168.0.0")	   /* with the mask below */
#define STRANGER inet_addr("192.168.9.9")  /* inside, but in none of its networks */
#define NEAR_NET inet_addr("203.0.113.64") /* not translated, with that mask */
#define LONG_MASK inet_addr("255.255.255.240")

static const char *const names[REASONS] = {
#define REASON(id, verdict, text) #id,
#include "core/reasons.def"
#undef REASON
};

static size_t lengths[NATIVE_ARRAYS];
static u32 seen[REASONS];
static u64 chance;

static u32 draw(u32 below) { return test_random(&chance) % below; }

/* An instance whose arrays lie on pages of their own. */
static void begin(struct native_sizes sizes)
{
	memset(&nat, 0, sizeof(nat));
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		lengths[i] = (native_extent(&sizes, (enum native_array)i).bytes + 4095) & ~4095ul;
		void *memory =
			mmap(NULL, lengths[i], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(memory != MAP_FAILED);
		native_array_set(&nat, (enum native_array)i, memory);
	}
	assert_int_equal(native_attach(&nat, &sizes, 7), 0);
	assert_int_equal(native_interface_add(&nat, OUTSIDE_IFINDEX, ROLE_OUTSIDE), 0);
	assert_int_equal(native_interface_add(&nat, INSIDE_IFINDEX, ROLE_INSIDE), MAX_OUTSIDE);
	assert_true(native_address_set(&nat, 0, ADDRESS_A, POOL | ADDRESS_LOCAL) >= 0);
	assert_true(native_address_set(&nat, 0, ADDRESS_B, POOL) >= 0);
	nat.now = START;
	config()->tell = 1;
	config()->hold = 1;
}

static void protect(int protection)
{
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		assert_int_equal(mprotect(native_array(&nat, (enum native_array)i), lengths[i], protection),
				 0);
}

static int end(void **state)
{
	(void)state;
	native_detach(&nat);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		munmap(native_array(&nat, (enum native_array)i), lengths[i]);
	return 0;
}

/* The shadow says what becomes of the packet, and then it does. */
static void foretell(enum native_hook hook, const struct native_frame *real)
{
	static u8 copy[ROOM];
	struct native_frame frame = *real;
	struct nat_instance shadow;

	frame.data = copy + 2;
	memcpy(frame.data, real->data, real->length);
	protect(PROT_READ);
	assert_int_equal(shadow_open(&nat, &shadow), 0);
	struct native_result told = native_meet(&shadow, hook, &frame);
	assert_true(shadow_holds(&shadow));
	protect(PROT_READ | PROT_WRITE);
	shadow_close(&shadow);

	struct native_result is = native_meet(&nat, hook, real);
	assert_int_equal(told.reason, is.reason);
	assert_int_equal(told.verdict, is.verdict);
	assert_int_equal(told.interface, is.interface);
	assert_int_equal(told.length, is.length);
	assert_memory_equal(frame.data, real->data, is.length);
	if (is.reason < REASONS)
		seen[is.reason]++;
}

static __be32 inside_draw(void) { return draw(30) ? HOST_1 + htonl(draw(12)) : STRANGER; }

static __be32 outside_draw(void)
{
	const __be32 all[] = {
		ADDRESS_A, ADDRESS_B, SERVED, HOST_1, inet_addr("198.51.100.77"), inet_addr("224.0.0.251")
	};

	return all[draw(4) ? draw(3) : draw(sizeof(all) / sizeof(all[0]))];
}

static __be32 remote_draw(void)
{
	const __be32 all[] = { REMOTE_1, REMOTE_2, NEAR_NET, inet_addr("224.0.0.251") };

	return all[draw(16) ? draw(2) : draw(4)];
}

static struct packet_spec spec_draw(void)
{
	static const u8 protocols[PROTOCOLS] = { PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP, PROTOCOL_DCCP,
						 PROTOCOL_GRE, PROTOCOL_AH,  PROTOCOL_ESP };
	static const u8 flags[] = { TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST };
	struct packet_spec spec = { .protocol = protocols[draw(3) ? draw(2) : draw(PROTOCOLS)],
				    .tcp_flags = flags[draw(5)],
				    .ttl = (u8)(draw(20) ? 64 : 1),
				    .type = (u8)(draw(2) ? 0 : 2),
				    .icmp_type = draw(2) ? ICMP_ECHO : ICMP_ECHO_REPLY,
				    .id = (u16)draw(4),
				    .payload_length = 16 };

	if (!draw(12)) {
		spec.fragment_offset = (u16)(draw(2) * 8);
		spec.fragment_bytes = 8;
	}
	return spec;
}

static u16 port_draw(void) { return (u16)(draw(40) ? 2000 + draw(24) : SERVER_PORT); }

static void offer(enum native_hook hook, const struct packet_spec *spec)
{
	int length = packet_build(spec, frame(), ROOM);
	struct native_frame f = { .data = frame(),
				  .length = (u32)length,
				  .ifindex = hook == NATIVE_HAIRPIN ? INSIDE_IFINDEX : OUTSIDE_IFINDEX,
				  .ingress_ifindex = draw(20) ? INSIDE_IFINDEX : 0,
				  .room = ROOM - 4 };

	assert_true(length > 0);
	foretell(hook, &f);
}

static void step(void)
{
	static const enum native_hook hooks[] = { NATIVE_OUT, NATIVE_OUT, NATIVE_IN, NATIVE_HAIRPIN };
	struct packet_spec spec = spec_draw(), quoted = spec_draw();
	enum native_hook hook = hooks[draw(4)];
	bool in = hook == NATIVE_IN;

	spec.saddr = in ? draw(40) ? remote_draw() : ADDRESS_B : inside_draw();
	spec.daddr = hook == NATIVE_OUT ? remote_draw() : outside_draw();
	spec.sport = in ? (u16)(53 + draw(2)) : port_draw();
	spec.dport = in || hook == NATIVE_HAIRPIN ? port_draw() : (u16)(53 + draw(2));
	if (spec.protocol == PROTOCOL_ICMP && in)
		spec.sport = spec.dport;
	quoted.saddr = in ? spec.daddr : remote_draw();
	quoted.daddr = in ? spec.saddr : spec.saddr;
	quoted.sport = in ? spec.dport : 53;
	quoted.dport = in ? 53 : spec.sport;
	if (!draw(12)) {
		quoted.fragment_bytes = quoted.fragment_offset = spec.fragment_bytes = spec.fragment_offset =
			0;
		spec.protocol = PROTOCOL_ICMP;
		spec.icmp_type = ICMP_UNREACHABLE;
		spec.quote = &quoted;
	}
	offer(hook, &spec);
	if (!spec.fragment_bytes || spec.fragment_offset)
		return;
	spec.fragment_offset += 8; /* the next piece of it */
	offer(hook, &spec);
}

static void sweep_now(void)
{
	struct sweep *s = sweep_memory_new(&nat);

	assert_non_null(s);
	sweep_pass(s, nat.now);
	sweep_memory_free(s);
}

static void walk(void)
{
	for (int i = 0; i < STEPS; i++) {
		step();
		nat.now += !draw(6);
		if (!draw(200))
			sweep_now();
		if (!draw(400))
			nat_reset(1, (int)draw(2), 0);
	}
}

static void reserve(void)
{
	struct fixed_host host = { .inside = HOST_2, .outside = SERVED, .inbound = true };
	struct fixed_mapping mapping = { .inside = endpoint(HOST_1, 8080),
					 .outside = endpoint(ADDRESS_A, SERVER_PORT),
					 .class = CLASS_TCP };
	struct fixed_want want = {
		.hosts = &host, .mappings = &mapping, .host_count = 1, .mapping_count = 1
	};
	struct fixed_report report;

	assert_true(native_address_set(&nat, 0, SERVED, ADDRESS_LIVE | ADDRESS_RESERVED | ADDRESS_INBOUND) >=
		    0);
	assert_int_equal(fixed_apply(&nat, &want, &report), 0);
}

/* Few ports, and each kind of what the configuration fixes. */
static void what_the_configuration_says(void **state)
{
	(void)state;
	begin((struct native_sizes){ .flows = 512, .mappings = 512, .hosts = 32 });
	reserve();
	assert_int_equal(native_pass_through_add(&nat, NEAR_NET, LONG_MASK), 0);
	assert_int_equal(native_network_add(&nat, LISTED, LONG_MASK), 0);
	native_interface_listed(&nat, MAX_OUTSIDE);
	config()->port_min = 2000;
	config()->port_max = 2015;
	config()->filtering[CLASS_UDP] = FILTERING_ADF;
	config()->filtering[CLASS_TCP] = FILTERING_EDF;
	assert_int_equal(native_socket_add(&nat, CLASS_UDP, ADDRESS_A, htons(2003), 0, 0), 0);
	walk();
}

static void what_limits_say(void **state)
{
	(void)state;
	begin((struct native_sizes){ .flows = 512, .mappings = 512, .hosts = 32 });
	config()->limits.on = 1;
	config()->limits.all = (struct limit){ .mappings = 6, .sessions = 8 };
	config()->limits.new_mappings = 2;
	config()->hairpin = 0;
	STORE(&config()->swept, nat.now);
	for (int i = 0; i < 4; i++) {
		walk();
		sweep_now();
	}
}

/* Tables that are full, and nobody who tidies them. */
static void what_full_tables_say(void **state)
{
	(void)state;
	begin((struct native_sizes){ .flows = 32, .mappings = 64, .hosts = 32, .fragments = 32 });
	walk();
}

static void what_ports_in_blocks_say(void **state)
{
	const struct shares shares = {
		.first = 2048, .block_size = 64, .block_first = 32, .block_count = 4, .block_max = 2
	};

	(void)state;
	begin((struct native_sizes){ .flows = 1024, .mappings = 1024 });
	native_interface_shares(&nat, 0, &shares);
	walk();
}

static void what_is_one_hosts_alone(void **state)
{
	(void)state;
	begin((struct native_sizes){ .flows = 512, .mappings = 512, .hosts = 64 });
	native_interface_alone(&nat, 0);
	walk();
}

/* Each kind of end was met on the walks: at least these. */
static void all_kinds_were_met(void **state)
{
	static const u16 kinds[] = {
		REASON_out_session,	  REASON_out_created,	   REASON_out_error,
		REASON_in_session,	  REASON_in_created,	   REASON_in_error,
		REASON_hairpin,		  REASON_told_no_port,	   REASON_told_limit,
		REASON_inside_other,	  REASON_pass_through_out, REASON_local_socket,
		REASON_local_address,	  REASON_multicast,	   REASON_ah_unsupported,
		REASON_source_not_inside, REASON_to_inside,	   REASON_spoofed_own,
		REASON_no_mapping,	  REASON_filtered,	   REASON_error_no_mapping,
		REASON_reply_no_session,  REASON_hairpin_off,	   REASON_host_sessions,
		REASON_told_full,	  REASON_out_from_mapping, REASON_remote_taken,
		REASON_fragment_unknown,  REASON_out_fragment,	   REASON_session_lost,
		REASON_transit,		  REASON_hairpin_ttl,
	};

	(void)state;
	for (u32 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!seen[kinds[i]])
			print_error("%s was never met\n", names[kinds[i]]);
	for (u32 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_true(seen[kinds[i]]);
	assert_int_equal(seen[REASON_internal], 0);
}

/* What a shadow has done stands for the next packet of the same shadow. */
static void a_second_packet_finds_what_the_first_made(void **state)
{
	struct packet_spec spec = { .protocol = PROTOCOL_UDP,
				    .saddr = HOST_1,
				    .sport = 2001,
				    .daddr = REMOTE_1,
				    .dport = 53,
				    .payload_length = 4 };
	struct nat_instance shadow;

	(void)state;
	begin((struct native_sizes){ 0 });
	assert_int_equal(shadow_open(&nat, &shadow), 0);
	for (int i = 0; i < 2; i++) {
		int length = packet_build(&spec, frame(), ROOM);
		struct native_frame f = { .data = frame(),
					  .length = (u32)length,
					  .ifindex = OUTSIDE_IFINDEX,
					  .ingress_ifindex = INSIDE_IFINDEX };
		assert_int_equal(native_meet(&shadow, NATIVE_OUT, &f).reason,
				 i ? REASON_out_session : REASON_out_created);
	}
	shadow_close(&shadow);
	assert_int_equal(live(TABLE_FLOWS) + live(TABLE_MAPPINGS) + live(TABLE_HOSTS), 0);
}

static int setup(void **state)
{
	(void)state;
	chance = 0x5eed;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_configuration_says, setup, end),
		cmocka_unit_test_setup_teardown(what_limits_say, setup, end),
		cmocka_unit_test_setup_teardown(what_full_tables_say, setup, end),
		cmocka_unit_test_setup_teardown(what_ports_in_blocks_say, setup, end),
		cmocka_unit_test_setup_teardown(what_is_one_hosts_alone, setup, end),
		cmocka_unit_test(all_kinds_were_met),
		cmocka_unit_test_setup_teardown(a_second_packet_finds_what_the_first_made, setup, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
