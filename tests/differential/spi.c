/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spi.c - random ESP of several hosts to several gateways by one outside address, against a naive table of who has which SPI: out and in,
 * new SPIs from either side, time, sweeps, resets, silence.
 *
 * The table knows of each gateway who waits since when, how many of it, and whether others were there; nothing of slots. Sessions end
 * by silence alone, and then all of them. Bytes behind the IP header must stay as they are.
 */
#include "tests/differential/rounds.h"
#include "tests/state.h"

enum { ROUND = 2000, OPERATIONS = 60000 };
enum {
	HOSTS = 4,
	GATEWAYS = 2,
	SPIS = 24,
	WAIT = 10,
	NOBODY = -1,
	NONE = -1,
	LEAST = -8,
	MOST = 7,
	SILENCE = 100000
};

struct gateway {
	bool claimed, shared;
	int owner, balance, first; /* first: the inbound SPI that came last before its outbound one */
	u32 since;
	bool sends[HOSTS][SPIS];
	int owns[SPIS];
};

struct lab {
	struct rounds rounds;
	struct nat_instance nat;
	struct gateway gateways[GATEWAYS];
	u64 met[REASONS];
	u32 clock;
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }
static void wrong_set(struct lab *lab, const char *wrong) { rounds_wrong(&lab->rounds, wrong); }

