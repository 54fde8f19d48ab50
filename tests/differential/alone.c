/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * alone.c - random packets on an interface where each host has an outside address to itself, against a naive list of who has
 * which: UDP and GRE, out and in, resets, addresses that leave and return, time.
 *
 * Right is: ports stay; no address is given to two; a host keeps its own until a reset of hosts, the loss of the address or
 * idleness; nobody is refused while an address is surely free; answers come to who asked, and nothing else comes in. The
 * list does not know when an idle host gives way, and takes either.
 */
#include "tests/differential/rounds.h"
#include "tests/state.h"

enum { ROUND = 3000, OPERATIONS = 90000 };
enum { HOSTS = 9, PORTS = 4, REMOTES = 2, POOL = 5, GRE = 47, STEP = 150 };

struct host_model {
	__be32 address; /* 0: none */
	bool doubt;	/* idle: it may have given way */
	u32 last;	/* its last packet */
	u32 sent[PORTS + 1]
		[REMOTES];  /* when, + 1; 0: not since a reset or another address; the last row: GRE */
	bool mapped[PORTS]; /* perhaps it has a mapping */
};

struct lab {
	struct rounds rounds;
	struct nat_instance nat;
	struct host_model hosts[HOSTS];
	u32 pool;	 /* addresses */
	bool live[POOL]; /* on the interface */
	u32 left[POOL];	 /* when somebody left it, + 1: for a while it may look taken */
	u64 translated, refused, moved;
	u32 now, clock;
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }
static void wrong_set(struct lab *lab, const char *wrong) { rounds_wrong(&lab->rounds, wrong); }

