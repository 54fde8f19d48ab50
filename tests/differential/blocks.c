/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * blocks.c - random packets where ports are shared out (RFC 7422) and lent in blocks, against a naive deal of the ports.
 *
 * The deal is made port by port, as RFC 7422 section 2.2 tells it, with no arithmetic of the core's. Right is: a host leaves
 * by a port that was dealt to it, or by one of a block; all that is live in a block is one host's, and no host has more
 * blocks than it may; nobody is refused while a port of its own is to be had, or of its blocks, or a block that it may have;
 * a host to which nothing was dealt is refused. Which ports are taken the tables tell.
 */
#include "core/shares.h"
#include "tests/differential/rounds.h"
#include "tests/state.h"

enum { ROUND = 4000, OPERATIONS = 120000 };
enum {
	HOSTS = 8,
	STRANGERS = 2,
	POOL = 3,
	FIRST = 1024,
	LAST = 2047,
	SIZE = 64,
	CLASSES_TRIED = CLASS_ICMP + 1
};

struct lab {
	struct rounds rounds;
	struct nat_instance nat;
	u32 pool, max, ratio;
	u8 dealt[POOL][LAST + 1]; /* to which host, + 1 */
	bool deterministic, lends;
	u64 translated, refused, by_block;
	u32 now, clock;
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }
static __be32 inside(u32 i) { return host_to_be32(0x0a000010 + i); }
static __be32 outside(u32 i) { return host_to_be32(0xc6336465 + i); }

static void wrong_set(struct lab *lab, const char *wrong) { rounds_wrong(&lab->rounds, wrong); }

/*
 * The deal
 */

static void deal_one(struct lab *lab, u32 address, u32 port, u32 host)
{
	if (host < HOSTS)
		lab->dealt[address][port] = (u8)(host + 1);
}

static void deal(struct lab *lab, enum algorithm algorithm, u32 each)
{
	u32 port = FIRST, round = each / lab->pool;

	memset(lab->dealt, 0, sizeof(lab->dealt));
	switch (algorithm) {
	case ALGORITHM_SEQUENTIAL: /* the first block goes to address 1, the second block to address 2 */
		for (u32 c = 0; c < lab->ratio; c++)
			for (u32 n = 0; n < each; n++, port++)
				for (u32 a = 0; a < lab->pool; a++)
					deal_one(lab, a, port, a * lab->ratio + c);
		return;
	case ALGORITHM_STAGGERED: /* one port to each, and again */
		for (u32 n = 0; n < each; n++)
			for (u32 c = 0; c < lab->ratio; c++, port++)
				for (u32 a = 0; a < lab->pool; a++)
					deal_one(lab, a, port, a * lab->ratio + c);
		return;
	case ALGORITHM_ROUND_ROBIN: /* the same port across the pool, then the next highest */
		for (u32 host = 0; host < lab->ratio * lab->pool; host++)
			for (u32 n = 0; n < round; n++, port++)
				for (u32 a = 0; a < lab->pool; a++)
					deal_one(lab, a, port, host);
		return;
	default: /* every Cth port, spread across the pool: each round begins one address on */
		for (u32 n = 0; n < round * lab->pool; n++)
			for (u32 c = 0; c < lab->ratio; c++, port++)
				for (u32 a = 0; a < lab->pool; a++)
					deal_one(lab, (a + n) % lab->pool, port, c * lab->pool + a);
		return;
	}
}

/*
 * What the tables tell
 */

static bool half_there(struct lab *lab, u32 address, u32 port, u8 class)
{
	struct endpoint e = { .addr = outside(address), .port = host_to_be16(port), .zero = 0 };
	u64 key = mapping_key(e, class, HALF_OUTSIDE, 0), w;
	u32 at;

	return table_find(&lab->nat, lab->nat.config, TABLE_MAPPINGS,
			  table_hash(lab->nat.config, TABLE_MAPPINGS, &key), &key, &w, &at);
}

/* The live inside half in this slot, or NULL. */
static const struct mapping *live_at(struct lab *lab, u32 at)
{
	const struct mapping *m = (const struct mapping *)env_slot(&lab->nat, TABLE_MAPPINGS, at);

	if (word_state(m->word) != LIVE || m->half & HALF_OUTSIDE || word_flags(m->word) & RESTING ||
	    mapping_stale(lab->nat.config, 0, m->own, m->word))
		return NULL;
	return m;
}

