// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A byte stream as packets and events, through one small NAT. After each packet:
 *
 *   leak       what leaves by the outside interface and came from inside has an outside address for its source, also in
 *              what an ICMP error quotes
 *   bytes      only addresses, ports and checksums of the headers changed, and TTL in a hairpin; nothing if not translated
 *   segments   what a SYN announces is lowered to what it may be, and else stays
 *   checksums  those that were right before are right after
 *   verdict    is the one that belongs to its reason
 *
 * and at the end the state is in order (tests/state.h): what is wrong in it stays wrong.
 *
 * An input begins with a byte of settings; then records: a byte (what, and how much time passes before), two bytes of
 * length, and so many bytes of packet. tests/fuzz/packet_corpus.py makes inputs of whole packets with one field out of
 * range each. Packets start 2 mod 4, as in the kernel. The sources are included, so that they are compiled with the
 * fuzzer's own counters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "native/env_native.c"
#include "native/instance.c"
#include "native/meet.c"
#include "native/sweep_memory.c"
/* NOLINTEND(bugprone-suspicious-include) */
#include "native/packet_build.h"
#include "tests/fuzz/packet_format.h"
#include "tests/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	PACKET_MOST = 2048,
	INPUT_MOST = 8192,
	EVENTS_MOST = 16,
	ETHERNET = 14,
	TIME_MOST = TIME / 4,
	ADDRESS_FLAGS = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL
};

struct fuzz {
	struct nat_instance nat;
	struct sweep *sweep;
	struct native_frame frame;
	enum native_hook hook;
	u8 before[PACKET_MOST];
};

static const u8 verdicts[REASONS] = {
#define REASON(id, verdict, text) VERDICT_##verdict,
#include "core/reasons.def"
#undef REASON
};

static void require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "ERROR: %s\n", what);
	abort();
}

static u32 word_at(const u8 *at) { return (u32)at[0] << 8 | at[1]; }

static int address_at(struct fuzz *f, const u8 *at)
{
	return address_is_ours(&f->nat, f->nat.config, get32(at, 0));
}

/*
 * What may change
 */

static void allow(u8 *mask, u32 from, u32 bytes, u32 length)
{
	for (u32 i = from; i < from + bytes && i < length; i++)
		mask[i] = 1;
}

static void allow_check(u8 *mask, u32 l4, u8 protocol, u32 length)
{
	int class = protocol_class(protocol);

	if (class >= 0)
		allow(mask, l4 + class_check((u32) class), class == CLASS_SCTP ? 4 : 2, length);
}

/* Addresses and checksum of the IP header at l3, and if it has them ports and their checksum. Returns the latter's place. */
static u32 allow_header(const u8 *ip, u8 *mask, u32 l3, u32 length)
{
	u32 l4 = l3 + (ip[l3] & 15u) * 4;

	allow(mask, l3 + 10, 10, length);
	if (word_at(ip + l3 + 6) & 0x1fff)
		return length;
	allow_check(mask, l4, ip[l3 + 9], length);
	return l4;
}

/* mask: a byte for each of the packet's, 1 where translation may write. */
static void allow_all(const u8 *ip, u8 *mask, u32 length)
{
	u32 l4 = allow_header(ip, mask, 0, length);

	if (l4 >= length)
		return;
	if (ip[9] != PROTOCOL_ICMP) {
		allow(mask, l4, 4, length);
		return;
	}
	if (!icmp_is_error(ip[l4])) {
		allow(mask, l4 + 4, 2, length);
		return;
	}
	u32 quote = l4 + 8, quoted_l4 = allow_header(ip, mask, quote, length);
	allow(mask, quoted_l4 + (ip[quote + 9] == PROTOCOL_ICMP ? 4 : 0),
	      ip[quote + 9] == PROTOCOL_ICMP ? 2 : 4, length);
}

/* Where a whole SYN announces its largest segment, from the IP header on; 0: nowhere. */
static u32 announced_at(const u8 *ip)
{
	u32 tcp = (ip[0] & 15u) * 4, at = tcp + 20, end = tcp + (ip[tcp + 12] >> 4) * 4u;

	if (ip[9] != PROTOCOL_TCP || word_at(ip + 6) & 0x3fff || !(ip[tcp + 13] & TCP_SYN))
		return 0;
	while (at < end && ip[at] != 0) {
		u32 bytes = ip[at] == 1 || at + 1 == end ? 1 : ip[at + 1];

		if (at + bytes > end || (ip[at] != 1 && bytes < 2))
			return 0;
		if (ip[at] == 2)
			return bytes == 4 ? at + 2 : 0;
		at += bytes;
	}
	return 0;
}

static void announced_require(const struct fuzz *f, u8 *mask, u32 length)
{
	const u8 *before = f->before + f->frame.l3, *ip = f->frame.data + f->frame.l3;
	u32 at = f->hook == NATIVE_HAIRPIN ? 0 : announced_at(before), most = f->nat.config->mss[0];

	if (!at)
		return;
	u32 was = word_at(before + at);
	require(word_at(ip + at) == (most && most < was ? most : was),
		"a SYN announces a wrong largest segment");
	allow(mask, at, 2, length);
}

