// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The nouns of which there are lists: what their columns are. */
#include "cli/cli.h"
#include "cli/rows.h"

int sessions_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "PROTO", "protocol", NULL, FORMAT_WORD },
		{ "INSIDE", "inside_address", "inside_port", FORMAT_ENDPOINT },
		{ "OUTSIDE", "outside_address", "outside_port", FORMAT_ENDPOINT },
		{ "REMOTE", "remote_address", "remote_port", FORMAT_ENDPOINT },
		{ "STATE", "state", NULL, FORMAT_STATE },
		{ "IDLE", "idle", NULL, FORMAT_SECONDS },
		{ "LEFT", "lifetime", NULL, FORMAT_SECONDS },
		{ "PK-OUT", "packets_out", NULL, FORMAT_COUNT },
		{ "B-OUT", "bytes_out", NULL, FORMAT_COUNT },
		{ "PK-IN", "packets_in", NULL, FORMAT_COUNT },
		{ "B-IN", "bytes_in", NULL, FORMAT_COUNT },
		{ "FLAGS", "own hairpin full_nat", NULL, FORMAT_FLAGS },
		{ "BY", "interface", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/sessions", "sessions", columns, true, NULL, false };

	return rows_print(options, &rows);
}

int mappings_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "PROTO", "protocol", NULL, FORMAT_WORD },
		{ "INSIDE", "inside_address", "inside_port", FORMAT_ENDPOINT },
		{ "OUTSIDE", "outside_address", "outside_port", FORMAT_ENDPOINT },
		{ "IDLE", "idle", NULL, FORMAT_SECONDS },
		{ "FLAGS", "own static full_nat", NULL, FORMAT_FLAGS },
		{ "BY", "interface", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/mappings", "mappings", columns, true, NULL, false };

	return rows_print(options, &rows);
}

int blocks_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "INSIDE", "inside_address", NULL, FORMAT_TEXT },
		{ "OUTSIDE", "outside_address", NULL, FORMAT_TEXT },
		{ "FIRST", "first_port", NULL, FORMAT_SHORT },
		{ "LAST", "last_port", NULL, FORMAT_SHORT },
		{ "IDLE", "idle", NULL, FORMAT_SECONDS },
		{ "BY", "interface", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/blocks", "blocks", columns, true, NULL, false };

	return rows_print(options, &rows);
}

int hosts_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "INSIDE", "inside_address", NULL, FORMAT_TEXT },
		{ "OUTSIDE", "outside_address", NULL, FORMAT_TEXT },
		{ "MAPPINGS", "mappings", NULL, FORMAT_COUNT },
		{ "SESSIONS", "sessions", NULL, FORMAT_COUNT },
		{ "IDLE", "idle", NULL, FORMAT_SECONDS },
		{ "FLAGS", "own reserved", NULL, FORMAT_FLAGS },
		{ "BY", "interface", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/hosts", "hosts", columns, true, NULL, false };

	return rows_print(options, &rows);
}

int pools_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "ADDRESS", "address", NULL, FORMAT_TEXT },
		{ "UDP-USED", "ports_used.udp", NULL, FORMAT_COUNT },
		{ "UDP-FREE", "ports_free.udp", NULL, FORMAT_COUNT },
		{ "TCP-USED", "ports_used.tcp", NULL, FORMAT_COUNT },
		{ "TCP-FREE", "ports_free.tcp", NULL, FORMAT_COUNT },
		{ "ICMP-USED", "ports_used.icmp", NULL, FORMAT_COUNT },
		{ "ICMP-FREE", "ports_free.icmp", NULL, FORMAT_COUNT },
		{ "OTHER-USED", "ports_used.other", NULL, FORMAT_COUNT },
		{ "OTHER-FREE", "ports_free.other", NULL, FORMAT_COUNT },
		{ "FLAGS", "pool local reserved full_nat", NULL, FORMAT_FLAGS },
		{ "OF", "interface", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/pools", "pools", columns, true, NULL, false };

	return rows_print(options, &rows);
}

int interfaces_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "INTERFACE", "interface", NULL, FORMAT_TEXT },
		{ "ROLE", "role", NULL, FORMAT_WORD },
		{ "HOOK", "hook", NULL, FORMAT_WORD },
		{ "ACCELERATION", "acceleration", NULL, FORMAT_WORD },
		{ "UP", "up", NULL, FORMAT_SHORT },
		{ "MTU", "mtu", NULL, FORMAT_COUNT },
		{ "MSS", "mss", NULL, FORMAT_COUNT },
		{ "TRANSLATED", "packets_translated", NULL, FORMAT_COUNT },
		{ "BYTES", "bytes_translated", NULL, FORMAT_COUNT },
		{ "PASSED", "packets_passed", NULL, FORMAT_COUNT },
		{ "BYTES", "bytes_passed", NULL, FORMAT_COUNT },
		{ "DROPPED", "packets_dropped", NULL, FORMAT_COUNT },
		{ "BYTES", "bytes_dropped", NULL, FORMAT_COUNT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = { "/v1/interfaces", "interfaces", columns, false, NULL, false };

	return rows_print(options, &rows);
}

static bool reason_occurred(const struct row *row) { return span_number(row_value(row, "packets")) > 0; }

int reasons_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "VERDICT", "verdict", NULL, FORMAT_STATE }, { "REASON", "reason", NULL, FORMAT_NAME },
		{ "PACKETS", "packets", NULL, FORMAT_COUNT }, { "BYTES", "bytes", NULL, FORMAT_COUNT },
		{ "MEANING", "text", NULL, FORMAT_TEXT },     { NULL, NULL, NULL, 0 },
	};
	static const struct rows occurred = {
		"/v1/reasons", "reasons", columns, false, reason_occurred, false
	};
	static const struct rows all = { "/v1/reasons", "reasons", columns, false, NULL, false };

	return rows_print(options, options->all ? &all : &occurred);
}

int drops_run(const struct options *options)
{
	static const struct column columns[] = {
		{ "TIME", "time", NULL, FORMAT_TIME },
		{ "REASON", "reason", NULL, FORMAT_NAME },
		{ "BY", "interface", NULL, FORMAT_TEXT },
		{ "WAY", "direction", NULL, FORMAT_SHORT },
		{ "PROTO", "protocol", NULL, FORMAT_WORD },
		{ "SOURCE", "source_address", "source_port", FORMAT_ENDPOINT },
		{ "DESTINATION", "destination_address", "destination_port", FORMAT_ENDPOINT },
		{ "BYTES", "length", NULL, FORMAT_COUNT },
		{ "FLAGS", "tcp_flags", NULL, FORMAT_TEXT },
		{ NULL, NULL, NULL, 0 },
	};
	static const struct rows rows = {
		.path = "/v1/drops", .name = "drops", .columns = columns, .limited = true
	};

	return rows_print(options, &rows);
}

const struct column event_columns[] = {
	{ "TIME", "time", NULL, FORMAT_TIME },	 { "SEVERITY", "severity", NULL, FORMAT_STATE },
	{ "EVENT", "event", NULL, FORMAT_NAME }, { "OF", "subject", NULL, FORMAT_TEXT },
	{ "WHAT", "text", NULL, FORMAT_TEXT },	 { NULL, NULL, NULL, 0 },
};

int events_run(const struct options *options)
{
	static const struct rows rows = { "/v1/events", "events", event_columns, true, NULL, false };

	return rows_print(options, &rows);
}