/* Is a port to be had of those that were dealt to the host, or of a block that it has or may have? */
static bool port_is_free(struct lab *lab, u32 host, u8 class)
{
	u32 blocks = 0, home = POOL;

	for (u32 a = 0; a < lab->pool; a++)
		for (u32 port = FIRST; port <= LAST; port++)
			if (lab->dealt[a][port] == host + 1 && !half_there(lab, a, port, class))
				return true;
	for (u32 i = 0; i <= lab->nat.config->mapping_mask; i++) {
		const struct mapping *m = live_at(lab, i);
		if (!m || m->class != CLASS_BLOCK || m->key_addr != inside(host))
			continue;
		blocks++;
		home = be32_to_host(m->addr) - be32_to_host(outside(0));
		for (u32 n = 0; n < SIZE; n++)
			if (!half_there(lab, home, be16_to_host(m->port) * SIZE + n, class))
				return true;
	}
	if (!lab->lends || blocks == lab->max)
		return false;
	/* Which address it would be of is known if it has one; else all must be without. */
	const struct shares *s = &lab->nat.config->shares[0];
	for (u32 a = 0; a < lab->pool; a++) {
		bool open = false;
		for (u32 n = 0; n < s->block_count; n++)
			open |= !half_there(lab, a, s->block_first + n, CLASS_BLOCK);
		if (a == home)
			return open;
		if (!open)
			return false;
	}
	return home == POOL;
}

/* All that is live in a block is one host's, and lies in a block that it has; and no host has more of them than it may. */
static void blocks_judge(struct lab *lab)
{
	static u32 owner[POOL][LAST / SIZE + 1];
	u32 count[HOSTS + STRANGERS] = { 0 };

	memset(owner, 0, sizeof(owner));
	for (u32 pass = 0; pass < 2; pass++)
		for (u32 i = 0; i <= lab->nat.config->mapping_mask; i++) {
			const struct mapping *m = live_at(lab, i);
			if (!m || (m->class == CLASS_BLOCK) == pass)
				continue;
			u32 a = be32_to_host(m->addr) - be32_to_host(outside(0)),
			    port = be16_to_host(m->port),
			    host = be32_to_host(m->key_addr) - be32_to_host(inside(0));
			if (a >= lab->pool || host >= HOSTS + STRANGERS) {
				wrong_set(lab, "a mapping of nobody");
			} else if (!pass) {
				if (owner[a][port])
					wrong_set(lab, "a block was lent to two");
				owner[a][port] = host + 1;
				if (++count[host] > lab->max)
					wrong_set(lab, "a host has too many blocks");
			} else if (lab->dealt[a][port] != host + 1 && owner[a][port / SIZE] != host + 1) {
				wrong_set(lab, "a mapping outside of its host's ports and blocks");
			}
		}
}

/*
 * Packets and time
 */

static void out_op(struct lab *lab)
{
	static const u8 protocols[CLASSES_TRIED] = { PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP };
	static u8 ip[ROOM];
	u32 host = chance(lab, 8) ? chance(lab, 2) : chance(lab, HOSTS + STRANGERS), class = chance(lab, 3);
	struct packet_spec s = { .protocol = protocols[class],
				 .saddr = inside(host),
				 .daddr = host_to_be32(0xcb007101),
				 .sport = (u16)(FIRST - 100 + chance(lab, LAST - FIRST)),
				 .dport = 53,
				 .tcp_flags = 2,
				 .icmp_type = 8,
				 .payload_length = 20 };
	if (class == CLASS_ICMP)
		s.dport = 0;
	int length = packet_build(&s, ip, ROOM);
	u32 reason = rounds_meet(&lab->nat, NATIVE_OUT, IN_IFINDEX, ip, (u32)length).reason, addr;
	memcpy(&addr, ip + 12, 4);
	u32 at = class == CLASS_ICMP ? 24 : 20, port = (u32)ip[at] << 8 | ip[at + 1],
	    a = be32_to_host(addr) - be32_to_host(outside(0));
	rounds_tell(&lab->rounds, "at %u: host %u class %u port %u: reason %u, address %u port %u", lab->now,
		    host, class, s.sport, reason, a, port);
	if (reason_verdict(reason) == VERDICT_TRANSLATE) {
		lab->translated++;
		if (a >= lab->pool)
			wrong_set(lab, "not an address of the pool");
		else if (lab->dealt[a][port] == host + 1)
			return;
		if (!lab->lends || port < FIRST || port > LAST || (a < lab->pool && lab->dealt[a][port]))
			wrong_set(lab, "a port that is not the host's");
		if (lab->deterministic && host >= HOSTS)
			wrong_set(lab, "a host that is not served");
		lab->by_block++;
		return;
	}
	lab->refused++;
	if (lab->deterministic && host >= HOSTS) {
		if (reason != REASON_no_address)
			wrong_set(lab, "a stranger was refused for another reason");
		return;
	}
	if (reason != REASON_no_port)
		wrong_set(lab, "refused for a reason that there cannot be");
	else if (port_is_free(lab, host, (u8) class))
		wrong_set(lab, "refused, though there is a port");
}