static void bytes_require(const struct fuzz *f, int translated)
{
	static u8 mask[PACKET_MOST];
	u32 l3 = f->frame.l3, length = f->frame.length - l3;
	const u8 *before = f->before + l3;

	memset(mask, 0, length);
	if (translated) {
		u32 said = word_at(before + 2);
		allow_all(before, mask, said < length ? said : length); /* nothing behind the IP packet */
		mask[8] = f->hook == NATIVE_HAIRPIN;
		mask[4] = mask[5] =
			f->hook != NATIVE_IN && (word_at(before + 6) & 0x7fff) != 0x4000; /* RFC 6864 */
		announced_require(f, mask, length);
	}
	for (u32 i = 0; i < length; i++)
		require(mask[i] || f->frame.data[l3 + i] == before[i],
			translated ? "bytes that are not the headers' changed"
				   : "bytes changed without translation");
	require(!memcmp(f->before, f->frame.data, l3), "the link's header changed");
}

/*
 * Who may leave
 */

static void leak_require(struct fuzz *f, u32 reason)
{
	const u8 *ip = f->frame.data + f->frame.l3;

	if (f->hook != NATIVE_OUT || !f->frame.ingress_ifindex || reason == REASON_not_ipv4)
		return;
	require(address_at(f, ip + 12), "an inside source left untranslated");
	if (reason == REASON_out_error)
		require(address_at(f, ip + (ip[0] & 15u) * 4 + 8 + 16),
			"an inside address left within a quote");
}

static void ends_require(struct fuzz *f, u32 reason)
{
	const u8 *ip = f->frame.data + f->frame.l3, *before = f->before + f->frame.l3;
	int own = f->hook == NATIVE_IN && reason != REASON_in_error && !memcmp(ip + 16, before + 16, 4);

	if (f->hook == NATIVE_OUT)
		require(!memcmp(ip + 16, before + 16, 4), "an outbound packet changed its target");
	if (f->hook == NATIVE_IN)
		require(!memcmp(ip + 12, before + 12, 4), "an inbound packet changed its source");
	if (f->hook == NATIVE_HAIRPIN)
		require(address_at(f, ip + 12) && !address_at(f, ip + 16),
			"a hairpinned packet has a wrong end");
	if (f->hook == NATIVE_IN && !own)
		require(!address_at(f, ip + 16) || reason == REASON_in_error,
			"an inbound packet stays outside");
}

static void meet_one(struct fuzz *f)
{
	u32 l3 = f->frame.l3, length = f->frame.length - l3;

	memcpy(f->before, f->frame.data, f->frame.length);
	unsigned int bad = packet_check(f->before + l3, length);
	struct native_result result = native_meet(&f->nat, f->hook, &f->frame);
	require(result.reason < REASONS, "no reason");
	require(result.verdict == verdicts[result.reason], "a verdict that is not its reason's");
	if (result.verdict == VERDICT_ANSWER) {
		require(!(packet_check(f->frame.data + l3, result.length - l3) & ~bad),
			"an answer has a wrong checksum where the packet had a right one");
		require(!memcmp(f->frame.data + l3 + 16, f->before + l3 + 12, 4),
			"an answer to somebody else");
	} else if (result.verdict != VERDICT_DROP) {
		bytes_require(f, result.verdict == VERDICT_TRANSLATE);
		leak_require(f, result.reason);
	}
	if (result.verdict == VERDICT_TRANSLATE) {
		ends_require(f, result.reason);
		require(!(packet_check(f->frame.data + l3, length) & ~bad),
			"a checksum was right and is wrong");
	}
}

static void state_require(struct fuzz *f)
{
	struct state_fault fault;

	if (state_check(&f->nat, STATE_QUIET, &fault) || state_summaries(&f->nat, &fault))
		require(0, fault.what);
}

/*
 * Events
 */

static void reset(struct fuzz *f, u32 keep)
{
	u64 word = f->nat.config->generation[0] + 1;

	if (keep > 0)
		word += 1ull << GENERATION_BITS;
	if (keep > 1)
		word += 1ull << 2 * GENERATION_BITS;
	STORE(&f->nat.config->generation[0], word);
}

static void event(struct fuzz *f, u8 what)
{
	struct config *c = f->nat.config;
	u32 index = what >> 4 & 1;
	struct outside_address a;

	switch (what & 15) {
	case PACKET_EVENT_SWEEP:
		if (!f->sweep)
			f->sweep = sweep_memory_new(&f->nat);
		require(f->sweep != NULL, "no memory");
		sweep_pass(f->sweep, f->nat.now & TIME);
		break;
	case PACKET_EVENT_RESET:
		reset(f, (what >> 4) % 3);
		break;
	case PACKET_EVENT_ADDRESS: /* one of the two leaves, or returns */
		a = address_find(&f->nat, c, packet_outside(index));
		(void)native_address_set(&f->nat, 0, packet_outside(index), a.flags ? 0 : ADDRESS_FLAGS);
		break;
	case PACKET_EVENT_HAIRPIN:
		c->hairpin = !c->hairpin;
		break;
	default:
		break;
	}
}