static __be32 inside(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside(u32 i) { return host_to_be32(0xc6336465 + i); }
static u16 port_of(u32 i) { return (u16)(500 + 7 * i); }
static u32 pool_of(__be32 address) { return be32_to_host(address) - be32_to_host(outside(0)); }

/*
 * The list
 */

static bool address_live(const struct lab *lab, __be32 address)
{
	return address && pool_of(address) < lab->pool && lab->live[pool_of(address)];
}

static void host_leaves(struct lab *lab, struct host_model *h)
{
	if (h->address && pool_of(h->address) < POOL)
		lab->left[pool_of(h->address)] = lab->now + 1;
	memset(h->sent, 0, sizeof(h->sent));
	memset(h->mapped, 0, sizeof(h->mapped));
	h->address = 0;
	h->doubt = false;
}

/* Is there an address that nobody can have? */
static bool some_is_free(const struct lab *lab)
{
	for (u32 i = 0; i < lab->pool; i++) {
		bool held = !lab->live[i] || lab->left[i];
		for (u32 h = 0; h < HOSTS; h++)
			held |= lab->hosts[h].address == outside(i);
		if (!held)
			return true;
	}
	return false;
}

static void given_judge(struct lab *lab, u32 host, __be32 address)
{
	struct host_model *h = &lab->hosts[host];

	if (!address_live(lab, address))
		wrong_set(lab, "it left with an address that is not in the pool");
	if (!h->doubt && address_live(lab, h->address) && h->address != address)
		wrong_set(lab, "the host left with another address than before");
	for (u32 i = 0; i < HOSTS; i++) {
		struct host_model *other = &lab->hosts[i];
		if (i == host || other->address != address)
			continue;
		if (!other->doubt)
			wrong_set(lab, "an address was given to two");
		host_leaves(lab, other);
		lab->moved++;
	}
	if (h->address != address)
		host_leaves(lab, h);
	h->address = address;
	h->doubt = false;
	lab->left[pool_of(address)] = 0;
}

static void refusal_judge(struct lab *lab, u32 host, u32 reason)
{
	const struct host_model *h = &lab->hosts[host];

	if (reason != REASON_no_free_address && reason != REASON_no_address)
		wrong_set(lab, "dropped for no reason that the list knows");
	if (!h->doubt && address_live(lab, h->address))
		wrong_set(lab, "a host that has an address was refused");
	if (some_is_free(lab))
		wrong_set(lab, "refused, though an address is free");
}

/*
 * Packets
 */

static u32 send(struct lab *lab, enum native_hook hook, struct packet_spec *s)
{
	static u8 ip[ROOM];
	int length = packet_build(s, ip, ROOM);
	u32 reason =
		rounds_meet(&lab->nat, hook, hook == NATIVE_OUT ? IN_IFINDEX : 0, ip, (u32)length).reason;

	memcpy(&s->saddr, ip + 12, 4);
	memcpy(&s->daddr, ip + 16, 4);
	if (s->protocol == PROTOCOL_UDP) {
		s->sport = (u16)(ip[20] << 8 | ip[21]);
		s->dport = (u16)(ip[22] << 8 | ip[23]);
	}
	if (packet_check(ip, (size_t)length))
		wrong_set(lab, "a wrong checksum");
	return reason;
}

static void out_op(struct lab *lab)
{
	u32 host = chance(lab, HOSTS), port = chance(lab, PORTS + 1), to = chance(lab, REMOTES);
	struct host_model *h = &lab->hosts[host];
	struct packet_spec s = { .protocol = port < PORTS ? PROTOCOL_UDP : GRE,
				 .saddr = inside(host),
				 .daddr = remote(to),
				 .sport = port < PORTS ? port_of(port) : 0,
				 .dport = port < PORTS ? 53 : 0,
				 .payload_length = 20 };
	u32 reason = send(lab, NATIVE_OUT, &s);

	rounds_tell(&lab->rounds, "at %u: out, host %u, port %u: reason %u, address %08x", lab->now, host,
		    port, reason, be32_to_host(s.saddr));
	if (reason_verdict(reason) != VERDICT_TRANSLATE) {
		lab->refused++;
		refusal_judge(lab, host, reason);
		return;
	}
	lab->translated++;
	if (port < PORTS && (s.sport != port_of(port) || s.dport != 53))
		wrong_set(lab, "a port was changed");
	given_judge(lab, host, s.saddr);
	h->last = lab->now;
	h->sent[port][to] = lab->now + 1;
	if (port < PORTS)
		h->mapped[port] = true;
}

static void in_op(struct lab *lab)
{
	u32 at = chance(lab, lab->pool), port = chance(lab, PORTS + 1), from = chance(lab, REMOTES), timeout;
	struct packet_spec s = { .protocol = port < PORTS ? PROTOCOL_UDP : GRE,
				 .saddr = remote(from),
				 .daddr = outside(at),
				 .sport = port < PORTS ? 53 : 0,
				 .dport = port < PORTS ? port_of(port) : 0,
				 .payload_length = 20 };
	struct host_model *h = NULL;
	u32 reason = send(lab, NATIVE_IN, &s);
	bool in = reason_verdict(reason) == VERDICT_TRANSLATE;

	rounds_tell(&lab->rounds, "at %u: in, address %u, port %u: reason %u, to %08x", lab->now, at, port,
		    reason, be32_to_host(s.daddr));
	for (u32 i = 0; i < HOSTS; i++)
		if (lab->hosts[i].address == outside(at))
			h = &lab->hosts[i];
	timeout = lab->nat.config->timers.udp_timeout;
	bool asked =
		h && lab->live[at] && h->sent[port][from] && lab->now - (h->sent[port][from] - 1) <= timeout;
	if (!in) {
		if (asked)
			wrong_set(lab, "an answer was refused");
		return;
	}
	if (!h || s.daddr != inside((u32)(h - lab->hosts)) || (port < PORTS && s.dport != port_of(port)))
		wrong_set(lab, "it came to somebody else");
	else if (port < PORTS ? !h->mapped[port] : !h->sent[port][from])
		wrong_set(lab, "nobody asked for it");
	else
		h->last = lab->now;
	if (h && h->sent[port][from])
		h->sent[port][from] = lab->now + 1;
}

/*
 * Time and changes
 */

/* Has it what it sent by, or did a reset end that? */
static bool host_has_any(const struct host_model *h)
{
	bool any = false;

	for (u32 port = 0; port <= PORTS; port++)
		for (u32 to = 0; to < REMOTES; to++)
			any |= h->sent[port][to] || (port < PORTS && h->mapped[port]);
	return any;
}

static void sweep(struct lab *lab, u32 passes)
{
	const struct timers *t = &lab->nat.config->timers;
	u32 without = t->hold_down_timeout < t->host_retention_timeout ? t->hold_down_timeout
								       : t->host_retention_timeout;
	struct state_fault fault;

	for (u32 i = 0; i < passes; i++)
		sweep_pass(lab->rounds.sweep, lab->nat.now);
	for (u32 i = 0; i < HOSTS; i++) {
		struct host_model *h = &lab->hosts[i];
		u32 idle = lab->now - h->last;

		h->doubt |= h->address && idle > (host_has_any(h) ? t->udp_timeout : without);
		if (h->address && idle > 2 * t->udp_timeout + t->host_retention_timeout + 2 * STEP)
			host_leaves(lab, h);
	}
	for (u32 i = 0; i < lab->pool; i++)
		if (lab->left[i] && lab->now - (lab->left[i] - 1) > 2 * STEP)
			lab->left[i] = 0;
	if (state_check(&lab->nat, 0, &fault))
		wrong_set(lab, "the state is not in order");
}

static void time_op(struct lab *lab)
{
	lab->now += chance(lab, 4) ? 1 + chance(lab, 5) : 1 + chance(lab, STEP);
	lab->nat.now = (lab->clock + lab->now) & TIME;
	rounds_tell(&lab->rounds, "at %u: sweep", lab->now);
	sweep(lab, 3);
}

static void reset_op(struct lab *lab)
{
	u32 how = chance(lab, 3);

	rounds_tell(&lab->rounds, "at %u: reset %u", lab->now, how);
	native_reset(&lab->nat, 0, TABLE_FLOWS);
	if (how)
		native_reset(&lab->nat, 0, TABLE_MAPPINGS);
	if (how > 1)
		native_reset(&lab->nat, 0, TABLE_HOSTS);
	for (u32 i = 0; i < HOSTS; i++) {
		struct host_model *h = &lab->hosts[i];
		memset(h->sent, 0, sizeof(h->sent));
		if (how)
			memset(h->mapped, 0, sizeof(h->mapped));
		if (how < 2)
			continue;
		host_leaves(lab, h);
	}
	if (how > 1)
		memset(lab->left, 0, sizeof(lab->left)); /* free at once */
}

static void address_op(struct lab *lab)
{
	u32 at = chance(lab, lab->pool);

	lab->live[at] = !lab->live[at];
	rounds_tell(&lab->rounds, "at %u: address %u %s", lab->now, at, lab->live[at] ? "is back" : "leaves");
	native_address_set(&lab->nat, 0, outside(at), lab->live[at] ? ADDRESS_LIVE | ADDRESS_POOL : 0);
	for (u32 i = 0; i < HOSTS; i++) /* those of an address that returns are renewed with all others */
		if (lab->live[at] || lab->hosts[i].address == outside(at))
			memset(lab->hosts[i].sent, 0, sizeof(lab->hosts[i].sent));
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);

	if (n < 550)
		out_op(lab);
	else if (n < 970)
		in_op(lab);
	else if (n < 994)
		time_op(lab);
	else if (n < 996)
		reset_op(lab);
	else
		address_op(lab);
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = { .flows = 1024, .mappings = 1024, .hosts = 128, .addresses = POOL + 1 };

	if (rounds_nat(&lab->rounds, &lab->nat, &sizes))
		return -1;
	struct config *c = lab->nat.config;
	native_interface_alone(&lab->nat, 0);
	native_network_add(&lab->nat, host_to_be32(0x0a000000), host_to_be32(0xffff0000));
	native_address_set(&lab->nat, 0, host_to_be32(0xc6336401), ADDRESS_LIVE | ADDRESS_LOCAL);
	c->timers.udp_timeout = 20 + chance(lab, 60);
	c->timers.hold_down_timeout = 1 + chance(lab, 60);
	c->timers.host_retention_timeout = 1 + chance(lab, 400);
	c->port_preserve = (u8)chance(lab, 2);
	lab->pool = 1 + chance(lab, POOL);
	memset(lab->hosts, 0, sizeof(lab->hosts));
	memset(lab->left, 0, sizeof(lab->left));
	for (u32 i = 0; i < lab->pool; i++) {
		lab->live[i] = true;
		native_address_set(&lab->nat, 0, outside(i), ADDRESS_LIVE | ADDRESS_POOL);
	}
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
	printf("# %llu operations in %llu rounds: %llu translated, %llu refused, %llu addresses changed "
	       "hands\n",
	       lab.rounds.operations, lab.rounds.number, lab.translated, lab.refused, lab.moved);
	return rounds_end(&lab.rounds, "alone", "a naive list", lab.moved && lab.refused);
}
