// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads that make PPTP calls (core/call.h, core/pptp.h): several hosts that call two servers by one outside address, with the same few
 * call ids; control messages and GRE, both ways, as bytes; beside them the sweep, resets of flows, which end no call, and now and
 * then one of hosts, which ends them all. Time stands still: nothing is silent for too long.
 *
 * What holds from one reset of hosts to the next is an epoch. A packet is judged if its epoch was the same before and after it:
 *
 *   ids       an id outside is one call's, and a call has one id outside, whoever asks at the same time
 *   messages  an answer of the server's tells the host its own id, and nothing of a message but the id changes
 *   GRE       what comes for an id gets to the host whose it is, with its own id; a call whose server told its name needs nobody's leave
 *   silence   at the end, after nothing was sent for long enough, no flow is left
 */
#include "core/pptp.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"
#include "native/sweep_memory.h"
#include "tests/control.h"
#include "tests/state.h"
#include "tests/stress/ledger.h"
#include "tests/stress/meet.h"
#include "tests/stress/stress.h"

enum { WORKERS = 3, HOSTS = 4, SERVERS = 2, IDS = 3, NAMES = 4, FIRST_ID = 1, HOLD = 1000 };
enum { OUT_IFINDEX = 3, IN_IFINDEX = 2, ROOM = 256, HEADERS = 40, GRE_BYTES = 12, REPLY = 32 };
enum { FIRST_WORD = 12, SECOND_WORD = 14 }; /* where a message has its ids */

struct test {
	struct nat_instance nat;
	u64 epoch;			   /* atomic; odd while hosts are reset */
	u64 owner[SERVERS][65536];	   /* ledger: whose call has this id outside */
	u64 outside[SERVERS][HOSTS * IDS]; /* ledger: which id a call has */
	u64 port[HOSTS];		   /* ledger: of the control connection, outside */
	u64 told[SERVERS][HOSTS * IDS];	   /* ledger: the server's answer came, with the call's first name */
	u64 resets, passes;
};

struct worker {
	struct test *test;
	struct nat_instance nat;
	u64 chance;
	u8 frame[ROOM];
	u32 length;
	u64 named, changed, answered, by_id, bare;
	u64 ids_wrong, messages_wrong, gre_wrong, checks_wrong;
	u64 reasons[REASONS];
};

/* A call of a host with a server, by the id that the host chose. */
struct call {
	u32 server;
	u32 host;
	u32 which;
	u32 number; /* among all of its server's */
};

