/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/host.h"
#include "core/rewrite.h"
#include "tests/scenarios/world.h"

/*
 * Roads: in a world with them a packet meets all hooks on its way, as it does in the kernel. One that took the fast path is
 * then made what the slow one would have left: a scenario shall not know the difference.
 */

static void flight_hide(struct world *w, struct native_frame *f, struct native_result *result)
{
	u8 *ip = f->data + f->l3;
	u16 was = (u16)get16(ip, IPV4_TTL);

	ip[IPV4_TTL]++;
	put16(ip, IPV4_CHECK,
	      (__be16)checksum_apply((u16)get16(ip, IPV4_CHECK),
				     checksum_diff16(was, (u16)get16(ip, IPV4_TTL))));
	result->reason = result->reason == REASON_out_fast ? REASON_out_session : REASON_in_session;
	w->fast_packets++;
}

static bool flew(const struct native_result *result)
{
	return result->reason == REASON_out_fast || result->reason == REASON_in_fast;
}

/* Is the packet's receiver an outside address of ours? */
static bool event_is_to_us(const struct world *w, const struct event *e)
{
	struct nat_instance *nat = &w->ways[0]->nat;
	__be32 to;

	memcpy(&to, e->before + 16, sizeof(to));
	return e->length < 20 || address_find(nat, nat->config, to).flags & ADDRESS_LIVE;
}

/* The hook before the one that the scenario speaks of: where the packet came in from inside. 1: it flew from there; 0; -1. */
static int road_begin(struct world *w, struct way *way, const struct event *e, struct native_frame *f,
		      struct native_result *result)
{
	struct native_frame entered = *f;

	if (!w->roads || way->whole || e->hook != NATIVE_OUT || !e->from_inside || event_is_to_us(w, e))
		return 0;
	entered.ifindex = e->ingress_ifindex;
	entered.ingress_ifindex = 0;
	int rc = way->ops->meet(way, NATIVE_HAIRPIN, &entered, result);
	return rc ? -1 : flew(result);
}

/* The hook behind it: an inside interface by which the packet leaves. */
static int road_end(struct world *w, struct way *way, const struct event *e, struct native_frame *f)
{
	struct native_result nothing;
	struct native_frame left = *f;

	if (!w->roads || way->whole || e->hook != NATIVE_IN)
		return 0;
	left.ifindex = interface_first(w, ROLE_INSIDE)->ifindex;
	left.ingress_ifindex = e->ifindex;
	return way->ops->meet(way, NATIVE_LEARN, &left, &nothing);
}

/* Through one way; *result, and the bytes rewritten. */
static int way_meet(struct world *w, struct way *way, const struct event *e, const struct packet_text *p,
		    u8 *after, struct native_result *result)
{
	static u8 frame[FRAME_ROOM + 4];
	u8 *data = frame + 2; /* the IP header at a multiple of four, as in the kernel */
	struct native_frame f = { data,	      way->l3 + e->length, way->l3,
				  e->ifindex, e->ingress_ifindex,  p->ethertype,
				  FRAME_ROOM, e->ordered };

	memset(data, STATION, 12);
	data[12] = (u8)(p->ethertype >> 8);
	data[13] = (u8)p->ethertype;
	memcpy(data + way->l3, e->before, e->length);
	if (e->ordered) { /* where that was done took a hop */
		struct bytes b = { .data = data, .end = data + f.length };
		(void)rewrite_hops(&b, way->l3, -1);
	}
	int rc = road_begin(w, way, e, &f, result);
	if (!rc) {
		rc = way->ops->meet(way, e->hook, &f, result);
		if (!rc && result->verdict == VERDICT_TRANSLATE && !flew(result))
			rc = road_end(w, way, e, &f);
	}
	if (w->roads && flew(result))
		flight_hide(w, &f, result);
	if (rc < 0)
		return world_fail(w,
				  "%s: the packet could not be sent, or counted otherwise than it fared: %s",
				  way->name, strerror(-rc));
	memcpy(after, data + way->l3, result->length - way->l3);
	return 0;
}

