// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/sweep.h: what ends when, what is kept alive, and what is mended. */
#include "tests/unit/core.h"

static struct sweep *sweep;

static int begin(void **state)
{
	(void)nat_setup(state);
	sweep = sweep_memory_new(&nat);
	assert_non_null(sweep);
	return 0;
}

static int end(void **state)
{
	sweep_memory_free(sweep);
	return nat_end(state);
}

/* So many whole passes, at the present time. */
static void passes(int count)
{
	while (count--)
		sweep_pass(sweep, nat.now);
}

/* Two passes: marks that were not believed in the first are made sure in the second. */
static void pass_at(u32 now)
{
	nat.now = now;
	passes(2);
}

/* Halves whose port rests, and all others. */
static u32 halves(u32 resting)
{
	u32 n = 0;

	for (u32 i = 0; i <= config()->mapping_mask; i++) {
		u64 w = env_slot(&nat, TABLE_MAPPINGS, i)->word;
		n += word_state(w) == LIVE && (word_flags(w) & RESTING) == resting;
	}
	return n;
}

/* So long after its mapping ended a port is free. */
static void rest_over(void)
{
	nat.now += config()->timers.hold_down_timeout + 1;
	passes(1);
}

/* All is over: ports rest, and then nothing is left. */
static void nothing_is_left(void)
{
	assert_int_equal(live(TABLE_FLOWS), 0);
	rest_over();
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	for (u32 i = 0; i < config()->addresses * PORT_AREAS * PORT_AREA; i++)
		assert_int_equal(nat.ports[i], 0);
}

static struct endpoint out_udp(__be32 inside, u16 port)
{
	u32 reason = meet_udp(NATIVE_OUT, inside, port, REMOTE_1, 53);

	assert_true(reason == REASON_out_created || reason == REASON_out_session);
	return endpoint(frame_source(), frame_sport());
}

static struct endpoint out_tcp(u8 flags, u16 port)
{
	u32 reason = meet_tcp(NATIVE_OUT, flags, HOST_1, port, REMOTE_1, 80);

	assert_true(reason == REASON_out_created || reason == REASON_out_session);
	return endpoint(frame_source(), frame_sport());
}

static void in_tcp(u8 flags, struct endpoint o)
{
	u32 reason = meet_tcp(NATIVE_IN, flags, REMOTE_1, 80, o.addr, be16_to_host(o.port));

	assert_int_equal(reason, REASON_in_session);
}

/* A connection of HOST_1 that both sides have opened: its outside endpoint. */
static struct endpoint connected_tcp(u16 port)
{
	struct endpoint o = out_tcp(TCP_SYN, port);

	in_tcp(TCP_SYN | TCP_ACK, o);
	out_tcp(TCP_ACK, port);
	return o;
}

static void udp_ends_after_its_timer(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	pass_at(START + 300);
	assert_int_equal(live(TABLE_FLOWS), 2);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_int_equal(sweep->last.sessions[CLASS_UDP], 1);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 1);
	pass_at(START + 301);
	nothing_is_left();
	assert_int_equal(sweep->counts.ended_sessions, 1);
	assert_int_equal(sweep->counts.ended_mappings, 1);
	assert_int_equal(live(TABLE_HOSTS), 1);
}

/* Either direction keeps the session, and the session its mapping, however old that is. */
static void any_direction_keeps_it(void **state)
{
	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000);
	for (u32 n = 1; n <= 10; n++) {
		nat.now = START + n * 200;
		if (n & 1)
			assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)),
					 REASON_in_session);
		else
			out_udp(HOST_1, 5000);
		passes(1);
		assert_int_equal(live(TABLE_FLOWS), 2);
		assert_int_equal(live(TABLE_MAPPINGS), 2);
	}
}

/* One session of a mapping ends, the other does not. */
static void a_mapping_outlives_its_sessions(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	nat.now = START + 250;
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_2, 53), REASON_out_created);
	pass_at(START + 400);
	assert_int_equal(live(TABLE_FLOWS), 2);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	pass_at(START + 551);
	nothing_is_left();
}

