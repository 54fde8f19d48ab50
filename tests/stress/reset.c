// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Resets under load (KB 931322, 973295): threads that send packets out and in through the core, one that resets flows,
 * mappings and hosts as the daemon does, one that takes outside addresses away and brings them back (daemon/pool.c), the
 * sweep, and a clock, all at once on one state. tests/stress/mapping.c has the BPF programs, idleness and hairpins.
 *
 * What a packet may be judged by is what held during all of its run: packets that a reset or a change of addresses overtook
 * may end either way. So each looks at generations and addresses before and after itself, and tells a ledger what it got:
 *
 *   live     the outside address was on the interface at some time of its run: not gone before it began
 *   owner    while the generation of mappings and the presence of its address last, an outside endpoint has one inside
 *            endpoint, for packets out and in alike. (Not while the address is leaving: then the buckets of the pool may
 *            still name it when its hosts have begun to move.)
 *   stays    while the generation of mappings and all addresses last, an inside endpoint has one outside endpoint
 *   ends     what leaves has a port of the range; what comes in goes to somebody inside
 *
 * No timer runs out: whatever ends was reset, or lost its address. At the end, after a few passes of the sweep, port bits and
 * outside halves must agree to the bit, and the sweep must have counted what is there.
 */
#include "daemon/pool.h"
#include "native/instance.h"
#include "native/sweep_memory.h"
#include "tests/state.h"
#include "tests/stress/ledger.h"
#include "tests/stress/meet.h"
#include "tests/stress/stress.h"

enum {
	WORKERS = 3,
	HOSTS = 16,
	PORTS = 12,
	REMOTES = 3,
	ADDRESSES = 6,
	PROTOCOLS = 2, /* CLASS_UDP and CLASS_TCP */
	PORT_FIRST = 2000,
	PORT_COUNT = 1000, /* at most */
	TICKS_LONG = 50000,
	TICKS = 20000,	    /* longer than the clock runs */
	PACKETS_A_TICK = 2, /* of each worker, so that no packet is older than that: see clock_tick() */
};

struct run {
	const char *name;
	u32 bitmaps; /* port bitmaps; so many addresses serve at most */
	u32 flows;
	u16 port_max;
};

/* What an address does; its presence counts such steps, so that two looks tell whether it has taken any. */
enum { PRESENT, LEAVING, GONE, COMING, STEPS };

/* What packets are judged by. */
struct moment {
	u64 generation;
	u32 changes;
	u32 presence[ADDRESSES];
};

struct test {
	struct nat_instance nat;
	struct pool *pool;
	const struct run *run;
	u32 now;		 /* atomic */
	u32 changes;		 /* atomic: of addresses; odd while one is under way */
	u32 presence[ADDRESSES]; /* atomic */
	u64 packets[WORKERS];	 /* atomic: each worker's, so that the clock does not run away */
	u64 owner[PROTOCOLS][ADDRESSES][PORT_COUNT]; /* atomic: inside endpoint of an outside one */
	u64 held[PROTOCOLS][HOSTS][PORTS];	     /* atomic: outside endpoint of an inside one */
	struct sweep *sweep;
	u64 resets, refused;
};

struct worker {
	struct test *test;
	struct nat_instance nat;
	u32 number;
	u64 chance;
	struct endpoint source, target; /* that the last packet got */
	u64 reasons[REASONS];
	u64 owned, stayed; /* packets that were judged */
	u64 dead, owner_wrong, moved, ends_wrong;
};

