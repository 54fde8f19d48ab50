/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ports.h - where to look for a free outside port.
 *
 * For each outside address and class: 1024 words of 64 bits, a bit set for a port that is taken, and 16 summary words, a bit
 * set for a word that is full. DCCP, SCTP and UDP-Lite share one such bitmap, since another 25 KB an address, the sweep's
 * copies counted, is too much for what hardly anybody uses: a search passes by the ports of all three, and a port that is
 * wanted by its number is asked for by the claim itself (claim_try() in mapping.h). All of it is a hint: the claim on a port
 * is the outside half of a mapping (mapping.h). A bit that is missing costs a probe; one too many hides a port until the
 * sweep compares bits and halves. With the summary any free port is found in a few dozen steps, however full the address is,
 * so that a packet that finds none costs little more than one that does. Of a run whose ports are apart (shares.h) so many
 * are looked at, from a place that chance names; of a longer one a free port may be missed.
 */
#pragma once
#include "core/request.h"
#include "core/shares.h"

enum { PORT_STEPS = 48, PORT_STRIDES = 1024, LOW_PORTS = 1024 };

static __always_inline int class_shares_ports(u32 class) { return class >= CLASS_DCCP; }

static __always_inline u32 port_area(u32 index, u32 class)
{
	return (index * PORT_AREAS + (class_shares_ports(class) ? (u32)CLASS_DCCP : class)) * PORT_AREA;
}

/* Take the bit of a port. 1: it was free; 0: taken; -1: no such bitmap. */
static __always_inline int port_take(struct nat_instance *nat, u32 area, u32 port)
{
	u64 bit = 1ull << (port & 63);
	u64 *word = env_port_word(nat, area + (port >> 6));

	if (!word)
		return -1;
	u64 was = FETCH_OR(word, bit);
	if ((was | bit) != ~0ull)
		return !(was & bit);
	u64 *summary = env_port_word(nat, area + PORT_WORDS + (port >> 12));
	u64 full = 1ull << (port >> 6 & 63);
	if (summary && !(LOAD(summary) & full)) {
		FETCH_OR(summary, full);
		if (LOAD(word) !=
		    ~0ull) /* somebody gave one back meanwhile and cleared the summary too early */
			FETCH_AND(summary, ~full);
	}
	return !(was & bit);
}

static __always_inline void port_give(struct nat_instance *nat, u32 area, u32 port)
{
	u64 *word = env_port_word(nat, area + (port >> 6));
	u64 *summary = env_port_word(nat, area + PORT_WORDS + (port >> 12));

	if (word)
		FETCH_AND(word, ~(1ull << (port & 63)));
	if (summary)
		FETCH_AND(summary, ~(1ull << (port >> 6 & 63)));
}

/* Which bits of a word an endpoint's port should be of: RFC 4787 REQ-4. */
static __always_inline u64 port_parity(const struct config *c, const struct request *r)
{
	if (!c->port_parity || r->class == CLASS_ICMP)
		return ~0ull;
	return be16_to_host(r->inside.port) & 1 ? 0xaaaaaaaaaaaaaaaaull : 0x5555555555555555ull;
}

/* Which ports an endpoint may have: RFC 4787 REQ-3a, REQ-4. Identifiers of ICMP have neither range nor parity. */
static __always_inline void port_range(const struct config *c, struct request *r)
{
	u32 inside = be16_to_host(r->inside.port);
	u32 low = c->port_min <= LOW_PORTS; /* the administrator's range leaves room for well-known ports */

	r->port_min = c->port_min;
	r->port_max = c->port_max;
	r->port_step = 1;
	r->port_mask = port_parity(c, r);
	if (r->class == CLASS_ICMP) {
		if (low)
			r->port_min = 1;
		return;
	}
	if (low && inside < LOW_PORTS && inside) {
		r->port_min = c->port_min < LOW_PORTS ? c->port_min : 1;
		r->port_max = LOW_PORTS - 1;
	} else if (low && c->port_max >= LOW_PORTS) {
		r->port_min = LOW_PORTS;
	}
}