static void icmp_has_its_own_timer(void **state)
{
	struct packet_spec echo = { .protocol = PROTOCOL_ICMP,
				    .saddr = HOST_1,
				    .daddr = REMOTE_1,
				    .icmp_type = ICMP_ECHO,
				    .sport = 99 };

	(void)state;
	assert_int_equal(meet(NATIVE_OUT, &echo), REASON_out_created);
	pass_at(START + 60);
	assert_int_equal(live(TABLE_FLOWS), 2);
	pass_at(START + 61);
	nothing_is_left();
}

/* RFC 5382, RFC 7857: the timer that the state of both directions asks for. */
static void tcp_timers(void **state)
{
	static const struct {
		const char *name;
		u8 out1, in1, out2, in2; /* segments in this order; 0: none */
		u32 lasts;
	} rows[] = {
		{ "SYN alone", TCP_SYN, 0, 0, 0, 240 },
		{ "established", TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, 0, 7440 },
		{ "one FIN", TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, 0, 7440 },
		{ "two FINs", TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_FIN | TCP_ACK, 240 },
		{ "RST out", TCP_SYN, TCP_SYN | TCP_ACK, TCP_RST, 0, 240 },
		{ "RST in", TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_RST, 240 },
		{ "mid-stream", TCP_ACK, TCP_ACK, 0, 0, 7440 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u32 from = nat.now;
		struct endpoint o = out_tcp(rows[i].out1, 5000);
		if (rows[i].in1)
			in_tcp(rows[i].in1, o);
		if (rows[i].out2)
			out_tcp(rows[i].out2, 5000);
		if (rows[i].in2)
			in_tcp(rows[i].in2, o);
		pass_at(from + rows[i].lasts);
		if (live(TABLE_FLOWS) != 2)
			fail_msg("%s: ended after %u s", rows[i].name, rows[i].lasts);
		pass_at(from + rows[i].lasts + 1);
		if (live(TABLE_FLOWS))
			fail_msg("%s: still there after %u s", rows[i].name, rows[i].lasts + 1);
		pass_at(nat.now + 300);
		nothing_is_left();
	}
}

/* Data after a RST: it was a fake one (RFC 7857 section 2.2). */
static void a_reset_that_was_none(void **state)
{
	(void)state;
	struct endpoint o = out_tcp(TCP_SYN, 5000);
	in_tcp(TCP_SYN | TCP_ACK, o);
	in_tcp(TCP_RST, o);
	nat.now += 2;
	out_tcp(TCP_ACK, 5000);
	pass_at(START + 2000);
	assert_int_equal(live(TABLE_FLOWS), 2);
}

/* An inbound flow whose outbound half is missing lives by itself, and keeps the mapping. */
static void a_lone_inbound_flow(void **state)
{
	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000), remote = endpoint(REMOTE_1, 53);
	struct slot *s = flow_at(PROTOCOL_UDP, endpoint(HOST_1, 5000), remote, DIRECTION_OUT);
	slot_end(s, s->word);
	nat.now += 200;
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)), REASON_in_session);
	pass_at(START + 400);
	assert_int_equal(live(TABLE_FLOWS), 1);
	assert_int_equal(halves(0), 2);
	pass_at(START + 501);
	nothing_is_left();
}

/* What a packet touched after it was judged stays: each end is a CAS on the word that was judged. */
static void touched_after_it_was_judged(void **state)
{
	struct insert judged;

	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000);
	struct slot *s = flow_at(PROTOCOL_UDP, endpoint(HOST_1, 5000), endpoint(REMOTE_1, 53), DIRECTION_OUT);
	u32 at = (u32)(((u8 *)s - nat.tables[TABLE_FLOWS]) / sizeof(struct flow));
	nat.now = START + 400;
	sweep_step(sweep, nat.now, 1);
	assert_int_equal(slot_read(&nat, TABLE_FLOWS, at, s->word, &judged), 1);
	nat.now = START + 402;
	out_udp(HOST_1, 5000);
	sweep_session(sweep, at, &judged);
	assert_ptr_equal(flow_at(PROTOCOL_UDP, endpoint(HOST_1, 5000), endpoint(REMOTE_1, 53), DIRECTION_OUT),
			 s);
	while (!sweep_step(sweep, nat.now, 64))
		;
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, be16_to_host(o.port)), REASON_in_created);
	assert_int_equal(live(TABLE_FLOWS), 2);
}