static __be32 host_address(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote_address(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside_address(u32 i) { return host_to_be32(0xc6336401 + i); }
static u32 dice(u64 *chance, u32 sides) { return (u32)(stress_random(chance) % sides); }

static u32 look(const u32 *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void step(u32 *at) { __atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST); }

/*
 * The ledger
 */

static struct moment moment_now(const struct test *test)
{
	struct moment m = { .generation = __atomic_load_n(&test->nat.config->generation[0], __ATOMIC_SEQ_CST),
			    .changes = look(&test->changes) };

	for (u32 i = 0; i < ADDRESSES; i++)
		m.presence[i] = look(&test->presence[i]);
	return m;
}

/* When an entry holds, as a number that grows: the generation of mappings, then a count of address changes. */
static u64 entry_time(const struct moment *m, u32 count)
{
	u64 mappings = m->generation >> generation_shift(TABLE_MAPPINGS) & GENERATION_MASK;

	return mappings << 27 | count;
}

/* A packet between these endpoints was translated, between these moments. */
static void ledger_judge(struct worker *w, u32 class, struct endpoint inside, struct endpoint outside,
			 const struct moment *from, const struct moment *to)
{
	u32 host = be32_to_host(inside.addr) - be32_to_host(host_address(0));
	u32 inside_port = be16_to_host(inside.port) - PORT_FIRST;
	u32 address = be32_to_host(outside.addr) - be32_to_host(outside_address(0));
	u32 port = be16_to_host(outside.port) - PORT_FIRST;

	if (host >= HOSTS || inside_port >= PORTS || address >= ADDRESSES ||
	    port > w->test->run->port_max - (u32)PORT_FIRST) {
		w->ends_wrong++;
		return;
	}
	int stayed = from->presence[address] == to->presence[address];
	w->dead += stayed && from->presence[address] % STEPS == GONE;
	if (entry_time(from, 0) != entry_time(to, 0) || !stayed || from->presence[address] % STEPS != PRESENT)
		return;
	w->owned++;
	w->owner_wrong +=
		!ledger_note(&w->test->owner[class][address][port], entry_time(from, from->presence[address]),
			     1 + host * PORTS + inside_port);
	if (from->changes != to->changes || from->changes & 1)
		return;
	w->stayed++;
	w->moved += !ledger_note(&w->test->held[class][host][inside_port], entry_time(from, from->changes),
				 1 + address * PORT_COUNT + port);
}

/*
 * Packets
 */

static struct endpoint some_remote(struct worker *w)
{
	return (struct endpoint){ .addr = remote_address(dice(&w->chance, REMOTES)),
				  .port = host_to_be16(80),
				  .zero = 0 };
}

/* 1 if it was translated; w->source and w->target are what it got. The flags are of TCP. */
static int meet(struct worker *w, enum native_hook way, u32 class, struct endpoint from, struct endpoint to,
		u8 tcp_flags)
{
	struct tuple ip = { .saddr = from.addr,
			    .daddr = to.addr,
			    .sport = from.port,
			    .dport = to.port,
			    .protocol = class == CLASS_TCP ? PROTOCOL_TCP : PROTOCOL_UDP,
			    .class = (u8) class,
			    .has_check = 1 };
	u32 reason =
		stress_meet(&w->nat, (int)way, &ip, tcp_flags, look(&w->test->now), &w->source, &w->target);

	w->reasons[reason < REASONS ? reason : REASON_internal]++;
	__atomic_fetch_add(&w->test->packets[w->number], 1, __ATOMIC_SEQ_CST);
	return reason_verdict(reason) == VERDICT_TRANSLATE;
}

/* A packet out of some endpoint, and an answer to where it came from. */
static void work_out(struct worker *w, u32 class)
{
	struct endpoint inside = { .addr = host_address(dice(&w->chance, HOSTS)),
				   .port = host_to_be16(PORT_FIRST + dice(&w->chance, PORTS)),
				   .zero = 0 };
	struct endpoint remote = some_remote(w), outside;
	struct moment from = moment_now(w->test), to;

	if (!meet(w, NATIVE_OUT, class, inside, remote, dice(&w->chance, 4) ? TCP_ACK : TCP_SYN))
		return;
	to = moment_now(w->test);
	outside = w->source;
	ledger_judge(w, class, inside, outside, &from, &to);
	from = moment_now(w->test);
	if (!meet(w, NATIVE_IN, class, remote, outside, TCP_ACK))
		return;
	to = moment_now(w->test);
	ledger_judge(w, class, w->target, outside, &from, &to);
}

/* A packet in to where some endpoint was seen last. */
static void work_in(struct worker *w, u32 class)
{
	u32 host = dice(&w->chance, HOSTS), port = dice(&w->chance, PORTS);
	u32 entry = ledger_last(&w->test->held[class][host][port]), what = entry - 1;
	struct endpoint outside = { .addr = outside_address(what / PORT_COUNT),
				    .port = host_to_be16(PORT_FIRST + what % PORT_COUNT),
				    .zero = 0 };
	struct moment from = moment_now(w->test), to;

	if (!entry || !meet(w, NATIVE_IN, class, some_remote(w), outside, TCP_ACK))
		return;
	to = moment_now(w->test);
	ledger_judge(w, class, w->target, outside, &from, &to);
}

static void *worker(void *argument)
{
	struct worker *w = argument;

	while (!stress_over()) {
		u32 class = dice(&w->chance, PROTOCOLS);
		if (dice(&w->chance, 3))
			work_out(w, class);
		else
			work_in(w, class);
	}
	return NULL;
}

/*
 * What happens to them
 */

/* A tick, once each worker has ended the packet that it had at the tick before. */
static void clock_tick(struct test *test)
{
	for (u32 i = 0; i < WORKERS; i++) {
		u64 packets = __atomic_load_n(&test->packets[i], __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&test->packets[i], __ATOMIC_SEQ_CST) < packets + PACKETS_A_TICK &&
		       !stress_over())
			usleep(50);
	}
	step(&test->now);
}

static void *keeper(void *argument)
{
	struct test *test = argument;

	while (!stress_over()) {
		clock_tick(test);
		usleep(500);
	}
	return NULL;
}

static void *sweeper(void *argument)
{
	struct test *test = argument;

	while (!stress_over())
		if (sweep_step(test->sweep, look(&test->now) & TIME, 128))
			usleep(100);
	return NULL;
}

/* As daemon/reset.c: flows always, mappings sometimes, hosts seldom. */
static void *resetter(void *argument)
{
	struct test *test = argument;
	u64 chance = 77;

	while (!stress_over()) {
		u32 what = dice(&chance, 200);
		u32 tables = 1u << TABLE_FLOWS | (u32)(what < 4) << TABLE_MAPPINGS |
			     (u32)(what < 1) << TABLE_HOSTS;
		pool_generation_bump(&test->nat, 0, tables);
		test->resets++;
		usleep(dice(&chance, 300));
	}
	return NULL;
}

/* Each address that comes or goes by this takes its next step. */
static void addresses_step(struct test *test, u32 mask)
{
	for (u32 i = 0; i < ADDRESSES; i++) {
		u32 at = test->presence[i] % STEPS, wanted = mask >> i & 1;
		if (wanted ? at != PRESENT : at != GONE)
			step(&test->presence[i]);
	}
}

/* Make it so that just the addresses of this mask serve. */
static void addresses_set(struct test *test, u32 mask)
{
	struct pool_address want[ADDRESSES];
	struct pool_change change;
	unsigned int count = 0;

	for (u32 i = 0; i < ADDRESSES; i++)
		if (mask >> i & 1)
			want[count++] =
				(struct pool_address){ .addr = outside_address(i),
						       .interface = 0,
						       .flags = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL };
	addresses_step(test, mask);
	step(&test->changes);
	if (pool_apply(test->pool, want, count, &change))
		exit(1);
	step(&test->changes);
	addresses_step(test, mask);
	test->refused += change.refused;
}

/* Sometimes none is left. */
static void *mover(void *argument)
{
	struct test *test = argument;
	u64 chance = 55;

	while (!stress_over()) {
		u32 mask = dice(&chance, 20) ? dice(&chance, 1u << ADDRESSES) : 0;
		if ((u32)__builtin_popcount(mask) <= test->run->bitmaps)
			addresses_set(test, mask);
		usleep(dice(&chance, 20000));
	}
	addresses_set(test, 7);
	return NULL;
}

/*
 * The end
 */

static u64 *port_words(struct test *test, u32 address, u32 class)
{
	struct outside_address a = address_find(&test->nat, test->nat.config, outside_address(address));

	return a.flags ? &test->nat.ports[port_area(a.index, class)] : NULL;
}

/* Port bits of the addresses that serve, and outside halves: how many differ. */
static u64 bits_wrong(struct test *test)
{
	u64 wrong = 0;

	for (u32 address = 0; address < ADDRESSES; address++)
		for (u32 class = 0; class < CLASSES; class ++) {
			u64 *words = port_words(test, address, class);
			for (u32 port = 0; words && port < 65536; port++) {
				struct endpoint e = { .addr = outside_address(address),
						      .port = host_to_be16(port),
						      .zero = 0 };
				struct half h;
				int claimed = half_find(&test->nat, test->nat.config,
							mapping_key(e, (u8) class, HALF_OUTSIDE, 0), 0,
							&h) > HALF_ABSENT;
				wrong += claimed != (int)(words[port >> 6] >> (port & 63) & 1);
			}
		}
	return wrong;
}

/*
 * What there is, as the sweep counts it. A session is an outbound flow, or an inbound one without it; what waits for its
 * address, or to tell its host that it has ended, is none.
 */
static struct sweep_place counted(struct test *test)
{
	struct nat_instance *nat = &test->nat;
	struct sweep_place is = { 0 };
	struct insert f, peer;

	for (u32 i = 0; i <= nat->config->flow_mask; i++) {
		u64 w = env_slot(nat, TABLE_FLOWS, i)->word;
		if (word_state(w) != LIVE || !slot_read(nat, TABLE_FLOWS, i, w, &f))
			continue;
		if (flow_stands(nat->config, w, f.flow.interface, f.flow.own, f.flow.index))
			is.sessions += f.flow.direction == DIRECTION_OUT ||
				       flow_peer(nat, &f.flow, &peer) == NO_SLOT;
	}
	for (u32 i = 0; i <= nat->config->mapping_mask; i++) {
		const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, i);
		is.mappings += word_state(m->word) == LIVE && !(m->half & HALF_OUTSIDE);
	}
	for (u32 i = 0; i <= nat->config->host_mask; i++)
		is.hosts += word_state(env_slot(nat, TABLE_HOSTS, i)->word) == LIVE;
	return is;
}

