// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

static void line(const char *title) { printf("  %-11s", title); }

/* "123 of 456 (27 %): 1 udp, 2 tcp, 3 icmp, 0 other" */
static void counts_print(const char *title, const json_t *counts)
{
	unsigned long long used = json_number_at(counts, "used"),
			   capacity = json_number_at(counts, "capacity");

	line(title);
	printf("%llu of %llu", used, capacity);
	if (capacity)
		printf(" (%llu %%)", used * 100 / capacity);
	if (json_object_get(counts, "udp"))
		printf(": %llu udp, %llu tcp, %llu icmp, %llu other", json_number_at(counts, "udp"),
		       json_number_at(counts, "tcp"), json_number_at(counts, "icmp"),
		       json_number_at(counts, "other"));
	putchar('\n');
}

static void hooks_print(const json_t *hooks, const char *warn, const char *plain)
{
	const json_t *hook;
	size_t i;

	json_array_foreach(hooks, i, hook)
	{
		const char *how = json_text_at(hook, "hook");
		bool up = json_is_true(json_object_get(hook, "up"));

		line(i ? "" : "interfaces");
		printf("%s (%s): %s%s%s%s, acceleration %s: %s\n", json_text_at(hook, "interface"),
		       json_text_at(hook, "role"), *how && up ? "" : warn, *how ? how : "not attached",
		       up ? "" : ", down", *how && up ? "" : plain, json_text_at(hook, "acceleration"),
		       json_text_at(hook, "why"));
	}
}

/* Nothing, unless an interface lends some. */
static void blocks_print(const json_t *blocks)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(blocks, i, interface)
	{
		line(i ? "" : "blocks");
		printf("%s: %llu of %llu lent, of %llu ports each; %llu free\n",
		       json_text_at(interface, "interface"), json_number_at(interface, "lent"),
		       json_number_at(interface, "capacity"), json_number_at(interface, "ports"),
		       json_number_at(interface, "free"));
	}
}

static void syns_print(const json_t *syns)
{
	line("SYNs");
	printf("unsolicited: %llu of %llu held; %llu were answered, %llu were not\n",
	       json_number_at(syns, "held"), json_number_at(syns, "capacity"), json_number_at(syns, "told"),
	       json_number_at(syns, "silent"));
}

static void sweep_print(const json_t *sweep)
{
	line("sweep");
	if (!json_number_at(sweep, "passes")) {
		puts("no pass has ended yet");
		return;
	}
	printf("%llu passes; the last took %.3f s, %.3f s of it CPU; %llu sessions and %llu mappings ended, "
	       "%llu mended\n",
	       json_number_at(sweep, "passes"), json_number_value(json_object_get(sweep, "last_seconds")),
	       json_number_value(json_object_get(sweep, "last_cpu_seconds")),
	       json_number_at(sweep, "ended_sessions"), json_number_at(sweep, "ended_mappings"),
	       json_number_at(sweep, "mended"));
}

/* The last one that was written, and what came of one at the start. */
static void snapshot_print(const json_t *snapshot)
{
	const json_t *restored = json_object_get(snapshot, "restored");

	line("snapshot");
	if (!json_number_at(snapshot, "interval"))
		puts("off: sessions do not outlive a reboot");
	else if (!*json_text_at(snapshot, "last"))
		puts("none written yet");
	else
		printf("%s: %llu sessions, %llu mappings, %llu hosts, %.1f MB in %.1f s\n",
		       json_text_at(snapshot, "last"), json_number_at(snapshot, "entries.sessions"),
		       json_number_at(snapshot, "entries.mappings"),
		       json_number_at(snapshot, "entries.hosts"),
		       (double)json_number_at(snapshot, "bytes") / 1e6,
		       json_number_value(json_object_get(snapshot, "seconds")));
	if (!json_is_object(restored))
		return;
	line("restored");
	if (*json_text_at(restored, "refused"))
		printf("nothing: %s\n", json_text_at(restored, "refused"));
	else
		printf("%llu sessions, %llu mappings, %llu hosts of %s, off for %llu s, in %.3f s; %llu "
		       "sessions had timed out\n",
		       json_number_at(restored, "restored.sessions"),
		       json_number_at(restored, "restored.mappings"),
		       json_number_at(restored, "restored.hosts"), json_text_at(restored, "written"),
		       json_number_at(restored, "off"),
		       json_number_value(json_object_get(restored, "seconds")),
		       json_number_at(restored, "timed_out.sessions"));
}

/* Where records go; nothing, unless there is a log. */
static void log_print(const json_t *log, const char *warn, const char *plain)
{
	const json_t *sink;
	size_t i;

	json_array_foreach(log, i, sink)
	{
		bool up = json_is_true(json_object_get(sink, "up"));

		line(i ? "" : "log");
		printf("%s to %s: %s%llu records written, %llu wait, %llu lost%s\n",
		       json_text_at(sink, "format"), json_text_at(sink, "to"), up ? "" : warn,
		       json_number_at(sink, "written"), json_number_at(sink, "waiting"),
		       json_number_at(sink, "lost"), up ? "" : plain);
		if (!up) {
			line("");
			printf("it does not take records; it is tried again\n");
		}
	}
}

static void warnings_print(const json_t *warnings, const char *warn, const char *plain)
{
	const json_t *warning;
	size_t i;

	line("warnings");
	if (!json_array_size(warnings)) {
		puts("none");
		return;
	}
	json_array_foreach(warnings, i, warning)
	{
		if (i)
			line("");
		printf("%s%s%s\n", warn, json_string_value(warning), plain);
	}
}

static int status_print(const json_t *json)
{
	bool colour = output_has_colour(), ready = json_is_true(json_object_get(json, "ready"));
	const char *warn = colour ? YELLOW : "", *plain = colour ? PLAIN : "";
	char text[CELL_SIZE];

	printf("keepnat %s, instance %s: %s%s%s\n", json_text_at(json, "version"),
	       json_text_at(json, "instance"),
	       !colour ? ""
	       : ready ? GREEN
		       : YELLOW,
	       ready ? "ready" : "not ready", plain);
	line("since");
	printf("%s (%s)\n", json_text_at(json, "started"),
	       seconds_text(text, json_number_at(json, "uptime")));
	line("mode");
	puts(json_text_at(json, "mode"));
	hooks_print(json_object_get(json, "hooks"), warn, plain);
	if (json_is_true(json_object_get(json, "conntrack_liberal"))) {
		line("conntrack");
		puts("takes TCP segments outside its window, for the fast path "
		     "(nf_conntrack_tcp_be_liberal)");
	}
	counts_print("sessions", json_object_get(json, "sessions"));
	counts_print("mappings", json_object_get(json, "mappings"));
	counts_print("hosts", json_object_get(json, "hosts"));
	blocks_print(json_object_get(json, "blocks"));
	syns_print(json_object_get(json, "unsolicited_syns"));
	line("memory");
	printf("%.1f MB\n", (double)json_number_at(json, "memory.bytes") / 1e6);
	sweep_print(json_object_get(json, "sweep"));
	line("recoveries");
	printf("%llu since its start, %llu unread\n", json_number_at(json, "recoveries.since_start"),
	       json_number_at(json, "recoveries.unread"));
	snapshot_print(json_object_get(json, "snapshot"));
	log_print(json_object_get(json, "log"), warn, plain);
	warnings_print(json_object_get(json, "warnings"), warn, plain);
	return STATUS_DONE;
}

int status_run(const struct options *options)
{
	struct url url;

	url_start(&url, "/v1/status");
	return client_show(options, &url, status_print);
}