/* Only every so manyth port: then parity is no matter. */
static __always_inline void port_run(struct request *r, const struct config *c, struct port_run run)
{
	r->port_min = run.first;
	r->port_max = run.first + (run.count - 1) * run.step;
	r->port_step = run.step;
	r->port_mask = run.step == 1 ? port_parity(c, r) : ~0ull;
}

/* Number of the lowest set bit; x is not 0. The BPF of today has no instruction for it. */
static __always_inline u32 bit_lowest(u64 x)
{
	u32 n = 0;

	if (!(x & 0xffffffff)) {
		n += 32;
		x >>= 32;
	}
	if (!(x & 0xffff)) {
		n += 16;
		x >>= 16;
	}
	if (!(x & 0xff)) {
		n += 8;
		x >>= 8;
	}
	if (!(x & 0xf)) {
		n += 4;
		x >>= 4;
	}
	if (!(x & 3)) {
		n += 2;
		x >>= 2;
	}
	return n + !(x & 1);
}

struct port_search {
	struct nat_instance *nat;
	struct request *req;
	u32 area;
	u32 word; /* where to look next, 0 .. PORT_WORDS - 1 */
	u64 from; /* bits of that word that are left to look at */
};

/* The next word that is not full, from s->word + 1 on, as far as one summary word tells. */
static __always_inline void port_skip(struct port_search *s)
{
	u32 next = (s->word + 1) & (PORT_WORDS - 1);
	u64 *summary = env_port_word(s->nat, s->area + PORT_WORDS + (next >> 6));
	u64 open = summary ? ~LOAD(summary) & (~0ull << (next & 63)) : 0;

	s->from = ~0ull;
	s->word = open ? (next & ~63u) + bit_lowest(open) : (next | 63u);
	if (s->word > s->req->port_max >> 6 || s->word < s->req->port_min >> 6)
		s->word = s->req->port_min >> 6;
}

static long port_step(u32 i, void *context)
{
	struct port_search *s = context;
	struct request *r = s->req;
	u64 *word = env_port_word(s->nat, s->area + (s->word & (PORT_WORDS - 1)));

	(void)i;
	if (!word)
		return 1;
	u64 open = ~LOAD(word) & r->port_mask & s->from;
	if (s->word == r->port_min >> 6)
		open &= ~0ull << (r->port_min & 63);
	if (s->word == r->port_max >> 6)
		open &= ~0ull >> (63 - (r->port_max & 63));
	if (open) {
		r->port = s->word << 6 | bit_lowest(open);
		return 1;
	}
	port_skip(s);
	return 0;
}

/* The same where only every so manyth port may be had; s->word counts those, s->from is how many there are. */
static long port_stride(u32 i, void *context)
{
	struct port_search *s = context;
	struct request *r = s->req;
	u32 port = r->port_min + (u32)((s->word + i) % s->from) * r->port_step & 0xffff;
	u64 *word = env_port_word(s->nat, s->area + (port >> 6));

	if (!word)
		return 1;
	if (!(LOAD(word) >> (port & 63) & 1))
		r->port = port;
	return r->port != 0;
}

/*
 * A port that looks free, from port `from` on and around: r->port, or 0. The range and the mask are the request's.
 */
SLOW u32 port_search(struct nat_instance *nat, struct work *work, u32 from)
{
	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct request *r = &work->req;
	struct port_search s = { .nat = nat, .req = r, .area = port_area(r->index, r->class) };

	if (from > r->port_max || from < r->port_min)
		from = r->port_min;
	r->port = 0;
	if (r->port_step > 1) {
		s.from = (r->port_max - r->port_min) / r->port_step + 1;
		s.word = (from - r->port_min + r->port_step - 1) / r->port_step;
		env_loop(s.from < PORT_STRIDES ? (u32)s.from : (u32)PORT_STRIDES, port_stride, &s);
		return r->port;
	}
	s.word = from >> 6;
	s.from = ~0ull << (from & 63);
	env_loop(PORT_STEPS, port_step, &s);
	return r->port;
}