/*
 * So much later than now, that nothing is in use any more; whole passes, each half of a mapping asked. And once more: halves
 * that were found to be nobody's rest from then on, and hold their ports until that is over.
 */
static void settle(struct test *test)
{
	for (u32 round = 0; round < 2; round++) {
		test->now += SWEEP_PATIENCE;
		while (!sweep_step(test->sweep, test->now & TIME, 1 << 16))
			; /* one that was under way */
		for (u32 i = 0; i < 3 * SWEEP_AUDIT; i++)
			sweep_pass(test->sweep, test->now & TIME);
	}
}

/* Every endpoint once more, from one thread: those that have a port have a session after it. */
static u32 all_send(struct worker *w)
{
	u32 translated = 0;

	for (u32 i = 0; i < PROTOCOLS * HOSTS * PORTS; i++) {
		struct endpoint inside = { .addr = host_address(i / PORTS % HOSTS),
					   .port = host_to_be16(PORT_FIRST + i % PORTS),
					   .zero = 0 };
		translated += (u32)meet(w, NATIVE_OUT, i / PORTS / HOSTS, inside, some_remote(w), TCP_SYN);
	}
	return translated;
}

/* Nothing else runs any more. 0, or -1 and what is wrong. */
static int end_check(struct test *test, struct worker *w, struct state_fault *fault)
{
	const struct sweep_place *told = &test->sweep->last.at[0];
	struct sweep_place is;

	u32 ports = test->run->port_max - (u32)PORT_FIRST + 1, can;

	can = PROTOCOLS * (ports < HOSTS * PORTS ? ports : HOSTS * PORTS);
	addresses_set(test, 1); /* the mover may have left none */
	settle(test);
	u32 sent = all_send(w);
	settle(test);
	if (state_check(&test->nat, 0, fault) || state_summaries(&test->nat, fault))
		return -1;
	is = counted(test);
	u64 wrong = bits_wrong(test);
	snprintf(fault->what, sizeof(fault->what),
		 "%u of %u sent; port bits wrong %llu; sessions %llu told %llu, mappings %llu told %llu, "
		 "hosts %llu told %llu, older %llu",
		 sent, can, wrong, is.sessions, told->sessions, is.mappings, told->mappings, is.hosts,
		 told->hosts, told->old_sessions + told->old_mappings + told->old_hosts);
	return wrong || sent != can || is.sessions != told->sessions || is.mappings != told->mappings ||
			       is.hosts != told->hosts || told->old_sessions || told->old_mappings ||
			       told->old_hosts
		       ? -1
		       : 0;
}