/* In slices as in one go. */
static void slices(void **state)
{
	(void)state;
	for (u16 port = 2000; port < 2200; port++)
		out_udp(HOST_1, port);
	nat.now += 100;
	for (u16 port = 2000; port < 2100; port++)
		out_udp(HOST_1, port);
	nat.now = START + 301;
	u32 steps = 1;
	while (!sweep_step(sweep, nat.now, 100))
		steps++;
	assert_true(steps > 50);
	assert_int_equal(live(TABLE_FLOWS), 200);
	assert_int_equal(halves(RESTING), 100);
	assert_int_equal(sweep->last.sessions[CLASS_UDP], 100);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 100);
	assert_int_equal(sweep->counts.ended_sessions, 100);
	assert_int_equal(sweep->counts.ended_mappings, 100);
}

static void per_host_counts(void **state)
{
	(void)state;
	for (u16 port = 2000; port < 2010; port++)
		out_udp(HOST_1, port);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 2000, REMOTE_2, 53), REASON_out_created);
	out_udp(HOST_2, 2000);
	passes(1);
	u32 total = 0;
	for (u32 i = 0; i <= config()->host_mask; i++) {
		const struct host *h = (const struct host *)env_slot(&nat, TABLE_HOSTS, i);
		total += sweep->last_host_mappings[i];
		if (word_state(h->word) != LIVE)
			continue;
		assert_int_equal(sweep->last_host_mappings[i], h->inside == HOST_1 ? 10 : 1);
		assert_int_equal(sweep->last_host_sessions[i], h->inside == HOST_1 ? 11 : 1);
	}
	assert_int_equal(total, 11);
	assert_int_equal(sweep->last.hosts, 2);
}

/* A host stays for its retention time after its last mapping; one with mappings stays. */
static void hosts_are_kept(void **state)
{
	(void)state;
	config()->timers.host_retention_timeout = 5000;
	out_udp(HOST_1, 5000);
	for (u32 now = START + 200; now <= START + 6000; now += 200) {
		nat.now = now;
		out_udp(HOST_1, 5000);
		passes(1);
	}
	assert_int_equal(live(TABLE_HOSTS), 1);
	u32 last = nat.now;
	pass_at(last + 301);
	assert_int_equal(halves(RESTING), 1); /* and keeps no host */
	pass_at(last + 4999);
	assert_int_equal(live(TABLE_HOSTS), 1);
	pass_at(last + 5400);
	assert_int_equal(live(TABLE_HOSTS), 0);
}

static struct slot *host_at(__be32 inside)
{
	u64 key = host_key(inside, 0), word;
	u32 number;

	return table_find(&nat, config(), TABLE_HOSTS, table_hash(config(), TABLE_HOSTS, &key), &key, &word,
			  &number);
}

/* A host is said to be idle when no mapping of its was seen in two passes, and until its next packet. */
static void idle_hosts_are_told(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	out_udp(HOST_2, 5000);
	for (u32 now = START + 100; now <= START + 300; now += 100) {
		nat.now = now;
		out_udp(HOST_2, 5000);
		passes(1);
		assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
	}
	nat.now = START + 310;
	passes(1); /* its mapping comes to rest: a packet that has found it may be under way */
	assert_int_equal(sweep->counts.ended_mappings, 1);
	assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
	nat.now += 5;
	passes(1);
	assert_int_equal(word_flags(host_at(HOST_1)->word), HOST_IDLE);
	assert_int_equal(word_time(host_at(HOST_1)->word), START + 300);
	assert_int_equal(word_flags(host_at(HOST_2)->word), 0);
	out_udp(HOST_1, 5000); /* from rest */
	assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
	passes(2);
	assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
	/* A mapping that packets from outside brought back, as late as can be, clears it, too. */
	host_at(HOST_1)->word |= word_make(0, 0, HOST_IDLE);
	passes(1);
	assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
}

/* A host that is just being made has no mapping yet. */
static void a_new_host_is_not_idle(void **state)
{
	(void)state;
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(host_get(&nat, work()), 0);
	passes(3);
	assert_int_equal(word_flags(host_at(HOST_1)->word), 0);
	nat.now += SWEEP_PATIENCE;
	passes(1);
	assert_int_equal(word_flags(host_at(HOST_1)->word), HOST_IDLE);
}