static const struct native_sizes sizes = {
	.flows = 128, .mappings = 128, .hosts = 32, .fragments = 32, .addresses = 2
};

static void create(struct nat_instance *nat, int addresses)
{
	require(!native_create(nat, &sizes, 1), "no memory");
	require(!native_interface_add(nat, PACKET_OUTSIDE_IFINDEX, ROLE_OUTSIDE), "no interface");
	require(native_interface_add(nat, PACKET_INSIDE_IFINDEX, ROLE_INSIDE) == MAX_OUTSIDE, "no interface");
	for (int i = 0; i < addresses; i++)
		(void)native_address_set(nat, 0, packet_outside((u32)i), ADDRESS_FLAGS);
	(void)native_socket_add(nat, CLASS_UDP, 0, host_to_be16(53), 0, 0);
	(void)native_socket_add(nat, CLASS_TCP, packet_outside(0), host_to_be16(22), 0, 0);
}

/* A fresh NAT, copied from one that is never used: filling a pool takes longer than an input does. */
static void begin(struct fuzz *f, u8 settings)
{
	static struct nat_instance fresh[2];
	static int made;
	const struct nat_instance *from = &fresh[(settings & PACKET_SETTING_TWO_ADDRESSES) != 0];

	if (!made) {
		create(&fresh[0], 1);
		create(&fresh[1], 2);
		create(&f->nat, 0);
		made = 1;
	}
	for (int i = 0; i < NATIVE_COUNTERS; i++) {
		size_t bytes =
			i == NATIVE_POOLS ? POOL_BUCKETS * sizeof(u64) : native_extent(&sizes, i).bytes;
		memcpy(native_array(&f->nat, i), native_array(from, i), bytes);
	}
	f->sweep = NULL;
	if (settings & PACKET_SETTING_NETWORKS)
		(void)native_network_add(&f->nat, host_to_be32(PACKET_NETWORK), host_to_be32(PACKET_MASK));
	for (u32 i = 0; i < FILTERINGS; i++)
		f->nat.config->filtering[i] = (settings & 3) % 3;
	if (settings & PACKET_SETTING_FEW_PORTS) {
		f->nat.config->port_min = 5000;
		f->nat.config->port_max = 5007;
	}
	f->nat.config->port_parity = (settings & PACKET_SETTING_PARITY) != 0;
	f->nat.config->mss[0] = packet_mss(settings);
	f->nat.config->hold = 1;
	f->nat.now = 1000;
}

/* In memory of just its size, so that a byte read beyond it is seen. */
static void frame_meet(struct fuzz *f, u8 what, const u8 *packet, u32 length)
{
	u32 l3 = what & PACKET_ETHERNET ? ETHERNET : 0, pad = 2 - (l3 & 2);
	u8 *block = calloc(1, pad + l3 + length);

	require(block != NULL, "no memory");
	f->hook = (enum native_hook)(what & PACKET_WHAT);
	f->frame.l3 = l3;
	f->frame.data = block + pad;
	f->frame.length = l3 + length;
	f->frame.ifindex = f->hook == NATIVE_HAIRPIN ? PACKET_INSIDE_IFINDEX : PACKET_OUTSIDE_IFINDEX;
	f->frame.ingress_ifindex =
		f->hook == NATIVE_OUT && !(what & PACKET_LOCAL) ? PACKET_INSIDE_IFINDEX : 0;
	if (l3)
		f->frame.data[12] = 8; /* IPv4 */
	memcpy(f->frame.data + l3, packet, length);
	meet_one(f);
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	struct fuzz *f = &fuzz;
	size_t at = 1;
	u32 events = 0;

	if (!size || size > INPUT_MOST)
		return 0;
	begin(f, data[0]);
	while (at + 3 <= size) {
		u8 what = data[at];
		u32 length = (u32)data[at + 1] | (u32)data[at + 2] << 8;
		at += 3;
		f->nat.now += (1u << (what >> PACKET_TIME_SHIFT)) - 1;
		if ((what & PACKET_WHAT) == PACKET_EVENT) {
			if (++events > EVENTS_MOST)
				break;
			event(f, (u8)length);
			continue;
		}
		if (length > PACKET_MOST - ETHERNET)
			length = PACKET_MOST - ETHERNET;
		if (length > size - at)
			length = (u32)(size - at);
		frame_meet(f, what, data + at, length);
		at += length;
		if (f->nat.now > TIME_MOST)
			break; /* longer than any idle time that can be told */
	}
	sweep_memory_free(f->sweep);
	state_require(f);
	return 0;
}
