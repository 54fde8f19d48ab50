// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/reason.h"

#include <string.h>

static const struct {
	const char *name, *text;
	enum verdict verdict;
} reasons[REASONS] = {
#define REASON(id, verdict_, text_) { #id, text_, VERDICT_##verdict_ },
#include "core/reasons.def"
#undef REASON
};

static const char damaged[] =
	"nothing is wrong here: such a packet is damaged or forged; look at who sends it";
static const char again[] = "nothing, if it is rare: the next packet gets through";

static const char *const mends[REASONS] = {
	[REASON_session_lost] = "nothing: the host connects anew",
	[REASON_told_no_port] =
		"give the interface more addresses (pool), or hosts fewer mappings (nat.limits)",
	[REASON_told_full] = "see status: raise capacity, or give the interface more addresses (pool)",
	[REASON_told_limit] = "see nat.limits, and what the host is doing (sessions --host)",
	[REASON_malformed_ip] = damaged,
	[REASON_malformed_transport] = damaged,
	[REASON_malformed_error] = damaged,
	[REASON_fragment_tiny] = damaged,
	[REASON_fragment_unknown] =
		"nothing, if it is rare: the first piece was lost; else see timers.fragment_min_timeout",
	[REASON_fragment_sctp] = "let SCTP send packets that fit the path's MTU",
	[REASON_ah_unsupported] = "let both ends use ESP, best in UDP (RFC 3948)",
	[REASON_remote_taken] =
		"give the host an address of its own (a reservation), or let it use a protocol with ports",
	[REASON_spi_waits] = "nothing: it tries again; or let both ends use ESP in UDP (RFC 3948)",
	[REASON_spi_unknown] = "let the inside host send first, or both ends use ESP in UDP (RFC 3948)",
	[REASON_calls_taken] = "end calls that nobody needs any more",
	[REASON_flows_full] = "raise capacity.sessions",
	[REASON_icmp_unsupported] = "nothing: the NAT could not tell whose the answer is",
	[REASON_source_not_inside] =
		"list the sender's network under the inside interface's networks, or look at who forges it",
	[REASON_to_inside] = "let the sender use the outside address, by a port mapping or a reservation, or "
			     "list its network in "
			     "pass_through",
	[REASON_spoofed_own] = "look at the provider's side: nobody there has this address",
	[REASON_no_mapping] =
		"if it shall come in, add a port mapping or a reservation with inbound; else nothing",
	[REASON_filtered] =
		"if it shall come in, let the host send there first, or set nat.filtering_type to eif",
	[REASON_syns_full] = "look at who scans; what is wanted gets in by a port mapping",
	[REASON_error_no_mapping] = "nothing: its session is over, or it is forged",
	[REASON_reply_no_session] = "nothing: its request came too long ago",
	[REASON_hairpin_off] = "set nat.hairpin to true, or let inside hosts use the inside address",
	[REASON_hairpin_too_big] = "give the inside interfaces the same MTU",
	[REASON_hairpin_ttl] = "look for a loop of routes",
	[REASON_no_address] = "give the interface an address, or a pool",
	[REASON_no_free_address] =
		"give the pool as many addresses as there are hosts, or leave out mode: address_only",
	[REASON_no_port] = "give the interface more addresses (pool), or hosts fewer mappings (nat.limits)",
	[REASON_port_contention] = again,
	[REASON_host_mappings] = "raise nat.limits, or see what the host is doing (mappings --host)",
	[REASON_host_sessions] = "raise nat.limits, or see what the host is doing (sessions --host)",
	[REASON_host_rate] = "raise nat.limits.new_mappings_per_second, or see what the host is doing",
	[REASON_hosts_full] = "raise capacity.hosts",
	[REASON_mappings_full] = "raise capacity.sessions",
	[REASON_table_busy] = again,
	[REASON_mapping_lost] = again,
	[REASON_internal] = "report it, with the output of status and reasons",
};

const char *reason_name(u32 reason) { return reasons[reason].name; }
const char *reason_text(u32 reason) { return reasons[reason].text; }
const char *reason_mend(u32 reason) { return mends[reason]; }
enum verdict reason_verdict(u32 reason) { return reasons[reason].verdict; }

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_PASS] = "pass",     [VERDICT_TRANSLATE] = "translate", [VERDICT_DROP] = "drop",
		[VERDICT_ANSWER] = "answer", [VERDICT_DIVERT] = "divert",
	};

	return names[verdict];
}

enum way reason_way(u32 reason)
{
	const char *name = reasons[reason].name;

	if (!strncmp(name, "out_", 4) || !strcmp(name, "control_cut"))
		return WAY_OUT;
	if (!strncmp(name, "in_", 3))
		return WAY_IN;
	return strncmp(name, "hairpin", 7) ? WAY_FULL : WAY_HAIRPIN;
}

u32 reason_named(const char *name)
{
	u32 i = 0;

	while (i < REASONS && strcmp(reasons[i].name, name) != 0)
		i++;
	return i;
}
