// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/candidate.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/command.h"
#include "bench/keepnat.h"
#include "bench/probe.h"

static void address_text(__u32 address, char text[INET_ADDRSTRLEN])
{
	struct in_addr in = { .s_addr = htonl(address) };

	inet_ntop(AF_INET, &in, text, INET_ADDRSTRLEN);
}

/* Kernel forwarding, no NAT: what the router itself costs, and there is nothing to start, to empty or to stop. */
static int plain_start(struct candidate *candidate)
{
	(void)candidate;
	return 0;
}

static void plain_stop(struct candidate *candidate) { (void)candidate; }

/* No NAT, and no router either: what XDP could do at best. */
static int limit_start(struct candidate *candidate)
{
	return probe_limit_begin(candidate->setting->probe, candidate->lab, candidate->router);
}

static void limit_stop(struct candidate *candidate) { probe_limit_end(candidate->setting->probe); }

/*
 * nftables. Connections must outlast the run (a UDP flow without an answer lives for 30 s by default, a segment
 * that is sent again and again five minutes); checksums are
 * not verified, since a real interface would have done that; and there is one rule: nothing but the NAT is paid for.
 */
static int nft_rule(struct candidate *candidate, const char *rule)
{
	char command[700];

	snprintf(command, sizeof(command),
		 "nft 'table ip nat { chain postrouting { type nat hook postrouting priority srcnat; "
		 "oifname \"wan0\" %s; }; }' && "
		 "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 "
		 "net.netfilter.nf_conntrack_checksum=0 "
		 "net.netfilter.nf_conntrack_udp_timeout_stream=3600 "
		 "net.netfilter.nf_conntrack_tcp_timeout_syn_sent=3600 "
		 "net.netfilter.nf_conntrack_tcp_timeout_syn_recv=3600 "
		 "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged=3600 "
		 "net.netfilter.nf_conntrack_tcp_timeout_max_retrans=3600",
		 rule);
	return router_run(candidate->lab, candidate->router, command);
}

static int nft_start(struct candidate *candidate)
{
	char first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN], rule[100];

	address_text(candidate->setting->pool_first, first);
	address_text(candidate->setting->pool_last, last);
	snprintf(rule, sizeof(rule), "snat to %s-%s", first, last);
	return nft_rule(candidate, rule);
}

static int masquerade_start(struct candidate *candidate) { return nft_rule(candidate, "masquerade"); }

static int nft_reset(struct candidate *candidate)
{
	return router_run(candidate->lab, candidate->router, "conntrack -F 2>/dev/null");
}

/* Busy entries may be skipped by one flush: the count decides. */
static int nft_empty(struct candidate *candidate)
{
	for (int i = 0; i < 5; i++) {
		int err = nft_reset(candidate);

		if (err)
			return err;
		if (!candidate_connections(candidate))
			return 0;
	}
	return -EBUSY;
}

static void nft_stop(struct candidate *candidate)
{
	nft_empty(candidate);
	router_run(candidate->lab, candidate->router, "nft flush ruleset");
}

/* keepnat in one of its modes. */
#define KEEPNAT(mode, text)                                                                                  \
	{                                                                                                    \
		.name = mode, .title = "keepnat, " text, .translates = true, .accelerate = mode,             \
		.start = keepnat_start, .empty = keepnat_empty, .reset = keepnat_reset, .stop = keepnat_stop \
	}

static struct candidate candidates[CANDIDATES] = {
	{ .name = "plain",
	  .title = "kernel forwarding, no NAT",
	  .start = plain_start,
	  .empty = plain_start,
	  .reset = plain_start,
	  .stop = plain_stop },
	{ .name = "nft",
	  .title = "nftables snat to the pool",
	  .translates = true,
	  .start = nft_start,
	  .empty = nft_empty,
	  .reset = nft_reset,
	  .stop = nft_stop },
	{ .name = "masquerade",
	  .title = "nftables masquerade, one address",
	  .translates = true,
	  .start = masquerade_start,
	  .empty = nft_empty,
	  .reset = nft_reset,
	  .stop = nft_stop },
	{ .name = "limit",
	  .title = "XDP redirect and nothing else",
	  .start = limit_start,
	  .empty = plain_start,
	  .reset = plain_start,
	  .stop = limit_stop },
	KEEPNAT("off", "no fast path"),
	KEEPNAT("tc", "fast path at TC"),
	KEEPNAT("xdp", "fast path at XDP"),
	KEEPNAT("all", "XDP makes sessions, too"),
};

struct candidate *candidate_nth(int n) { return n < CANDIDATES ? &candidates[n] : NULL; }

struct candidate *candidate_find(const char *name)
{
	for (int i = 0; i < CANDIDATES; i++)
		if (!strcmp(candidates[i].name, name))
			return &candidates[i];
	return NULL;
}

bool candidate_is_present(const struct candidate *candidate, const struct setting *setting)
{
	if (!candidate->accelerate)
		return true;
	return setting->keepnatd && !access(setting->keepnatd, X_OK) && keepnat_knows(candidate, setting);
}

int candidate_start(struct candidate *candidate, const struct lab *lab, struct router *router,
		    const struct setting *setting)
{
	candidate->lab = lab;
	candidate->router = router;
	candidate->setting = setting;
	return candidate->start(candidate);
}

int candidate_empty(struct candidate *candidate) { return candidate->empty(candidate); }
int candidate_reset(struct candidate *candidate) { return candidate->reset(candidate); }

void candidate_stop(struct candidate *candidate)
{
	if (candidate->router)
		candidate->stop(candidate);
	candidate->router = NULL;
}

static const char *const conntrack_paths[2] = {
	"/proc/sys/net/netfilter/nf_conntrack_buckets",
	"/proc/sys/net/netfilter/nf_conntrack_max",
};
static long conntrack_before[2];

bool candidate_uses_conntrack(const struct candidate *candidate) { return candidate->empty == nft_empty; }

long candidate_connections(const struct candidate *candidate)
{
	return router_read(candidate->lab, candidate->router, "/proc/sys/net/netfilter/nf_conntrack_count");
}

void conntrack_size(__u32 sessions)
{
	char text[32];

	/* Two tuples a connection: one bucket for each. Setting the buckets may set the maximum, so it comes last. */
	for (int i = 0; i < 2; i++) {
		long now = file_read_number(conntrack_paths[i]), wanted = 2 * (long)sessions;

		conntrack_before[i] = conntrack_before[i] ? conntrack_before[i] : now;
		wanted = wanted > conntrack_before[i] ? wanted : conntrack_before[i];
		snprintf(text, sizeof(text), "%ld", wanted);
		if (now > 0 && now != wanted && file_write(conntrack_paths[i], text))
			fprintf(stderr, "bench: cannot write %s\n", conntrack_paths[i]);
	}
}

/* In the network namespace where conntrack_size() was called. */
void conntrack_restore(void)
{
	char text[32];

	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%ld", conntrack_before[i]);
		if (conntrack_before[i] > 0 && file_read_number(conntrack_paths[i]) != conntrack_before[i])
			file_write(conntrack_paths[i], text);
	}
}