/* What a reset made stale ends at once; mappings and hosts when no packet can be at work on them. */
static void stale_state_ends(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	nat_reset(1, 1, 1);
	passes(1);
	assert_int_equal(live(TABLE_FLOWS), 0);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_int_equal(live(TABLE_HOSTS), 1);
	nat.now += SWEEP_PATIENCE;
	passes(1);
	assert_int_equal(live(TABLE_HOSTS), 0);
	assert_int_equal(sweep->counts.ended_mappings, 1);
	assert_int_equal(sweep->counts.at[0].ended_mappings, 1);
	nothing_is_left();
}

/*
 * A reset of flows: the endpoints that were in use keep their outside ports, however old their mappings are, for as long as
 * their sessions would have lived.
 */
static void a_reset_of_flows_keeps_the_ports(void **state)
{
	(void)state;
	out_udp(HOST_2, 5000); /* so that HOST_1's port is not its own */
	u16 udp_port = be16_to_host(out_udp(HOST_1, 5000).port);
	assert_int_equal(meet_tcp(NATIVE_OUT, TCP_SYN, HOST_2, 5000, REMOTE_1, 80), REASON_out_created);
	struct endpoint o = out_tcp(TCP_SYN, 5000);
	assert_int_not_equal(udp_port, 5000);
	assert_int_not_equal(o.port, htons(5000));
	in_tcp(TCP_SYN | TCP_ACK, o);
	for (u32 now = START + 200; now <= START + 1000; now += 200) {
		nat.now = now;
		out_udp(HOST_1, 5000);
		out_tcp(TCP_ACK, 5000);
		in_tcp(TCP_ACK, o);
		passes(1);
	}
	nat_reset(1, 0, 0);
	nat.now += 10;
	passes(2);
	assert_int_equal(be16_to_host(out_udp(HOST_1, 5000).port), udp_port);
	nat.now += 2000; /* TCP may be silent for longer */
	passes(2);
	assert_int_equal(out_tcp(TCP_ACK, 5000).port, o.port);
	/* But not for ever. */
	nat_reset(1, 0, 0);
	pass_at(nat.now + 8000);
	pass_at(nat.now + 8000);
	nothing_is_left();
}

/* Nor does a short session that came between take from that time. */
static void what_was_promised_is_not_cut_short(void **state)
{
	(void)state;
	struct endpoint o = connected_tcp(5000);

	nat_reset(1, 0, 0);
	passes(1);
	assert_int_equal(meet_tcp(NATIVE_OUT, TCP_SYN, HOST_1, 5000, REMOTE_2, 80), REASON_out_created);
	pass_at(START + 1000);
	assert_int_equal(live(TABLE_FLOWS), 0);
	assert_non_null(half_at(endpoint(HOST_1, 5000), CLASS_TCP, HALF_INSIDE));
	assert_int_equal(meet_tcp(NATIVE_IN, TCP_ACK, REMOTE_1, 80, o.addr, be16_to_host(o.port)),
			 REASON_in_created);
	pass_at(START + 20000);
	nothing_is_left();
}

/* What a flow bequeathed to its mapping does not outlive a reset of mappings. */
static void a_second_reset_ends_them(void **state)
{
	(void)state;
	connected_tcp(5000);
	nat_reset(1, 0, 0);
	passes(1);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	nat_reset(1, 1, 0);
	nat.now += SWEEP_PATIENCE;
	passes(1);
	assert_int_equal(halves(0), 0);
	nothing_is_left();
}

/*
 * Rest
 */

/* A port whose mapping ended is kept from others for as long as configured, from when the sweep ended it. */
static void a_port_rests(void **state)
{
	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000);
	struct slot *i = half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE);
	pass_at(START + 1000);
	assert_int_equal(word_flags(i->word), RESTING);
	assert_int_equal(word_time(i->word), START + 1000);
	assert_int_equal(halves(RESTING), 1);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 0);
	assert_int_equal(sweep->last.at[0].mappings, 0);
	assert_int_equal(sweep->counts.ended_mappings, 1);
	struct host *h = (struct host *)env_slot(&nat, TABLE_HOSTS, ((struct mapping *)i)->host);
	assert_int_equal(h->inside, HOST_1);
	assert_int_equal(word_time(h->word), START); /* nothing of it keeps the host */
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, o.addr, 5000), REASON_no_mapping);
	assert_int_equal(out_udp(HOST_2, 5000).port == o.port, 0);
	pass_at(START + 1000 + 120);
	assert_true(port_bit(0, CLASS_UDP, 5000));
	pass_at(START + 1000 + 121);
	assert_null(half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE));
	assert_null(half_at(o, CLASS_UDP, HALF_OUTSIDE));
	assert_false(port_bit(0, CLASS_UDP, 5000));
	assert_int_equal(sweep->counts.ended_mappings, 1);
	assert_int_equal(sweep->counts.mended, 0);
}

