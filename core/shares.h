/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shares.h - deterministic NAT (RFC 7422): which outside ports are an inside address's, worked out from the settings alone.
 *
 * The inside addresses of a network are numbered from 0 on, and so are the outside addresses of a pool. With I inside and O
 * outside addresses, a compression ratio C >= I/O and a factor D, each inside address owns E = ports / (C + D) ports; what
 * is left lies behind them and is lent in blocks (mapping.h). RFC 7422 section 2.2 names the ways to share ports out, by its
 * numbers:
 *
 *   0 sequential    C hosts to an outside address, E ports each, one after the other
 *   1 staggered     the same, but each has every Cth port
 *   2 round robin   each has the same ports of all outside addresses, E/O of each
 *   3 interlaced    each has every Cth port, the next one always of the next outside address
 *
 * A host's ports are runs: so many ports of one outside address, from a first one on, the same step apart. It has one run
 * with the first two ways. With the others it has one of each outside address; the first, of its home, is used up before the
 * next (RFC 4787 REQ-2), so that E is a multiple of O there.
 */
#pragma once
#include "core/types.h"

enum { NO_SHARE = 0xffffffff };

/* Ports of one outside address. */
struct port_run {
	u32 address; /* its number */
	u32 first;
	u32 step;
	u32 count;
};

/* The number of an inside address in host byte order, or NO_SHARE. */
static inline u32 share_host(const struct shares *s, u32 inside)
{
	u32 number = inside - s->inside;

	return number < s->hosts ? number : (u32)NO_SHARE;
}

/* How many runs a host has: also of how many outside addresses it has ports. */
static inline u32 share_runs(const struct shares *s)
{
	if (!s->hosts)
		return 0;
	return s->algorithm < ALGORITHM_ROUND_ROBIN ? 1 : s->addresses;
}

/* The first port that is nobody's own. */
static inline u32 share_end(const struct shares *s) { return s->first + s->ratio * s->each; }

/* Run i, below share_runs(), of the host with this number. */
static inline struct port_run share_run(const struct shares *s, u32 host, u32 i)
{
	u32 width = s->each / share_runs(s);
	struct port_run run = { .first = s->first, .step = 1, .count = width };

	switch (s->algorithm) {
	case ALGORITHM_SEQUENTIAL:
		run.address = host / s->ratio;
		run.first += host % s->ratio * width;
		break;
	case ALGORITHM_STAGGERED:
		run.address = host / s->ratio;
		run.first += host % s->ratio;
		run.step = s->ratio;
		break;
	case ALGORITHM_ROUND_ROBIN:
		run.address = (host + i) % s->addresses;
		run.first += host * width;
		break;
	default:
		run.address = (host + i) % s->addresses;
		run.first += i * s->ratio + host / s->addresses;
		run.step = s->addresses * s->ratio;
		break;
	}
	return run;
}

/* The number of the host whose port this is, of the outside address with this number; or NO_SHARE. */
static inline u32 share_owner(const struct shares *s, u32 address, u32 port)
{
	u32 at = port - s->first, host;

	if (!s->hosts || address >= s->addresses || port < s->first || port >= share_end(s))
		return NO_SHARE;
	switch (s->algorithm) {
	case ALGORITHM_SEQUENTIAL:
		host = address * s->ratio + at / s->each;
		break;
	case ALGORITHM_STAGGERED:
		host = address * s->ratio + at % s->ratio;
		break;
	case ALGORITHM_ROUND_ROBIN:
		host = at / (s->each / s->addresses);
		break;
	default:
		host = at % s->ratio * s->addresses +
		       (address + s->addresses - at / s->ratio % s->addresses) % s->addresses;
		break;
	}
	return host < s->hosts ? host : (u32)NO_SHARE;
}

/*
 * Making them: once, by who publishes the configuration.
 */

enum { SHARES_MADE, SHARES_RATIO, SHARES_PORTS, SHARES_SPREAD };

/*
 * Give `hosts` inside addresses from `inside` on, in host byte order, ports from port_min to port_max of so many outside
 * ones. ratio 0: as small as serves all. SHARES_MADE; SHARES_RATIO: the ratio is too small for them; SHARES_PORTS: there are
 * not enough ports; SHARES_SPREAD: too many outside addresses to spread a host's ports over.
 */
static inline int shares_own(struct shares *s, enum algorithm algorithm, u32 inside, u32 hosts, u32 addresses,
			     u32 ratio, u32 dynamic, u32 port_min, u32 port_max)
{
	u32 spread = algorithm < ALGORITHM_ROUND_ROBIN ? 1 : addresses;
	u32 least = addresses ? (hosts + addresses - 1) / addresses : 0;

	if (!ratio)
		ratio = least;
	if (!hosts || !least || ratio < least)
		return SHARES_RATIO;
	if (spread > MAX_SPREAD)
		return SHARES_SPREAD;
	u32 each = (u32)((port_max - port_min + 1) / ((u64)ratio + dynamic));
	each -= each % spread;
	if (!each)
		return SHARES_PORTS;
	s->algorithm = (u16)algorithm;
	s->inside = inside;
	s->hosts = hosts;
	s->addresses = addresses;
	s->ratio = ratio;
	s->each = each;
	s->first = (u16)port_min;
	return SHARES_MADE;
}

/* Lend blocks of so many ports, all of them between port_min and port_max and none where hosts have ports of their own. */
static inline void shares_lend(struct shares *s, u32 size, u32 max, u32 port_min, u32 port_max)
{
	u32 from = s->hosts ? share_end(s) : port_min, first = (from + size - 1) / size,
	    end = (port_max + 1) / size;

	s->block_size = (u16)size;
	s->block_max = (u16)max;
	s->block_first = (u16)first;
	s->block_count = (u16)(end > first ? end - first : 0);
}
