// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads on one NAT (core/translate.h and all below it): packets out, in and hairpinned, the sweep in slices, time, resets
 * of every kind, addresses that leave and return. In the last run some of the threads run the BPF programs, on the same
 * memory, by PROG_TEST_RUN on a processor each.
 *
 * While they run:
 *   own       an endpoint that only one thread uses keeps its outside endpoint, until a reset, a lost address or idleness
 *   answer    the answer to a packet that just left comes back to the endpoint that sent it
 *   ends      what leaves has an address of the pool, and a port of the range; what comes in goes to somebody inside
 *   rest      an outside port that changes its owner has rested (RFC 6888 REQ-8); not where each host has an address of its
 *             own, which a reset frees at once
 * Every few milliseconds all stop between two packets, and the state must be in order (tests/state.h): no outside endpoint
 * with two owners, no inside endpoint with two outside ones, no flow without its mapping or on an address that is gone.
 * At the end, all being idle, the sweep must leave no flow, no half and no port taken.
 *
 * The clock keeps what the daemon's does by being slow: no packet runs for longer than SWEEP_PATIENCE.
 */
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "native/instance.h"
#include "native/sweep_memory.h"
#include "tests/state.h"
#include "tests/stress/kernel.h"
#include "tests/stress/meet.h"
#include "tests/stress/stress.h"

enum {
	WORKERS = 3,
	HOSTS = 8,
	PORTS = 12,
	OWN_PORTS = 2, /* of each thread, beside those that all use */
	REMOTES = 3,
	ADDRESSES = 3,
	IDLE = 6,     /* ticks */
	HOLD = 5,     /* ticks */
	RANGE = 1000, /* ports at most */
	NO_TICK = -1, /* between two packets */
};

struct run {
	const char *name;
	u32 flows, mappings;
	u16 port_min, port_max;
	enum filtering filtering;
	u32 kernel; /* so many of the workers run the BPF programs */
	bool alone; /* each host that has one has its outside address to itself */
	u32 blocks; /* so many blocks of ports are lent to a host; 0: none */
};

/* Who must stand still for a look at the state. */
struct visitor {
	s64 tick;   /* atomic: of the packet at hand */
	int parked; /* atomic */
};

struct test {
	struct nat_instance nat;
	struct kernel *kernel;
	const struct run *run;
	struct visitor visitors[WORKERS + 1]; /* the last is the sweep */
	int pause;			      /* atomic */
	u32 now;			      /* atomic */
	u32 address_changes;		      /* atomic: odd while one is under way */
	u64 owners[2][ADDRESSES][RANGE];      /* atomic: who was last seen there, and when */
	u64 checks, resets, passes;
	struct state_fault fault;
	u64 faults;
};

struct seen {
	struct endpoint inside, outside;
};

struct own_endpoint {
	struct endpoint outside;
	u32 used;
	u64 generation;
	u32 address_changes;
};

struct worker {
	struct test *test;
	struct nat_instance nat;
	struct visitor *visitor;
	struct kernel_runner *runner; /* NULL: native */
	u64 chance;
	u32 number;
	struct endpoint source, target; /* that the last packet got */
	struct seen last[CLASSES][HOSTS][PORTS];
	struct own_endpoint own[CLASSES][HOSTS][OWN_PORTS];
	u64 reasons[REASONS];
	u64 own_kept, own_lost, answers, answers_lost, ends_wrong, moves, moves_early;
};