static void no_more_ports_rest_than_may(void **state)
{
	(void)state;
	config()->timers.hold_down_max = 2;
	for (u16 port = 5000; port < 5005; port++)
		out_udp(HOST_1, port);
	pass_at(START + 301);
	assert_int_equal(halves(RESTING), 10 - 5); /* an outside half does not say that it rests */
	pass_at(START + 301 + SWEEP_PATIENCE - 1); /* a packet may be at work on it still */
	assert_int_equal(halves(RESTING), 5);
	pass_at(START + 301 + SWEEP_PATIENCE);
	assert_int_equal(halves(RESTING), 2);
	assert_int_equal(sweep->counts.ended_mappings, 5);
	out_udp(HOST_2, 6000); /* what does not rest is not counted */
	pass_at(START + 301 + 120);
	assert_int_equal(halves(RESTING), 2);
	config()->timers.hold_down_max = 0;
	pass_at(START + 2000);
	nothing_is_left();
}

static void its_endpoint_has_it_back(void **state)
{
	(void)state;
	out_udp(HOST_2, 5000);
	struct endpoint o = out_udp(HOST_1, 5000);
	assert_int_not_equal(o.port, htons(5000));
	pass_at(START + 301);
	assert_int_equal(halves(RESTING), 2);
	nat.now += 100;
	assert_int_equal(out_udp(HOST_1, 5000).port, o.port);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_2, 53, o.addr, be16_to_host(o.port)), REASON_in_created);
	passes(1);
	assert_int_equal(halves(RESTING), 1);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 1);
	assert_int_equal(sweep->last.hosts, 2);
	pass_at(nat.now + 301);
	assert_int_equal(sweep->counts.ended_mappings, 3);
	nothing_is_left();
}

/* A packet that found the mapping before it came to rest, and touches it after, has it alive; so has one that touched first. */
static void touched_as_it_comes_to_rest(void **state)
{
	struct half i;

	(void)state;
	out_udp(HOST_1, 5000);
	u64 key = mapping_key(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE, 0);
	nat.now = START + 301;
	assert_int_equal(half_find(&nat, config(), key, 0, &i), HALF_LIVE);
	u64 judged = i.word;
	passes(1);
	assert_int_equal(word_flags(i.slot->word), RESTING);
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(half_touch(&i, request()), 1);
	assert_int_equal(half_find(&nat, config(), key, 0, &i), HALF_LIVE);
	assert_int_equal(half_rest(sweep, i.number, judged), 0);
	assert_int_equal(halves(RESTING), 0);
	passes(1);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 1);
}

/* A reset that comes while a port rests ends nothing that had not ended. */
static void a_reset_during_rest(void **state)
{
	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000);
	pass_at(START + 301);
	nat_reset(1, 1, 0);
	passes(1);
	assert_int_equal(sweep->last.at[0].old_mappings, 0);
	nat.now += SWEEP_PATIENCE;
	passes(1);
	assert_null(half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE));
	assert_int_equal(word_flags(half_at(o, CLASS_UDP, HALF_OUTSIDE)->word), RESTING);
	assert_int_equal(sweep->counts.ended_mappings, 1);
	assert_int_equal(sweep->last.at[0].ended_mappings, 0);
	nothing_is_left();
}

/*
 * Mending
 */

static void lone_outside_halves_end(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	for (u32 i = 0; i <= config()->flow_mask; i++)
		env_slot(&nat, TABLE_FLOWS, i)->word = 0;
	struct slot *s = half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE);
	slot_end(s, s->word);
	passes(SWEEP_AUDIT); /* too young: a packet may be about to join it */
	assert_int_equal(halves(0), 1);
	nat.now += SWEEP_PATIENCE;
	passes(SWEEP_AUDIT);
	assert_int_equal(halves(RESTING), 1);
	nothing_is_left();
}