static __be32 host_address(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 server_address(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside_address(void) { return host_to_be32(0xc6336401); }

static u32 dice(struct worker *w, u32 sides) { return (u32)(stress_random(&w->chance) % sides); }

static struct call some_call(struct worker *w)
{
	struct call c = { .server = dice(w, SERVERS), .host = dice(w, HOSTS), .which = dice(w, IDS) };

	c.number = c.host * IDS + c.which;
	return c;
}

/* The first two ids are neighbours, the third is what is tried first in place of the first. */
static u16 id_of(const struct call *c)
{
	return (u16)(c->which < 2 ? FIRST_ID + c->which : FIRST_ID + CALL_STEP);
}

/* The server's names for a call are nobody else's. Calls of the first id have but one. */
static u16 name_of(struct worker *w, const struct call *c)
{
	return (u16)(0x8000 + c->number * NAMES + (c->which ? dice(w, NAMES) : 0));
}

static u64 epoch_now(const struct test *test) { return __atomic_load_n(&test->epoch, __ATOMIC_SEQ_CST); }

/* May what was seen between these be judged? */
static int same(u64 before, u64 after) { return before == after && !(before & 1); }

/* What the ledger has for this epoch; 0: nothing. */
static u32 noted(const u64 *entry, u64 epoch) { return ledger_read(entry, epoch); }

/*
 * Packets
 */

/* The packet that was built passes: its reason. All checksums are right after it. */
static u32 pass(struct worker *w, enum native_hook hook, const struct packet_spec *s)
{
	int length = packet_build(s, w->frame, sizeof(w->frame));
	struct native_frame f = { .data = w->frame,
				  .length = (u32)length,
				  .ifindex = OUT_IFINDEX,
				  .ingress_ifindex = hook == NATIVE_OUT ? IN_IFINDEX : 0 };
	struct native_result r = native_meet(&w->nat, hook, &f);

	w->length = (u32)length;
	w->reasons[r.reason < REASONS ? r.reason : REASON_internal]++;
	w->checks_wrong += reason_verdict(r.reason) == VERDICT_TRANSLATE && packet_check(w->frame, w->length);
	return r.reason;
}

static u16 word_at(const struct worker *w, u32 at) { return (u16)(w->frame[at] << 8 | w->frame[at + 1]); }

static __be32 address_at(const struct worker *w, u32 at)
{
	__be32 address;

	memcpy(&address, w->frame + at, sizeof(address));
	return address;
}

/* A message of the control connection; port: the host's, as it is on the side that sends. */
static u32 control(struct worker *w, enum native_hook hook, const struct call *c, u16 port, u32 type,
		   u16 first, u16 second)
{
	int out = hook == NATIVE_OUT, tries = 0;
	u8 message[REPLY];
	struct packet_spec s = { .protocol = PROTOCOL_TCP,
				 .saddr = out ? host_address(c->host) : server_address(c->server),
				 .daddr = out ? server_address(c->server) : outside_address(),
				 .sport = out ? port : PPTP_PORT,
				 .dport = out ? PPTP_PORT : port,
				 .tcp_flags = TCP_ACK,
				 .payload = message,
				 .payload_length = sizeof(message) };
	u32 reason;

	control_message(message, sizeof(message), type, first, second);
	while ((reason = pass(w, hook, &s)) == REASON_session_lost && tries++ < 2)
		s.tcp_flags = TCP_SYN; /* after a reset of hosts: a new connection */
	return reason;
}

/* GRE of version 1 with an id, or of version 0. */
static u32 gre(struct worker *w, enum native_hook hook, const struct call *c, int version, u16 id)
{
	u8 payload[GRE_BYTES] = { version ? 0x20 : 0, (u8)version, 0x88, 0x0b, 0, 0, (u8)(id >> 8), (u8)id };
	struct packet_spec s = { .protocol = PROTOCOL_GRE,
				 .saddr = hook == NATIVE_OUT ? host_address(c->host)
							     : server_address(c->server),
				 .daddr = hook == NATIVE_OUT ? server_address(c->server) : outside_address(),
				 .payload = payload,
				 .payload_length = sizeof(payload) };

	return pass(w, hook, &s);
}

/*
 * What hosts and servers do
 */

/* The host names a call: what stands for it goes to the ledger. */
static void work_request(struct worker *w, const struct call *c)
{
	struct test *test = w->test;
	u64 before = epoch_now(test);
	u32 reason = control(w, NATIVE_OUT, c, (u16)(5000 + c->host), PPTP_OUTGOING_REQUEST, id_of(c), 7777);

	if (reason_verdict(reason) != VERDICT_TRANSLATE || !same(before, epoch_now(test)))
		return;
	u16 id = word_at(w, HEADERS + FIRST_WORD);
	w->named++;
	w->changed += id != id_of(c);
	w->messages_wrong += word_at(w, HEADERS + SECOND_WORD) != 7777;
	w->ids_wrong += !ledger_note(&test->owner[c->server][id], before, 1 + c->number) ||
			!ledger_note(&test->outside[c->server][c->number], before, id) ||
			!ledger_note(&test->port[c->host], before, word_at(w, IP_MIN));
}

/* The server answers the host that named a call, and names it, too. */
static void work_answer(struct worker *w, const struct call *c)
{
	struct test *test = w->test;
	u64 before = epoch_now(test);
	u32 id = noted(&test->outside[c->server][c->number], before),
	    port = noted(&test->port[c->host], before);
	u16 name = name_of(w, c);

	if (!id || !port)
		return;
	u32 reason = control(w, NATIVE_IN, c, (u16)port, PPTP_OUTGOING_REPLY, name, (u16)id);
	if (!same(before, epoch_now(test)) || reason == REASON_table_busy)
		return;
	w->answered++;
	w->messages_wrong += reason_verdict(reason) != VERDICT_TRANSLATE ||
			     address_at(w, IPV4_TARGET) != host_address(c->host) ||
			     word_at(w, HEADERS + FIRST_WORD) != name ||
			     word_at(w, HEADERS + SECOND_WORD) != id_of(c);
	ledger_note(&test->told[c->server][c->number], before, 1);
}

static void work_gre_in(struct worker *w, const struct call *c)
{
	struct test *test = w->test;
	u64 before = epoch_now(test);
	u32 id = noted(&test->outside[c->server][c->number], before);

	if (!id)
		return;
	u32 reason = gre(w, NATIVE_IN, c, 1, (u16)id);
	if (!same(before, epoch_now(test)))
		return;
	w->by_id++;
	w->gre_wrong += reason != REASON_in_session || address_at(w, IPV4_TARGET) != host_address(c->host) ||
			word_at(w, IP_MIN + GRE_CALL) != id_of(c);
}

/* Calls that have but one name are known by it from the first answer on; others leave by it or by address. */
static void work_gre_out(struct worker *w, const struct call *c)
{
	struct test *test = w->test;
	u64 before = epoch_now(test);
	int known = !c->which && noted(&test->told[c->server][c->number], before);
	u16 name = name_of(w, c);
	u32 reason = gre(w, NATIVE_OUT, c, 1, name);

	if (!same(before, epoch_now(test)) || (!known && reason_verdict(reason) != VERDICT_TRANSLATE))
		return;
	w->by_id++;
	w->gre_wrong += (known && reason != REASON_out_session) ||
			address_at(w, IPV4_SOURCE) != outside_address() ||
			address_at(w, IPV4_TARGET) != server_address(c->server) ||
			word_at(w, IP_MIN + GRE_CALL) != name;
}

/* By address, there is one host a server; what comes for it is no call's. */
static void work_bare(struct worker *w, const struct call *c)
{
	w->bare += gre(w, dice(w, 2) ? NATIVE_OUT : NATIVE_IN, c, 0, 0) != REASON_remote_taken;
}

static void *worker(void *argument)
{
	static void (*const works[])(struct worker *, const struct call *) = {
		work_request, work_answer,  work_answer,  work_gre_in,
		work_gre_in,  work_gre_out, work_gre_out, work_bare,
	};
	struct worker *w = argument;

	while (!stress_over()) {
		struct call c = some_call(w);
		works[dice(w, sizeof(works) / sizeof(works[0]))](w, &c);
	}
	return NULL;
}

/*
 * What happens to them
 */

static void *sweeper(void *argument)
{
	struct test *test = argument;
	struct sweep *s = sweep_memory_new(&test->nat);

	while (s && !stress_over()) {
		sweep_pass(s, test->nat.now);
		test->passes++;
	}
	sweep_memory_free(s);
	return NULL;
}

static void *resetter(void *argument)
{
	struct test *test = argument;
	u64 chance = 99;

	while (!stress_over()) {
		int all = !(stress_random(&chance) % 500);
		__atomic_fetch_add(&test->epoch, all, __ATOMIC_SEQ_CST);
		if (all) {
			native_reset(&test->nat, 0, TABLE_HOSTS);
			native_reset(&test->nat, 0, TABLE_MAPPINGS);
		}
		native_reset(&test->nat, 0, TABLE_FLOWS);
		test->resets++;
		__atomic_fetch_add(&test->epoch, all, __ATOMIC_SEQ_CST);
		usleep((useconds_t)(stress_random(&chance) % 300));
	}
	return NULL;
}

/* Nothing is sent for longer than anything lasts: flows that are left. */
static u64 left_after_silence(struct test *test)
{
	struct sweep *s = sweep_memory_new(&test->nat);
	u64 left = 0;

	for (u32 i = 0; s && i < 6; i++) {
		test->nat.now = (test->nat.now + HOLD + 1) & TIME;
		sweep_pass(s, test->nat.now);
	}
	sweep_memory_free(s);
	for (u32 i = 0; i <= test->nat.config->flow_mask; i++)
		left += word_state(env_slot(&test->nat, TABLE_FLOWS, i)->word) != FREE;
	return left;
}

static int test_begin(struct test *test, struct worker *workers)
{
	struct native_sizes sizes = {
		.flows = 4096, .mappings = 256, .hosts = 64, .addresses = 1, .cpus = WORKERS
	};
	u64 chance = (u64)getpid();

	if (native_create(&test->nat, &sizes, chance) ||
	    native_interface_add(&test->nat, OUT_IFINDEX, ROLE_OUTSIDE) != 0 ||
	    native_interface_add(&test->nat, IN_IFINDEX, ROLE_INSIDE) < 0 ||
	    native_address_set(&test->nat, 0, outside_address(), ADDRESS_LIVE | ADDRESS_POOL) < 0)
		return -1;
	struct timers *t = &test->nat.config->timers;
	t->udp_timeout = t->tcp_idle_timeout = t->tcp_trans_open_timeout = t->tcp_trans_close_timeout = HOLD;
	t->host_retention_timeout = HOLD;
	test->nat.config->filtering[CLASS_TCP] = FILTERING_EIF; /* control connections outlive resets, too */
	test->epoch = 2;					/* 0 is nothing in the ledger */
	for (u32 i = 0; i < WORKERS; i++) {
		workers[i].test = test;
		workers[i].chance = chance * 100 + i;
		if (native_thread(&test->nat, &workers[i].nat, i))
			return -1;
	}
	return 0;
}

static void sum_add(struct worker *sum, const struct worker *w)
{
	sum->named += w->named;
	sum->changed += w->changed;
	sum->answered += w->answered;
	sum->by_id += w->by_id;
	sum->bare += w->bare;
	sum->ids_wrong += w->ids_wrong;
	sum->messages_wrong += w->messages_wrong;
	sum->gre_wrong += w->gre_wrong;
	sum->checks_wrong += w->checks_wrong;
	for (u32 r = 0; r < REASONS; r++)
		sum->reasons[r] += w->reasons[r];
}

int main(void)
{
	static struct test test;
	static struct worker workers[WORKERS], sum;
	struct state_fault fault = { "nothing" };

	if (test_begin(&test, workers))
		return 1;
	stress_thread(sweeper, &test);
	stress_thread(resetter, &test);
	for (u32 i = 0; i < WORKERS; i++)
		stress_thread(worker, &workers[i]);
	stress_run();
	for (u32 i = 0; i < WORKERS; i++) {
		sum_add(&sum, &workers[i]);
		native_thread_end(&workers[i].nat);
	}
	int faults = state_check(&test.nat, 0, &fault) != 0;
	u64 left = left_after_silence(&test);
	stress_case("ids", sum.named && sum.changed && !sum.ids_wrong && test.epoch > 4,
		    "calls named %llu, with another id %llu, wrong %llu; resets of flows %llu, of hosts %llu",
		    sum.named, sum.changed, sum.ids_wrong, test.resets, test.epoch / 2 - 1);
	stress_case("messages", sum.answered && !sum.messages_wrong && !sum.checks_wrong,
		    "answers %llu, wrong %llu; checksums wrong %llu", sum.answered, sum.messages_wrong,
		    sum.checks_wrong);
	stress_case("GRE", sum.by_id && sum.bare && !sum.gre_wrong, "by id %llu, wrong %llu; by address %llu",
		    sum.by_id, sum.gre_wrong, sum.bare);
	stress_case("silence", !left && !faults && test.passes,
		    "passes %llu, flows that are left %llu; wrong: %s", test.passes, left, fault.what);
	stress_reasons(sum.reasons);
	native_destroy(&test.nat);
	return stress_end();
}