static __be32 host_address(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote_address(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside_address(u32 i) { return host_to_be32(0xc6336401 + i); }
static u32 address_flags(const struct run *run)
{
	return ADDRESS_LIVE | ADDRESS_POOL | (run->alone ? 0u : (u32)ADDRESS_LOCAL);
}
static u8 class_protocol(u32 class) { return class == CLASS_TCP ? PROTOCOL_TCP : PROTOCOL_UDP; }
static int same(struct endpoint a, struct endpoint b) { return a.addr == b.addr && a.port == b.port; }

/*
 * Packets
 */

static void park(struct test *test, struct visitor *v)
{
	__atomic_store_n(&v->parked, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&test->pause, __ATOMIC_SEQ_CST))
		usleep(50);
	__atomic_store_n(&v->parked, 0, __ATOMIC_SEQ_CST);
}

/* A packet begins: its time, which the clock does not leave far behind. */
static u32 visit_begin(struct test *test, struct visitor *v)
{
	u32 now;

	if (__atomic_load_n(&test->pause, __ATOMIC_SEQ_CST))
		park(test, v);
	do {
		now = __atomic_load_n(&test->now, __ATOMIC_SEQ_CST);
		__atomic_store_n(&v->tick, now, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&test->now, __ATOMIC_SEQ_CST) != now);
	return now;
}

static void visit_end(struct visitor *v) { __atomic_store_n(&v->tick, NO_TICK, __ATOMIC_SEQ_CST); }

/* One packet between two endpoints. Its reason; w->source and w->target are what it got. */
static u32 meet(struct worker *w, enum native_hook way, u32 class, struct endpoint from, struct endpoint to,
		u8 tcp_flags)
{
	struct tuple ip = { .saddr = from.addr,
			    .daddr = to.addr,
			    .sport = from.port,
			    .dport = to.port,
			    .protocol = class_protocol(class),
			    .class = (u8) class,
			    .has_check = 1 };
	u32 now = visit_begin(w->test, w->visitor), reason;

	if (w->runner)
		reason = kernel_meet(w->runner, way, &ip, tcp_flags, &w->source, &w->target);
	else
		reason = stress_meet(&w->nat, way, &ip, tcp_flags, now, &w->source, &w->target);
	visit_end(w->visitor);
	w->reasons[reason < REASONS ? reason : REASON_internal]++;
	return reason;
}

static int is_outside(const struct worker *w, struct endpoint e)
{
	u32 i = be32_to_host(e.addr) - be32_to_host(outside_address(0)), port = be16_to_host(e.port);

	return i < ADDRESSES && port >= w->test->run->port_min && port <= w->test->run->port_max;
}

static int is_inside(struct endpoint e)
{
	return be32_to_host(e.addr) - be32_to_host(host_address(0)) < HOSTS;
}

static u32 dice(struct worker *w, u32 sides) { return (u32)(stress_random(&w->chance) % sides); }

static u64 generation(const struct worker *w) { return LOAD(&w->nat.config->generation[0]); }

static struct endpoint some_remote(struct worker *w)
{
	return (struct endpoint){ .addr = remote_address(dice(w, REMOTES)),
				  .port = host_to_be16(80),
				  .zero = 0 };
}

static u32 ticks_since(const struct worker *w, u32 tick)
{
	return __atomic_load_n(&w->test->now, __ATOMIC_SEQ_CST) - tick;
}

/* A packet of this endpoint, which began at `tick` or later, has left by that port. */
static void owner_see(struct worker *w, u32 class, struct endpoint inside, struct endpoint outside, u32 tick)
{
	u32 address = be32_to_host(outside.addr) - be32_to_host(outside_address(0));
	u64 is = (u64)tick << 32 | (be32_to_host(inside.addr) & 0xffff) << 16 | be16_to_host(inside.port);
	u64 *at, was;

	if (!is_outside(w, outside))
		return;
	at = &w->test->owners[class][address][be16_to_host(outside.port) - w->test->run->port_min];
	was = LOAD(at);
	do
		if ((s32)(tick - (u32)(was >> 32)) < 0)
			return; /* we were kept from telling it for so long that another was first */
	while (!__atomic_compare_exchange_n(at, &was, is, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (!was || (u32)was == (u32)is)
		return;
	w->moves++;
	w->moves_early += ticks_since(w, (u32)(was >> 32)) < HOLD;
}

/* The same ports on every host, so that they are fought for. */
static struct endpoint inside_endpoint(const struct worker *w, u32 host, u32 port)
{
	return (struct endpoint){ .addr = host_address(host),
				  .port = host_to_be16(w->test->run->port_min + port),
				  .zero = 0 };
}

/* A packet out, and the answer to it. What became of the source; 0 if it was dropped. */
static int out_and_back(struct worker *w, u32 class, struct endpoint inside, struct endpoint *outside)
{
	struct endpoint remote = some_remote(w);
	u64 before = generation(w);
	u32 changes = __atomic_load_n(&w->test->address_changes, __ATOMIC_SEQ_CST);
	u32 tick = __atomic_load_n(&w->test->now, __ATOMIC_SEQ_CST);
	u32 reason = meet(w, NATIVE_OUT, class, inside, remote, dice(w, 20) ? TCP_ACK : TCP_SYN);

	if (reason_verdict(reason) != VERDICT_TRANSLATE)
		return 0;
	*outside = w->source;
	owner_see(w, class, inside, *outside, tick);
	w->ends_wrong += !is_outside(w, *outside) || !same(w->target, remote);
	if (reason == REASON_out_from_mapping && w->test->run->filtering == FILTERING_EDF)
		return 1; /* no session: nobody is let in */
	reason = meet(w, NATIVE_IN, class, remote, *outside, TCP_ACK);
	int translated = reason_verdict(reason) == VERDICT_TRANSLATE;
	if (translated && !is_inside(w->target))
		w->ends_wrong++;
	if (generation(w) != before || changes & 1 ||
	    __atomic_load_n(&w->test->address_changes, __ATOMIC_SEQ_CST) != changes ||
	    ticks_since(w, tick) >= IDLE - 2)
		return 1; /* overtaken */
	w->answers++;
	if (translated ? !same(w->target, inside)
		       : reason != REASON_mapping_lost && reason != REASON_table_busy)
		w->answers_lost++;
	return 1;
}

static void work_shared(struct worker *w, u32 class)
{
	u32 host = dice(w, HOSTS), port = dice(w, PORTS);
	struct seen *seen = &w->last[class][host][port];

	seen->inside = inside_endpoint(w, host, port);
	(void)out_and_back(w, class, seen->inside, &seen->outside);
}

/* An endpoint of ours alone. */
static void work_own(struct worker *w, u32 class)
{
	u32 host = dice(w, HOSTS), port = dice(w, OWN_PORTS);
	struct own_endpoint *own = &w->own[class][host][port], is;
	struct endpoint inside = inside_endpoint(w, host, PORTS + w->number * OWN_PORTS + port);

	is.generation = generation(w);
	is.address_changes = __atomic_load_n(&w->test->address_changes, __ATOMIC_SEQ_CST);
	is.used = __atomic_load_n(&w->test->now, __ATOMIC_SEQ_CST);
	if (!out_and_back(w, class, inside, &is.outside))
		return;
	int overtaken = is.generation != generation(w) || is.address_changes & 1 ||
			is.address_changes != __atomic_load_n(&w->test->address_changes, __ATOMIC_SEQ_CST);
	/* Flows may be reset as often as they like: the outside endpoint stays. */
	u64 mappings = (u64)GENERATION_MASK << GENERATION_BITS | (u64)GENERATION_MASK << 2 * GENERATION_BITS;
	int alike = own->outside.addr && !((own->generation ^ is.generation) & mappings) &&
		    own->address_changes == is.address_changes && ticks_since(w, own->used) < IDLE - 2;
	if (!overtaken && alike) {
		if (same(own->outside, is.outside))
			w->own_kept++;
		else
			w->own_lost++;
	}
	*own = is;
	if (overtaken)
		own->outside.addr = 0;
}

static void work_in(struct worker *w, u32 class)
{
	const struct seen *seen = &w->last[class][dice(w, HOSTS)][dice(w, PORTS)];

	if (!seen->outside.addr)
		return;
	u32 reason =
		meet(w, NATIVE_IN, class, some_remote(w), seen->outside, dice(w, 20) ? TCP_ACK : TCP_RST);
	w->ends_wrong += reason_verdict(reason) == VERDICT_TRANSLATE && !is_inside(w->target);
}

static void work_hairpin(struct worker *w, u32 class)
{
	const struct seen *seen = &w->last[class][dice(w, HOSTS)][dice(w, PORTS)];
	struct endpoint from = inside_endpoint(w, dice(w, HOSTS), dice(w, PORTS));

	if (!seen->outside.addr || !address_is_ours(&w->nat, w->nat.config, seen->outside.addr))
		return;
	u32 reason = meet(w, NATIVE_HAIRPIN, class, from, seen->outside, TCP_ACK);
	if (reason_verdict(reason) == VERDICT_TRANSLATE)
		w->ends_wrong += !is_outside(w, w->source) || !is_inside(w->target);
}

static void *worker(void *argument)
{
	struct worker *w = argument;

	if (w->runner)
		kernel_runner_begin(w->runner);
	while (!stress_over()) {
		u32 class = dice(w, 2), what = dice(w, 100);
		if (what < 45)
			work_shared(w, class);
		else if (what < 65)
			work_own(w, class);
		else if (what < 88)
			work_in(w, class);
		else
			work_hairpin(w, class);
	}
	__atomic_store_n(&w->visitor->parked, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/*
 * The sweep, and what happens to the whole
 */

static void *sweeper(void *argument)
{
	struct test *test = argument;
	struct visitor *v = &test->visitors[WORKERS];
	struct sweep *s = sweep_memory_new(&test->nat);

	while (s && !stress_over()) {
		if (__atomic_load_n(&test->pause, __ATOMIC_SEQ_CST))
			park(test, v);
		if (sweep_step(s, __atomic_load_n(&test->now, __ATOMIC_SEQ_CST) & TIME, 128)) {
			test->passes++;
			usleep(100);
		}
	}
	__atomic_store_n(&v->parked, 1, __ATOMIC_SEQ_CST);
	sweep_memory_free(s);
	return NULL;
}

/* No packet is older than one tick when the next begins. */
static void clock_tick(struct test *test)
{
	s64 now = test->now;

	for (u32 i = 0; i < WORKERS; i++)
		for (;;) {
			s64 tick = __atomic_load_n(&test->visitors[i].tick, __ATOMIC_SEQ_CST);
			if (tick == NO_TICK || tick >= now - 1 || stress_over())
				break;
			sched_yield();
		}
	/* The programs read theirs when they run: never an older one than the visitor told. */
	__atomic_store_n(&test->nat.config->test_now, ((u32)now + 1) & TIME, __ATOMIC_SEQ_CST);
	__atomic_store_n(&test->now, (u32)now + 1, __ATOMIC_SEQ_CST);
}

/* All that is not kept, in one store. */
static void reset(struct test *test, u32 keep)
{
	u64 *word = &test->nat.config->generation[0], next = LOAD(word);
	static const u64 masks[] = { GENERATION_MASK, (u64)GENERATION_MASK << GENERATION_BITS,
				     (u64)GENERATION_MASK << 2 * GENERATION_BITS };

	for (u32 i = 0; i < 3 && i <= keep; i++)
		next = (next & ~masks[i]) | ((next + (masks[i] & -masks[i])) & masks[i]);
	STORE(word, next);
	test->resets++;
}

/* One address leaves or returns; the first stays. */
static void address_change(struct test *test, u64 *chance)
{
	__be32 addr = outside_address(1 + (u32)stress_random(chance) % (ADDRESSES - 1));
	int leaves = address_find(&test->nat, test->nat.config, addr).flags != 0;

	__atomic_fetch_add(&test->address_changes, 1, __ATOMIC_SEQ_CST);
	(void)native_address_set(&test->nat, 0, addr, leaves ? 0 : address_flags(test->run));
	__atomic_fetch_add(&test->address_changes, 1, __ATOMIC_SEQ_CST);
}

static int all_parked(struct test *test)
{
	for (u32 i = 0; i <= WORKERS; i++)
		if (!__atomic_load_n(&test->visitors[i].parked, __ATOMIC_SEQ_CST))
			return 0;
	return 1;
}

static void look(struct test *test)
{
	struct state_fault fault;

	__atomic_store_n(&test->pause, 1, __ATOMIC_SEQ_CST);
	while (!all_parked(test) && !stress_over())
		usleep(20);
	if (all_parked(test)) {
		test->checks++;
		if (state_check(&test->nat, 0, &fault) && !test->faults++)
			test->fault = fault;
	}
	__atomic_store_n(&test->pause, 0, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i <= WORKERS; i++)
		while (__atomic_load_n(&test->visitors[i].parked, __ATOMIC_SEQ_CST) && !stress_over())
			sched_yield();
}

static void *keeper(void *argument)
{
	struct test *test = argument;
	u64 chance = 99;

	while (!stress_over()) {
		u32 event = (u32)stress_random(&chance) % 64;
		clock_tick(test);
		if (event < 8)
			reset(test, event % 4 == 3 ? 0 : event % 4);
		else if (event == 8)
			address_change(test, &chance);
		else if (event < 16)
			look(test);
		usleep(200);
	}
	__atomic_store_n(&test->pause, 0, __ATOMIC_SEQ_CST);
	return NULL;
}

/*
 * Begin and end
 */

static int test_begin(struct test *test, const struct run *run)
{
	struct native_sizes sizes = { .flows = run->flows,
				      .mappings = run->mappings,
				      .hosts = 64,
				      .fragments = 32,
				      .addresses = ADDRESSES };

	u32 outside = 3, inside = 2;

	memset(test, 0, sizeof(*test));
	test->run = run;
	if (run->kernel) {
		test->kernel = kernel_open(&sizes, &test->nat, (u64)getpid());
		if (!test->kernel)
			return -1;
		outside = test->kernel->outside;
		inside = test->kernel->inside;
	} else if (native_create(&test->nat, &sizes, (u64)getpid())) {
		return -1;
	}
	struct config *c = test->nat.config;
	if (native_interface_add(&test->nat, outside, ROLE_OUTSIDE) != 0 ||
	    native_interface_add(&test->nat, inside, ROLE_INSIDE) < 0)
		return -1;
	for (u32 i = 0; i < ADDRESSES; i++)
		if (native_address_set(&test->nat, 0, outside_address(i), address_flags(run)) < 0)
			return -1;
	if (run->alone)
		native_interface_alone(&test->nat, 0);
	c->timers = (struct timers){ .udp_timeout = IDLE,
				     .tcp_idle_timeout = IDLE + 2,
				     .tcp_trans_open_timeout = IDLE,
				     .tcp_trans_close_timeout = IDLE,
				     .icmp_timeout = IDLE,
				     .fragment_min_timeout = 2,
				     .hold_down_timeout = HOLD,
				     .host_retention_timeout = 10 };
	c->port_min = run->port_min;
	c->port_max = run->port_max;
	if (run->blocks) {
		struct shares shares = { .inside = 0 };
		shares_lend(&shares, BLOCK_MIN, run->blocks, c->port_min, c->port_max);
		native_interface_shares(&test->nat, 0, &shares);
	}
	for (u32 i = 0; i < FILTERINGS; i++)
		c->filtering[i] = (u8)run->filtering;
	c->generation[0] = ~0ull - 0x40000100010ull; /* all three come round soon, and so does time */
	test->now = c->test_now = TIME - 2000;
	for (u32 i = 0; i < WORKERS; i++)
		test->visitors[i].tick = NO_TICK;
	return 0;
}

/* All idle for long: nothing may be left but hosts. 0, or what is. */
static u64 left_over(struct test *test)
{
	struct sweep *s = sweep_memory_new(&test->nat);
	u64 left = 0;

	if (!s)
		return 1;
	for (u32 i = 0; i < 3 * SWEEP_AUDIT; i++)
		sweep_pass(s, (test->now + 1000 + i * HOLD) & TIME);
	for (int t = TABLE_FLOWS; t <= TABLE_MAPPINGS; t++)
		for (u32 i = 0; i <= table_mask(test->nat.config, (enum table)t); i++)
			left += word_state(env_slot(&test->nat, (enum table)t, i)->word) != FREE;
	for (u32 i = 0; i < ADDRESSES * PORT_AREAS * PORT_AREA; i++)
		left += (u64)__builtin_popcountll(test->nat.ports[i]);
	sweep_memory_free(s);
	return left;
}

static void run_one(const struct run *run)
{
	static struct test test;
	static struct worker workers[WORKERS], sum;

	memset(&sum, 0, sizeof(sum));
	if (run->kernel && geteuid()) {
		stress_skip(run->name, "the BPF programs need root");
		return;
	}
	if (test_begin(&test, run)) {
		stress_case(run->name, 0, "the NAT cannot be set up");
		return;
	}
	stress_thread(keeper, &test);
	stress_thread(sweeper, &test);
	for (u32 i = 0; i < WORKERS; i++) {
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].test = &test;
		workers[i].visitor = &test.visitors[i];
		workers[i].number = i;
		workers[i].chance = (u64)getpid() * 100 + i;
		if (native_thread(&test.nat, &workers[i].nat, 0))
			exit(1);
		if (i < run->kernel)
			workers[i].runner = kernel_runner(test.kernel, i);
		stress_thread(worker, &workers[i]);
	}
	stress_run();
	for (u32 i = 0; i < WORKERS; i++) {
		for (u32 r = 0; r < REASONS; r++)
			sum.reasons[r] += workers[i].reasons[r];
		sum.own_kept += workers[i].own_kept;
		sum.own_lost += workers[i].own_lost;
		sum.answers += workers[i].answers;
		sum.answers_lost += workers[i].answers_lost;
		sum.ends_wrong += workers[i].ends_wrong;
		sum.moves += workers[i].moves;
		sum.moves_early += workers[i].moves_early;
		native_thread_end(&workers[i].nat);
	}
	struct state_fault fault;
	if (state_check(&test.nat, 0, &fault) && !test.faults++)
		test.fault = fault;
	u64 left = left_over(&test);
	int good = !test.faults && !sum.own_lost && !sum.answers_lost && !sum.ends_wrong && !left &&
		   (!sum.moves_early || run->alone) && !sum.reasons[REASON_internal];
	int met = test.checks && test.passes && test.resets && sum.own_kept && sum.answers && sum.moves &&
		  sum.reasons[REASON_out_created] && sum.reasons[REASON_in_session] &&
		  sum.reasons[REASON_hairpin];
	stress_case(run->name, good && met,
		    "checks %llu faults %llu (%s) resets %llu address changes %u passes %llu; own kept %llu "
		    "lost %llu, answers %llu "
		    "lost %llu, wrong ends %llu, ports moved %llu, too early %llu; left at the end %llu",
		    test.checks, test.faults, test.faults ? test.fault.what : "none", test.resets,
		    test.address_changes / 2, test.passes, sum.own_kept, sum.own_lost, sum.answers,
		    sum.answers_lost, sum.ends_wrong, sum.moves, sum.moves_early, left);
	stress_reasons(sum.reasons);
	if (test.kernel)
		kernel_close(test.kernel, &test.nat);
	else
		native_destroy(&test.nat);
}

int main(void)
{
	static const struct run runs[] = {
		{ "room enough", .flows = 8192, .mappings = 4096, .port_min = 2000, .port_max = 2999 },
		{ "few ports, a full flow table, strict filtering", .flows = 512, .mappings = 1024,
		  .port_min = 2000, .port_max = 2031, .filtering = FILTERING_EDF },
		{ "blocks of ports", .flows = 8192, .mappings = 4096, .port_min = 2000, .port_max = 2999,
		  .blocks = 2 },
		{ "blocks of ports, BPF programs on two processors", .flows = 2048, .mappings = 4096,
		  .port_min = 2000, .port_max = 2999, .kernel = 2, .blocks = 2 },
		{ "more hosts than addresses, each its own", .flows = 8192, .mappings = 4096,
		  .port_min = 2000, .port_max = 2999, .alone = true },
		{ "the same, BPF programs on two processors", .flows = 2048, .mappings = 4096,
		  .port_min = 2000, .port_max = 2999, .kernel = 2, .alone = true },
		{ "BPF programs on two processors beside a thread", .flows = 2048, .mappings = 4096,
		  .port_min = 2000, .port_max = 2999, .kernel = 2 },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (stress_asked(runs[i].name))
			run_one(&runs[i]);
	return stress_end();
}