/* An outside half that names another's endpoint is lone too. */
static void disagreeing_outside_halves_end(void **state)
{
	(void)state;
	struct endpoint o = out_udp(HOST_1, 5000);
	struct mapping *i = (struct mapping *)half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE);
	i->port = htons(6000);
	nat.now += SWEEP_PATIENCE;
	passes(SWEEP_AUDIT);
	assert_int_equal(word_flags(half_at(o, CLASS_UDP, HALF_OUTSIDE)->word), RESTING);
	rest_over();
	assert_null(half_at(o, CLASS_UDP, HALF_OUTSIDE));
	assert_false(port_bit(0, CLASS_UDP, 5000));
}

static void bits_follow_the_claims(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	(void)port_take(&nat, port_area(0, CLASS_UDP), 7000);
	port_give(&nat, port_area(0, CLASS_UDP), 5000);
	passes(1);
	assert_true(port_bit(0, CLASS_UDP, 5000)); /* missing: there again */
	assert_true(port_bit(0, CLASS_UDP, 7000)); /* perhaps a packet is about to claim it */
	passes(1);
	assert_false(port_bit(0, CLASS_UDP, 7000)); /* but not for two passes */
	assert_int_equal(sweep->counts.mended, 1);
}

/* A slot that a dead process left half-made is freed when it has stood so for longer than any packet runs. */
static void half_made_slots_are_freed(void **state)
{
	static const u32 states[] = { BUSY, OFFER };

	(void)state;
	for (int t = TABLE_FLOWS; t <= TABLE_FRAGMENTS; t++)
		for (u32 i = 0; i < 2; i++) {
			struct slot *s = env_slot(&nat, (enum table)t, 7);
			s->word = STATE(states[i]) | VER1 * 5;
			s->data[key_words((enum table)t)] = 0;
			passes(1);
			assert_int_equal(word_state(s->word), states[i]);
			nat.now += SWEEP_PATIENCE;
			passes(1);
			assert_int_equal(s->word, VER1 * 5); /* free, and its version goes on */
			assert_int_equal(sweep->counts.mended, 1);
			sweep->counts.mended = 0;
		}
}

/* One that moved on meanwhile is alive. */
static void slow_claimers_are_left_alone(void **state)
{
	struct slot *s = env_slot(&nat, TABLE_FLOWS, 7);

	(void)state;
	s->word = STATE(BUSY) | VER1 * 5;
	passes(3); /* in no time: a processor may have been taken from it for so long */
	assert_int_equal(word_state(s->word), BUSY);
	nat.now += SWEEP_PATIENCE;
	s->word = STATE(OFFER) | VER1 * 5;
	passes(1);
	assert_int_equal(word_state(s->word), OFFER);
	nat.now += SWEEP_PATIENCE;
	s->word = STATE(BUSY) | VER1 * 6;
	passes(1);
	assert_int_equal(word_state(s->word), BUSY);
}

/* Reach bits that no key needs any more are given back; those that are needed stay. */
static void reach_is_tidied(void **state)
{
	(void)state;
	for (int table = TABLE_FLOWS; table <= TABLE_HOSTS; table++)
		for (u32 i = 0; i <= table_mask(config(), (enum table)table); i++)
			env_slot(&nat, (enum table)table, i)->word |= REACH | FRESH;
	for (u16 port = 2000; port < 3000; port++)
		out_udp(HOST_1, port);
	u64 before[3] = { 0 };
	passes(2 * SWEEP_TIDY + 1);
	for (int table = TABLE_FLOWS; table <= TABLE_HOSTS; table++)
		for (u32 i = 0; i <= table_mask(config(), (enum table)table); i++)
			before[table] +=
				(u64)__builtin_popcountll(env_slot(&nat, (enum table)table, i)->word & REACH);
	assert_in_range(before[TABLE_FLOWS], 1, 2000);
	assert_in_range(before[TABLE_MAPPINGS], 1, 2000);
	assert_in_range(before[TABLE_HOSTS], 0, 1); /* in a table this small its slot may lie in both runs */
	for (u16 port = 2000; port < 3000; port++) {
		assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, port, REMOTE_1, 53), REASON_out_session);
		assert_non_null(half_at(endpoint(HOST_1, port), CLASS_UDP, HALF_INSIDE));
	}
}