static void time_op(struct lab *lab)
{
	struct state_fault fault;

	lab->now += chance(lab, 3) ? 1 + chance(lab, 5) : 1 + chance(lab, 100);
	lab->nat.now = (lab->clock + lab->now) & TIME;
	rounds_tell(&lab->rounds, "at %u: sweep", lab->now);
	for (u32 i = 0; i < 3; i++)
		sweep_pass(lab->rounds.sweep, lab->nat.now);
	blocks_judge(lab);
	if (state_check(&lab->nat, 0, &fault)) {
		rounds_tell(&lab->rounds, "at %u: %s", lab->now, fault.what);
		wrong_set(lab, "the state is not in order");
	}
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);

	if (n < 985) {
		out_op(lab);
	} else if (n < 997) {
		time_op(lab);
	} else {
		native_reset(&lab->nat, 0, TABLE_FLOWS);
		native_reset(&lab->nat, 0, TABLE_MAPPINGS);
		if (n == 999)
			native_reset(&lab->nat, 0, TABLE_HOSTS);
	}
}

static void shares_choose(struct lab *lab)
{
	struct shares s = { .inside = 0 };
	enum algorithm algorithm = (enum algorithm)chance(lab, 4);

	lab->deterministic = chance(lab, 4) != 0;
	lab->lends = !lab->deterministic || chance(lab, 2);
	lab->max = 1 + chance(lab, 3);
	memset(lab->dealt, 0, sizeof(lab->dealt));
	if (lab->deterministic) {
		if (shares_own(&s, algorithm, be32_to_host(inside(0)), HOSTS, lab->pool, 0,
			       lab->lends ? 1 + chance(lab, 8) : chance(lab, 2), FIRST, LAST))
			wrong_set(lab, "the ports cannot be shared out");
		lab->ratio = (HOSTS + lab->pool - 1) / lab->pool;
		deal(lab, algorithm, s.each);
	}
	if (lab->lends)
		shares_lend(&s, SIZE, lab->max, FIRST, LAST);
	native_interface_shares(&lab->nat, 0, &s);
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = { .flows = 8192, .mappings = 8192, .hosts = 128, .addresses = POOL };

	if (rounds_nat(&lab->rounds, &lab->nat, &sizes))
		return -1;
	struct config *c = lab->nat.config;
	native_network_add(&lab->nat, host_to_be32(0x0a000000), host_to_be32(0xffff0000));
	c->port_min = FIRST;
	c->port_max = LAST;
	c->port_parity = (u8)chance(lab, 2);
	c->port_preserve = (u8)chance(lab, 2);
	c->timers.udp_timeout = c->timers.icmp_timeout = 20 + chance(lab, 60);
	c->timers.tcp_trans_open_timeout = c->timers.tcp_trans_close_timeout = 20 + chance(lab, 60);
	c->timers.hold_down_timeout = 1 + chance(lab, 60);
	lab->pool = 1 + chance(lab, POOL);
	for (u32 i = 0; i < lab->pool; i++)
		native_address_set(&lab->nat, 0, outside(i), ADDRESS_LIVE | ADDRESS_POOL);
	shares_choose(lab);
	lab->now = 0;
	lab->clock = chance(lab, 0x100000);
	lab->nat.now = lab->clock & TIME;
	return 0;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	static const struct rounds_steps steps = { OPERATIONS, ROUND, round_begin, operation };

	rounds_run(&lab.rounds, &lab, &steps, argc, argv);
	printf("# %llu operations in %llu rounds: %llu translated, %llu of them by blocks, %llu refused\n",
	       lab.rounds.operations, lab.rounds.number, lab.translated, lab.by_block, lab.refused);
	return rounds_end(&lab.rounds, "blocks", "a naive deal", lab.by_block && lab.refused);
}