static int test_begin(struct test *test, const struct run *run)
{
	struct native_sizes sizes = { .flows = run->flows,
				      .mappings = 8192,
				      .hosts = 256,
				      .fragments = 32,
				      .addresses = run->bitmaps };

	memset(test, 0, sizeof(*test));
	test->run = run;
	if (native_create(&test->nat, &sizes, (u64)getpid()) ||
	    native_interface_add(&test->nat, 3, ROLE_OUTSIDE) != 0 ||
	    native_interface_add(&test->nat, 2, ROLE_INSIDE) < 0)
		return -1;
	struct config *c = test->nat.config;
	c->timers = (struct timers){ .udp_timeout = TICKS,
				     .tcp_idle_timeout = TICKS_LONG,
				     .tcp_trans_open_timeout = TICKS,
				     .tcp_trans_close_timeout = TICKS,
				     .icmp_timeout = TICKS,
				     .fragment_min_timeout = 2,
				     .host_retention_timeout = TICKS };
	c->port_min = PORT_FIRST;
	c->port_max = run->port_max;
	test->now = TIME - 1000; /* it comes round soon */
	for (u32 i = 0; i < ADDRESSES; i++)
		test->presence[i] = GONE;
	test->pool = pool_open(&test->nat);
	test->sweep = sweep_memory_new(&test->nat);
	if (!test->pool || !test->sweep)
		return -1;
	addresses_set(test, 7);
	return 0;
}

