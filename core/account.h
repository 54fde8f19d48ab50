/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * account.h - how many mappings and sessions a host has, and may have (RFC 6888 REQ-4 and REQ-5).
 *
 * The counts lie in the host's line, a word for each class (types.h: ACCOUNTS), which changes by compare-and-swap:
 *
 *	63..52 generation of flows   51..40 generation of mappings   39..16 sessions   15..0 mappings
 *
 * Packets only add. What ends is never taken off: each pass of the sweep counts what there is, and puts that in the place of
 * what was there (account_settle()). So nothing that a crash or a lost race leaves behind outlives a pass, and a count is never too
 * small, but for a host whose line is younger than its mappings. A packet takes its one before it makes what is counted, so two
 * processors cannot both take the last; what then comes to nothing is given back, if nobody has changed the word meanwhile. (A
 * pass that begins between a packet's taking and its making may miss it: one too many for each processor, until the next pass.)
 * A word of another generation than the interface's counts nothing: a reset is one store here, too. (Twelve bits of a
 * generation: one that is mistaken for the present one is put right by the next pass.)
 *
 * A rate is a count within a tick, in a word of its own: the tick, and how many.
 *
 * Not limited: the router itself; whoever has his address by reservation, whom the administrator knows by name; port mappings
 * and their sessions; and, of a host that has limits, packets of sessions that stand, the fast path's among them. Without a sweep
 * nothing would ever be taken off, so after ACCOUNT_PATIENCE without one there are no limits.
 */
#pragma once
#include "core/host.h"
#include "core/tcp.h"

enum { ACCOUNT_PATIENCE = 300, ACCOUNT_TRIES = 3, ACCOUNT_RATE = 3 };
enum { ACCOUNT_MAPPING = 1, ACCOUNT_SESSION = 2 }; /* kinds: bits */

#define ACCOUNT_GENERATIONS (~0ull << 40)

static __always_inline u32 account_mappings(u64 a) { return (u32)(a & 0xffff); }
static __always_inline u32 account_sessions(u64 a) { return (u32)(a >> 16 & 0xffffff); }

static __always_inline u64 account_make(u64 generations, u32 mappings, u32 sessions)
{
	u64 m = mappings < 0xffff ? mappings : 0xffff, s = sessions < 0xffffff ? sessions : 0xffffff;

	return (generations & ACCOUNT_GENERATIONS) | s << 16 | m;
}

/* The generations of an interface's word, where a count has them. */
static __always_inline u64 account_generations(u64 generation)
{
	return (u64)generation_in(generation, TABLE_FLOWS) << 52 |
	       (u64)(generation_in(generation, TABLE_MAPPINGS) & 0xfff) << 40;
}

/*
 * A count as it is under these generations, which are not older than its own. Without a branch: the verifier would follow each
 * way of each word. (x - 1) >> 63 is 1 if x is 0, in a register of which the compiler knows nothing.
 */
static __always_inline u64 account_under(u64 a, u64 generations)
{
	u64 changed = (a ^ generations) >> 40;

	asm volatile("" : "+r"(changed));
	u64 mappings = 0 - (((changed & 0xfff) - 1) >> 63), sessions = 0 - ((changed - 1) >> 63);
	return (generations & ACCOUNT_GENERATIONS) | (a & 0xffff & mappings) |
	       (a & 0xffffff0000ull & sessions);
}

/* What a count that was just loaded says. The generations are read after it, so they are not older: nobody turns it back. */
static __always_inline u64 account_now(const struct config *c, u32 interface, u64 a)
{
	return account_under(a, account_generations(generation_word(c, interface)));
}

/* Where a class counts, as an index of which the verifier knows that it is of two bits. */
static __always_inline u32 account_class(u32 class)
{
	if (class >= ACCOUNTS)
		class = class_connects(class) ? CLASS_TCP : CLASS_UDP;
	return BOUNDED(class, 3) & 3;
}

static __always_inline u64 *account_at(struct slot *host, u32 class) { return &host->data[3 + class]; }

/* Are there limits, and somebody who counts? */
static __always_inline int account_limited(const struct config *c, u32 now)
{
	return c->limits.on && ((now - (u32)LOAD(&c->swept)) & TIME) <= ACCOUNT_PATIENCE;
}