/* The same must have come of it in both. */
static int results_same(struct world *w, const struct native_result *a, const struct native_result *b,
			const u8 *x, const u8 *y, u32 length)
{
	if (a->verdict != b->verdict || a->reason != b->reason || a->interface != b->interface ||
	    a->length - w->ways[0]->l3 != b->length - w->ways[1]->l3)
		return world_fail(w, "%s: %s at %u; %s: %s at %u", w->ways[0]->name, reason_name(a->reason),
				  a->interface, w->ways[1]->name, reason_name(b->reason), b->interface);
	/* A dropped packet's bytes are nobody's business. */
	for (u32 i = 0; i < length && a->verdict != VERDICT_DROP; i++)
		if (x[i] != y[i])
			return world_fail(w,
					  "the ways give different bytes (%s): byte %u is 0x%02x and 0x%02x",
					  reason_name(a->reason), i, x[i], y[i]);
	return 0;
}

/* Never may a packet from inside leave with an inside source. */
static int source_ours(struct world *w, const struct event *e)
{
	struct nat_instance *nat = &w->ways[0]->nat;
	__be32 source;

	if (e->hook != NATIVE_OUT || !e->from_inside || e->result.verdict == VERDICT_DROP ||
	    e->result.verdict == VERDICT_ANSWER || e->result.reason == REASON_pass_through_out ||
	    e->packet->ethertype != 0x0800)
		return 0;
	memcpy(&source, e->after + 12, 4);
	struct outside_address a = address_find(nat, nat->config, source);
	return a.flags & ADDRESS_LIVE ? 0 : world_fail(w, "LEAK: it left with a source that is not ours");
}

static int packet_run(struct world *w, struct words *words, struct event *e)
{
	static struct packet_text packet;
	static u8 before[FRAME_ROOM], after[2][FRAME_ROOM];
	struct native_result result[2] = { { .reason = REASONS } };

	if (packet_read(w, words, &packet))
		return -1;
	int length = packet_make(w, &packet, before, sizeof(before));
	if (length < 0)
		return -1;
	if (!words_take(words, "expect"))
		return world_fail(w, "each packet wants an expect");
	e->packet = &packet;
	e->before = before;
	e->after = after[0];
	e->length = (u32)length;
	for (u32 i = 0; i < w->way_count; i++)
		if (way_meet(w, w->ways[i], e, &packet, after[i], &result[i]))
			return -1;
	e->result = result[0];
	e->length = result[0].length - w->ways[0]->l3;
	w->packets++;
	if (result[0].reason < REASONS)
		w->reasons[result[0].reason]++;
	if (expect_event(w, words, e) || source_ours(w, e))
		return -1;
	if (w->way_count > 1 && results_same(w, &result[0], &result[1], after[0], after[1], e->length))
		return -1;
	return world_same(w);
}

/* [ordered] [via IF] [from IF|router] before the packet. */
static int packet_at(struct world *w, struct words *words, enum native_hook hook, struct world_interface *at,
		     struct world_interface *from)
{
	bool router = false, ordered = words_take(words, "ordered");

	for (;;) {
		if (words_take(words, "via")) {
			at = interface_named(w, words_next(words));
		} else if (words_take(words, "from")) {
			router = words_take(words, "router");
			from = router ? NULL : interface_named(w, words_next(words));
		} else {
			break;
		}
	}
	if (w->error[0])
		return -1;
	struct event e = { .hook = hook,
			   .ifindex = at->ifindex,
			   .ordered = ordered,
			   .ingress_ifindex = from && !router ? from->ifindex : 0,
			   .from_inside = from && !router && from->role == ROLE_INSIDE };
	return packet_run(w, words, &e);
}

int out_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_OUT, at, interface_first(w, ROLE_INSIDE)) : -1;
}

/* The router's own. */
int own_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_OUT, at, NULL) : -1;
}

int in_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_IN, at, NULL) : -1;
}

/* It leaves by an inside interface. */
int learn_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_INSIDE);

	return at ? packet_at(w, words, NATIVE_LEARN, at, interface_first(w, ROLE_OUTSIDE)) : -1;
}

int hairpin_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_INSIDE);

	return at ? packet_at(w, words, NATIVE_HAIRPIN, at, NULL) : -1;
}

int client_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_INSIDE);

	return at ? packet_at(w, words, NATIVE_CLIENT, at, interface_first(w, ROLE_OUTSIDE)) : -1;
}