/* In a table smaller than a key's run a slot may be a candidate by its far end. */
static void reach_is_tidied_in_the_smallest_table(void **state)
{
	(void)state;
	sweep_memory_free(sweep);
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .hosts = WINDOW / 2 }, 1);
	sweep = sweep_memory_new(&nat);
	for (u32 i = 0; i < WINDOW / 2; i++)
		out_udp(htonl(0x0a000001 + i), 5000);
	passes(2 * SWEEP_TIDY + 1);
	for (u32 i = 0; i < WINDOW / 2; i++)
		assert_non_null(host_at(htonl(0x0a000001 + i)));
}

/* A flow that names a wrong slot for its mapping: no living mapping ends for it. */
static void wrong_marks_end_nothing(void **state)
{
	(void)state;
	out_udp(HOST_1, 5000);
	out_udp(HOST_1, 5001);
	for (u32 i = 0; i <= config()->flow_mask; i++) {
		struct flow *f = (struct flow *)env_slot(&nat, TABLE_FLOWS, i);
		if (word_state(f->word) == LIVE)
			f->mapping = 3;
	}
	for (u32 n = 1; n <= 20; n++) {
		nat.now = START + n * 100;
		out_udp(HOST_1, 5000);
		out_udp(HOST_1, 5001);
		passes(1);
		assert_int_equal(live(TABLE_MAPPINGS), 4);
	}
}

static void fragments_end(void **state)
{
	struct packet_spec first = { .protocol = PROTOCOL_UDP,
				     .saddr = HOST_1,
				     .daddr = REMOTE_1,
				     .sport = 5000,
				     .dport = 53,
				     .payload_length = 100,
				     .fragment_bytes = 48,
				     .id = 7 };

	(void)state;
	assert_int_equal(meet(NATIVE_OUT, &first), REASON_out_created);
	assert_int_equal(live(TABLE_FRAGMENTS), 1);
	pass_at(START + 2);
	assert_int_equal(live(TABLE_FRAGMENTS), 1);
	pass_at(START + 3);
	assert_int_equal(live(TABLE_FRAGMENTS), 0);
}

/* Address-dependent filtering: a living session keeps its permission, and nothing else does. */
static void permissions_live_with_their_sessions(void **state)
{
	(void)state;
	config()->filtering[CLASS_UDP] = FILTERING_ADF;
	struct endpoint o = out_udp(HOST_1, 5000);
	for (u32 n = 1; n <= 10; n++) {
		nat.now = START + n * 200;
		out_udp(HOST_1, 5000);
		passes(1);
	}
	assert_int_equal(live(TABLE_FLOWS), 3);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 9999, o.addr, be16_to_host(o.port)),
			 REASON_in_created);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_2, 9999, o.addr, be16_to_host(o.port)), REASON_filtered);
	pass_at(nat.now + 700);
	pass_at(nat.now + 700);
	nothing_is_left();
}

/* A block is told when it is lent, kept while a port of it is claimed or rests, and told when it is returned. */
static u32 block_lent, block_returned;

static void block_said(void *context, u32 interface, struct endpoint block, __be32 inside, int lent)
{
	assert_ptr_equal(context, &nat);
	assert_int_equal(interface, 0);
	assert_int_equal(inside, HOST_1);
	assert_int_equal(block.addr, ADDRESS_A);
	*(lent ? &block_lent : &block_returned) += 1;
}

static void a_block_is_returned(void **state)
{
	struct shares s = { .inside = 0 };
	u32 now = START;

	(void)state;
	block_lent = block_returned = 0;
	sweep->block_tell = block_said;
	sweep->block_context = &nat;
	shares_lend(&s, 64, 2, config()->port_min, config()->port_max);
	native_interface_shares(&nat, 0, &s);
	out_udp(HOST_1, 5000);
	passes(2);
	assert_int_equal(block_lent, 1);
	assert_int_equal(sweep->last.at[0].blocks, 1);
	for (u32 i = 0; i < 20; i++) { /* one mapping keeps it, of which no packet comes by the block again */
		nat.now = now += 100;
		out_udp(HOST_1, 5000);
		passes(1);
	}
	assert_int_equal(live(TABLE_MAPPINGS), 4);
	pass_at(now += 301); /* the mapping ends, its port rests for 120 ticks, */
	pass_at(now += 110);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
	pass_at(now += 11);
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	pass_at(now += 119); /* and the block for as long */
	assert_int_equal(live(TABLE_MAPPINGS), 2);
	assert_int_equal(block_returned, 0);
	pass_at(now += 3);
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	assert_int_equal(block_lent, 1);
	assert_int_equal(block_returned, 1);
	assert_int_equal(sweep->last.at[0].blocks, 0);
	assert_int_equal(sweep->counts.returned_blocks, 1);
}

