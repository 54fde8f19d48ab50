// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/save.h"

#include <stdbool.h>
#include <string.h>

#include "core/sweep.h"

static u32 host_save(struct nat_instance *nat, const struct insert *e, struct saved *out)
{
	const struct host *h = &e->host;

	if (h->key_interface & HOST_OUTSIDE || h->own & OWN_FIXED ||
	    host_stale(nat->config, h->interface, h->own, h->word))
		return 0;
	out->kind = SAVED_HOST;
	out->host = (struct saved_host){
		.inside = h->inside,
		.outside = h->outside,
		.interface = h->interface,
		.own = h->own & OWN_ROUTER,
		.age = word_age(h->word, nat->now),
	};
	return 1;
}

static u32 mapping_save(struct nat_instance *nat, const struct insert *e, struct saved *out)
{
	const struct mapping *m = &e->mapping;

	if (m->half & HALF_OUTSIDE || m->own & OWN_FIXED ||
	    mapping_stale(nat->config, m->interface, m->own, m->word))
		return 0;
	out->kind = SAVED_MAPPING;
	out->mapping = (struct saved_mapping){
		.inside = m->key_addr,
		.outside = m->addr,
		.inside_port = m->key_port,
		.outside_port = m->port,
		.class = m->class,
		.interface = m->interface,
		.own = m->own & OWN_ROUTER,
		.bits = word_flags(m->word) & RESTING ? SAVED_RESTS : 0,
		.age = word_age(m->word, nat->now),
	};
	return 1;
}

static struct saved_half half_save(const struct flow *f, u32 now)
{
	return (struct saved_half){
		.packets = f->packets,
		.bytes = f->bytes,
		.age = word_age(f->word, now),
		.flags = (u8)word_flags(f->word),
		.own = f->own,
	};
}

/* A session by one of its halves; the other, which agrees, or NULL. */
static u32 session_save(const struct flow *f, const struct flow *other, u32 now, struct saved *out)
{
	bool outbound = f->direction == DIRECTION_OUT;
	struct saved_session *s = &out->session;

	out->kind = SAVED_SESSION;
	*s = (struct saved_session){
		.inside = outbound ? f->saddr : f->addr,
		.outside = outbound ? f->addr : f->daddr,
		.remote = outbound ? f->daddr : f->saddr,
		.inside_port = outbound ? f->sport : f->port,
		.outside_port = outbound ? f->port : f->dport,
		.remote_port = outbound ? f->dport : f->sport,
		.protocol = f->protocol,
		.interface = f->interface,
		.bits = other	   ? SAVED_OUT | SAVED_IN
			: outbound ? SAVED_OUT
				   : SAVED_IN,
	};
	if (outbound)
		s->out = half_save(f, now);
	else
		s->in = half_save(f, now);
	if (other)
		s->in = half_save(other, now);
	return 1;
}

static void flow_save_one(const struct flow *f, u32 now, u32 idle, u8 bits, struct saved *out)
{
	out->kind = SAVED_FLOW;
	out->flow = (struct saved_flow){
		.saddr = f->saddr,
		.daddr = f->daddr,
		.sport = f->sport,
		.dport = f->dport,
		.protocol = f->protocol,
		.direction = f->direction,
		.realm = f->realm,
		.addr = f->addr,
		.port = f->port,
		.idle_max = f->idle_max,
		.interface = f->interface,
		.bits = bits,
		.idle = idle,
		.half = half_save(f, now),
	};
}

/* One that stands for itself, or one half of an SPI's or a call's session: with the other, if the two name each other. */
static u32 flow_save_alone(const struct insert *e, u32 at, const struct insert *peer, u32 now,
			   struct saved out[SAVE_MOST])
{
	const struct flow *f = &e->flow;
	u32 idle = word_age(f->word, now);

	if (f->realm) { /* a claim */
		u8 seen = f->lease ? SAVED_SEEN : 0;

		flow_save_one(f, now, seen ? word_age(f->lease, now) : 0, seen, &out[0]);
		return 1;
	}
	if (!peer || peer->flow.peer != at) {
		flow_save_one(f, now, idle, 0, &out[0]);
		return 1;
	}
	if (f->direction == DIRECTION_IN)
		return 0; /* the outbound one tells it */
	if (word_age(peer->flow.word, now) < idle)
		idle = word_age(peer->flow.word, now);
	flow_save_one(f, now, idle, 0, &out[0]);
	flow_save_one(&peer->flow, now, idle, SAVED_PAIR, &out[1]);
	return 2;
}

/* Do packets, or who sends them, still learn something from this flow? A call's outlives resets (call.h). */
static bool flow_serves(struct nat_instance *nat, const struct flow *f)
{
	const struct config *c = nat->config;

	if (f->own & FLOW_ENDED)
		return !word_stale(c, TABLE_FLOWS, f->interface, f->word) &&
		       word_age(f->word, nat->now) <= f->idle_max;
	if (f->own & FLOW_CALL)
		return !address_left(c, f->index);
	return flow_stands(c, f->word, f->interface, f->own, f->index);
}

static u32 flow_save(struct nat_instance *nat, u32 at, const struct insert *e, struct saved out[SAVE_MOST])
{
	const struct flow *f = &e->flow;
	struct insert peer;
	bool paired;

	if (!flow_serves(nat, f))
		return 0;
	paired = f->direction != DIRECTION_PERMIT && !f->realm && !(f->own & FLOW_ENDED) &&
		 flow_peer(nat, f, &peer) != NO_SLOT && flow_serves(nat, &peer.flow) &&
		 !(peer.flow.own & FLOW_ENDED);
	if (f->direction == DIRECTION_PERMIT || f->realm || f->own & FLOW_ENDED || flow_has_spi(f))
		return flow_save_alone(e, at, paired ? &peer : NULL, nat->now, out);
	if (paired && f->direction == DIRECTION_IN)
		return 0;
	return session_save(f, paired ? &peer.flow : NULL, nat->now, out);
}

u32 save_slot(struct nat_instance *nat, enum table t, u32 at, struct saved out[SAVE_MOST])
{
	u64 w = LOAD(&env_slot(nat, t, at)->word);
	struct insert e;

	if (word_state(w) != LIVE || !slot_read(nat, t, at, w, &e))
		return 0;
	memset(out, 0, SAVE_MOST * sizeof(*out));
	switch (t) {
	case TABLE_HOSTS:
		return host_save(nat, &e, &out[0]);
	case TABLE_MAPPINGS:
		return mapping_save(nat, &e, &out[0]);
	default:
		return flow_save(nat, at, &e, out);
	}
}