static void test_end(struct test *test)
{
	sweep_memory_free(test->sweep);
	pool_close(test->pool);
	native_destroy(&test->nat);
}

static void sum_add(struct worker *sum, const struct worker *w)
{
	for (u32 r = 0; r < REASONS; r++)
		sum->reasons[r] += w->reasons[r];
	sum->owned += w->owned;
	sum->stayed += w->stayed;
	sum->dead += w->dead;
	sum->owner_wrong += w->owner_wrong;
	sum->moved += w->moved;
	sum->ends_wrong += w->ends_wrong;
}

static void run_one(const struct run *run)
{
	static struct test test;
	static struct worker workers[WORKERS], sum;
	struct state_fault fault;

	memset(&sum, 0, sizeof(sum));
	if (test_begin(&test, run)) {
		stress_case(run->name, 0, "the NAT cannot be set up");
		return;
	}
	stress_thread(keeper, &test);
	stress_thread(sweeper, &test);
	stress_thread(resetter, &test);
	stress_thread(mover, &test);
	for (u32 i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .test = &test, .number = i, .chance = (u64)getpid() * 100 + i };
		if (native_thread(&test.nat, &workers[i].nat, 0))
			exit(1);
		stress_thread(worker, &workers[i]);
	}
	stress_run();
	int wrong = end_check(&test, &workers[0], &fault);
	for (u32 i = 0; i < WORKERS; i++) {
		sum_add(&sum, &workers[i]);
		native_thread_end(&workers[i].nat);
	}
	int good = !wrong && !sum.dead && !sum.owner_wrong && !sum.moved && !sum.ends_wrong &&
		   !test.refused && !sum.reasons[REASON_internal];
	int met = sum.owned && sum.stayed && test.resets && test.changes > 4 && test.sweep->passes &&
		  sum.reasons[REASON_out_created] && sum.reasons[REASON_in_created] &&
		  sum.reasons[REASON_in_session];
	stress_case(
		run->name, good && met,
		"resets %llu, address changes %u, passes %llu, ticks %u; judged %llu and %llu: dead address "
		"%llu, second owner %llu, moved %llu, wrong ends %llu; at the end: %s",
		test.resets, test.changes / 2, test.sweep->passes, (test.now - (u32)(TIME - 1000)), sum.owned,
		sum.stayed, sum.dead, sum.owner_wrong, sum.moved, sum.ends_wrong, fault.what);
	stress_reasons(sum.reasons);
	test_end(&test);
}

int main(void)
{
	static const struct run runs[] = {
		{ "resets and addresses that come and go", .bitmaps = ADDRESSES, .flows = 4096,
		  .port_max = PORT_FIRST + PORT_COUNT - 1 },
		{ "the same with few ports, a full flow table and bitmaps that change hands", .bitmaps = 4,
		  .flows = 512, .port_max = PORT_FIRST + 63 },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		run_one(&runs[i]);
	return stress_end();
}