static __be32 inside(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside(void) { return host_to_be32(0xc6336402); }

static void forget(struct gateway *g)
{
	memset(g, 0, sizeof(*g));
	g->first = NONE;
	for (u32 i = 0; i < SPIS; i++)
		g->owns[i] = NOBODY;
}

/* What becomes of a packet with an SPI out. */
static u32 out_model(struct lab *lab, struct gateway *g, int host, u32 spi)
{
	if (g->sends[host][spi])
		return REASON_out_session;
	if (!g->claimed || g->owner != host) {
		if (g->claimed && g->balance > 0 && lab->clock - g->since <= WAIT)
			return REASON_spi_waits;
		if (g->claimed && g->balance < 0 && g->first != NONE && g->owns[g->first] == g->owner)
			g->owns[g->first] = NOBODY;
		g->shared = g->claimed;
		g->claimed = true;
		g->owner = host;
		g->balance = 0;
	}
	g->balance += g->balance < MOST;
	g->first = NONE;
	g->since = lab->clock;
	g->sends[host][spi] = true;
	return REASON_out_created;
}

/* The same in; *host: to whom. */
static u32 in_model(struct gateway *g, u32 spi, int *host)
{
	*host = g->owns[spi];
	if (*host != NOBODY)
		return REASON_in_session;
	if (!g->claimed)
		return REASON_no_mapping;
	if (g->balance <= 0 && g->shared)
		return REASON_spi_unknown;
	g->first = g->balance > 0 ? NONE : (int)spi;
	g->balance -= g->balance > LEAST;
	*host = g->owns[spi] = g->owner;
	return REASON_in_created;
}

/* A packet through the core; its endpoints become what it left with. */
static u32 meet(struct lab *lab, enum native_hook hook, __be32 *from, __be32 *to, u32 spi)
{
	static u8 ip[ROOM];
	u8 payload[16];
	struct packet_spec s = { .protocol = PROTOCOL_ESP,
				 .saddr = *from,
				 .daddr = *to,
				 .payload = payload,
				 .payload_length = sizeof(payload) };

	for (u32 i = 0; i < sizeof(payload); i++)
		payload[i] = (u8)chance(lab, 256);
	payload[0] = hook == NATIVE_OUT ? 0x10 : 0x20;
	payload[1] = (u8)spi;
	payload[2] = payload[3] = (u8)(spi * 7);
	int length = packet_build(&s, ip, ROOM);
	u32 reason =
		rounds_meet(&lab->nat, hook, hook == NATIVE_OUT ? IN_IFINDEX : 0, ip, (u32)length).reason;
	memcpy(from, ip + 12, 4);
	memcpy(to, ip + 16, 4);
	if (packet_check(ip, (size_t)length) || memcmp(ip + 20, payload, sizeof(payload)))
		wrong_set(lab, "its bytes are wrong");
	lab->met[reason]++;
	return reason;
}

static void judge(struct lab *lab, const char *what, u32 host, u32 gateway, u32 spi, u32 is, u32 wanted)
{
	rounds_tell(&lab->rounds, "at %u: %s, host %d, gateway %u, SPI %u: reason %u, wanted %u", lab->clock,
		    what, (int)host, gateway, spi, is, wanted);
	if (is != wanted)
		wrong_set(lab, "another reason than the table's");
}

static void out_op(struct lab *lab)
{
	u32 host = chance(lab, HOSTS), gateway = chance(lab, GATEWAYS), spi = chance(lab, SPIS);
	__be32 from = inside(host), to = remote(gateway);
	u32 wanted = out_model(lab, &lab->gateways[gateway], (int)host, spi);
	u32 is = meet(lab, NATIVE_OUT, &from, &to, spi);

	judge(lab, "out", host, gateway, spi, is, wanted);
	if (reason_verdict(is) == VERDICT_TRANSLATE && (from != outside() || to != remote(gateway)))
		wrong_set(lab, "it left with a wrong address");
}

static void in_op(struct lab *lab)
{
	u32 gateway = chance(lab, GATEWAYS), spi = chance(lab, SPIS);
	__be32 from = remote(gateway), to = outside();
	int host;
	u32 wanted = in_model(&lab->gateways[gateway], spi, &host);
	u32 is = meet(lab, NATIVE_IN, &from, &to, spi);

	judge(lab, "in", (u32)host, gateway, spi, is, wanted);
	if (reason_verdict(is) == VERDICT_TRANSLATE && (from != remote(gateway) || to != inside((u32)host)))
		wrong_set(lab, "it came to somebody else");
}

static void pass(struct lab *lab, u32 ticks)
{
	lab->clock += ticks;
	lab->nat.now = (lab->nat.now + ticks) & TIME;
	sweep_pass(lab->rounds.sweep, lab->nat.now);
}

/* Others than who has the claim are seen by the sweep. */
static void time_op(struct lab *lab)
{
	pass(lab, chance(lab, 8));
	for (u32 i = 0; i < GATEWAYS; i++) {
		struct gateway *g = &lab->gateways[i];
		for (u32 spi = 0; spi < SPIS; spi++) {
			g->shared |= g->owns[spi] != NOBODY && g->owns[spi] != g->owner;
			for (int host = 0; host < HOSTS; host++)
				g->shared |= g->sends[host][spi] && host != g->owner;
		}
	}
}

static void end_op(struct lab *lab)
{
	if (chance(lab, 2)) {
		native_reset(&lab->nat, 0, TABLE_FLOWS);
	} else {
		for (u32 i = 0; i < 6; i++)
			pass(lab, SILENCE / 2 + 1);
		rounds_flows_gone(&lab->rounds);
	}
	for (u32 i = 0; i < GATEWAYS; i++)
		forget(&lab->gateways[i]);
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);
	struct state_fault fault;

	if (n < 450)
		out_op(lab);
	else if (n < 900)
		in_op(lab);
	else if (n < 985)
		time_op(lab);
	else
		end_op(lab);
	if (n >= 900 && state_check(&lab->nat, 0, &fault))
		wrong_set(lab, "the state is not in order");
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = { .flows = 4096, .mappings = 1024, .hosts = 128, .addresses = 4 };

	if (rounds_nat(&lab->rounds, &lab->nat, &sizes))
		return -1;
	rounds_short(&lab->nat, outside(), SILENCE);
	lab->clock = 0;
	lab->nat.now = chance(lab, 0x100000);
	for (u32 i = 0; i < GATEWAYS; i++)
		forget(&lab->gateways[i]);
	return 0;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	static const struct rounds_steps steps = { OPERATIONS, ROUND, round_begin, operation };

	rounds_run(&lab.rounds, &lab, &steps, argc, argv);
	printf("# %llu operations: %llu learned, %llu waited, %llu unknown\n", lab.rounds.operations,
	       lab.met[REASON_in_created], lab.met[REASON_spi_waits], lab.met[REASON_spi_unknown]);
	return rounds_end(&lab.rounds, "spi", "a naive table",
			  lab.met[REASON_in_created] && lab.met[REASON_spi_waits] &&
				  lab.met[REASON_spi_unknown]);
}