/* Is n more than a limit allows? */
static __always_inline int account_over(u32 n, u32 limit) { return limit && n > limit; }

/* What stands against `more` of each of these kinds in a class, of which the host has what `a` says? 0 or a reason. */
static __always_inline u32 account_refuses(const struct config *c, struct slot *host, u32 interface,
					   u32 class, u64 a, u32 kinds, u32 more)
{
	const struct limit *all = &c->limits.all, *own = &c->limits.by[class];
	u32 mappings = more, sessions = more;

	for (u32 i = 0; i < ACCOUNTS; i++) {
		u64 has = account_now(c, interface, LOAD(account_at(host, i)));
		mappings += account_mappings(has);
		sessions += account_sessions(has);
	}
	if (kinds & ACCOUNT_SESSION && (account_over(sessions, all->sessions) ||
					account_over(account_sessions(a) + more, own->sessions)))
		return REASON_host_sessions;
	if (kinds & ACCOUNT_MAPPING && (account_over(mappings, all->mappings) ||
					account_over(account_mappings(a) + more, own->mappings)))
		return REASON_host_mappings;
	return 0;
}

/* One more new mapping in this tick. 0 or a reason. */
static __always_inline u32 account_rate(const struct config *c, struct slot *host, u32 now)
{
	u64 *at = &host->data[3 + ACCOUNT_RATE];

	if (!c->limits.new_mappings)
		return 0;
	for (u32 i = 0; i < ACCOUNT_TRIES; i++) {
		u64 was = LOAD(at);
		u64 rate = was >> 32 == now ? was : (u64)now << 32;
		if ((u32)rate >= c->limits.new_mappings)
			return REASON_host_rate;
		if (CAS(at, was, rate + 1))
			return 0;
	}
	return REASON_table_busy;
}

/*
 * Take one of what the host of r->inside may have: 0, and r->account says what to give back; or a reason. No new mapping for
 * whom a session of it would be refused.
 */
SLOW u32 account_take(struct nat_instance *nat, struct work *work, u32 kind)
{
	const struct config *c = env_config(nat);
	union host_value value;
	u32 number;
	u64 w;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	u32 reason = 0;

	r->account = NO_SLOT;
	struct slot *host = host_find(nat, host_key(r->inside.addr, r->interface), &w, &number, &value);
	if (!host || value.own & (OWN_FIXED | OWN_ROUTER))
		return 0;
	if (kind == ACCOUNT_MAPPING)
		reason = account_rate(c, host, r->now);
	u32 class = account_class(r->class);
	u64 *at = account_at(host, class);
	for (u32 i = 0; !reason; i++) {
		u64 was = LOAD(at), a = account_now(c, r->interface, was);
		if (i == ACCOUNT_TRIES)
			return REASON_table_busy;
		reason = account_refuses(c, host, r->interface, class, a, kind | ACCOUNT_SESSION, 1);
		if (reason)
			break;
		r->account_was = a;
		r->account_is = account_make(a, account_mappings(a) + (kind & ACCOUNT_MAPPING),
					     account_sessions(a) + (kind >> 1));
		if (CAS(at, was, r->account_is))
			break;
	}
	if (reason)
		return reason;
	r->account = number;
	/* In another class another processor may have taken the last one at the same time. */
	reason = account_refuses(c, host, r->interface, class, r->account_is, kind, 0);
	if (reason)
		(void)CAS(at, r->account_is, r->account_was);
	return reason;
}

/* Nothing came of what account_take() took. */
static __always_inline void account_return(struct nat_instance *nat, const struct request *r)
{
	struct slot *host = r->account != NO_SLOT ? env_slot(nat, TABLE_HOSTS, r->account) : 0;

	if (host)
		(void)CAS(account_at(host, account_class(r->class)), r->account_is, r->account_was);
}

/*
 * What the sweep puts in the place of a count. was: the count before the pass; is: after it; mappings, sessions: what the pass
 * saw. All that was added meanwhile may have been seen or not: it counts, but never more than before.
 */
static __always_inline u32 account_settled(u32 was, u32 is, u32 seen)
{
	u32 most = seen + (is > was ? is - was : 0);

	return seen > is ? seen : most < is ? most : is;
}