/* What a packet overruled after a reset is told as well, once nobody has its ports any more. */
static void a_block_that_a_reset_ended(void **state)
{
	struct shares s = { .inside = 0 };

	(void)state;
	block_lent = block_returned = 0;
	sweep->block_tell = block_said;
	sweep->block_context = &nat;
	shares_lend(&s, 64, 1, config()->port_min, config()->port_max);
	native_interface_shares(&nat, 0, &s);
	struct endpoint before = out_udp(HOST_1, 5000);
	passes(2);
	nat_reset(1, 1, 0);
	struct endpoint after = out_udp(HOST_1, 5000);
	assert_int_not_equal(be16_to_host(before.port) / 64, be16_to_host(after.port) / 64);
	passes(2);
	assert_int_equal(sweep->last.at[0].blocks, 1);
	assert_int_equal(sweep->last.at[0].blocks_taken, 2);
	assert_int_equal(block_lent, 2);
	assert_int_equal(block_returned, 0);
	for (u32 i = 0; i < 10; i++) {
		nat.now += 100;
		out_udp(HOST_1, 5000);
		passes(8);
	}
	assert_int_equal(block_lent, 2);
	assert_int_equal(block_returned, 1);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
}

/* A sweep that has just begun its work knows of no block whether it is used: it ends none before it has seen all. */
static void a_new_sweep_returns_nothing_unseen(void **state)
{
	struct shares s = { .inside = 0 };

	(void)state;
	shares_lend(&s, 64, 2, config()->port_min, config()->port_max);
	native_interface_shares(&nat, 0, &s);
	connected_tcp(5000);
	nat.now += 5000;
	passes(1);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
	passes(3);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
	/* Nor one whose first port was claimed after the last pass had looked, however long ago that is. */
	pass_at(nat.now + 20000);
	pass_at(nat.now + 200);
	pass_at(nat.now + 200);
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	out_udp(HOST_1, 6000);
	nat.now += 299;
	passes(1);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
	passes(1);
	assert_int_equal(live(TABLE_MAPPINGS), 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(udp_ends_after_its_timer),
		CASE(any_direction_keeps_it),
		CASE(a_mapping_outlives_its_sessions),
		CASE(icmp_has_its_own_timer),
		CASE(tcp_timers),
		CASE(a_reset_that_was_none),
		CASE(a_lone_inbound_flow),
		CASE(touched_after_it_was_judged),
		CASE(slices),
		CASE(per_host_counts),
		CASE(hosts_are_kept),
		CASE(idle_hosts_are_told),
		CASE(a_new_host_is_not_idle),
		CASE(stale_state_ends),
		CASE(a_reset_of_flows_keeps_the_ports),
		CASE(what_was_promised_is_not_cut_short),
		CASE(a_second_reset_ends_them),
		CASE(a_port_rests),
		CASE(no_more_ports_rest_than_may),
		CASE(its_endpoint_has_it_back),
		CASE(touched_as_it_comes_to_rest),
		CASE(a_reset_during_rest),
		CASE(lone_outside_halves_end),
		CASE(disagreeing_outside_halves_end),
		CASE(bits_follow_the_claims),
		CASE(half_made_slots_are_freed),
		CASE(slow_claimers_are_left_alone),
		CASE(reach_is_tidied),
		CASE(reach_is_tidied_in_the_smallest_table),
		CASE(wrong_marks_end_nothing),
		CASE(fragments_end),
		CASE(permissions_live_with_their_sessions),
		CASE(a_block_is_returned),
		CASE(a_block_that_a_reset_ended),
		CASE(a_new_sweep_returns_nothing_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
