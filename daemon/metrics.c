// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/book.h"
#include "daemon/device.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/reason.h"
#include "daemon/usage.h"
#include "version.h"

enum type { GAUGE, COUNTER, INFO };

/* What the families are written from: all of it as of one moment, or nearly. */
struct metrics {
	FILE *out;
	bool open;
	const struct family *family; /* that is being written */
	struct keepnat *k;
	struct list_view view;
	char names[MAX_INTERFACES][2 * IF_NAMESIZE]; /* as label values; "": there is none of this number */
	struct keepnat_interface interfaces[MAX_INTERFACES];
	unsigned int interface_count, warning_count;
	struct sweep_report sweep;
	struct unsolicited_report unsolicited;
	u64 resets[MAX_OUTSIDE];
	struct usage ports[MAX_OUTSIDE][PORT_AREAS];
	u32 addresses[MAX_OUTSIDE];
	struct book_report sinks[BOOK_SINKS];
	unsigned int sink_count;
};

struct family {
	const char *name; /* counters get "_total", infos "_info" behind it */
	enum type type;
	const char *help;
	void (*write)(struct metrics *m);
};

static const char *const suffixes[] = { [GAUGE] = "", [COUNTER] = "_total", [INFO] = "_info" };

/*
 * Samples
 */

/* labels: without braces; "" for none. */
static void sample(struct metrics *m, double value, const char *labels, ...)
	__attribute__((format(printf, 3, 4)));

static void sample(struct metrics *m, double value, const char *labels, ...)
{
	va_list arguments;

	fprintf(m->out, "%s%s", m->family->name, suffixes[m->family->type]);
	if (*labels) {
		fputc('{', m->out);
		va_start(arguments, labels);
		vfprintf(m->out, labels, arguments);
		va_end(arguments);
		fputc('}', m->out);
	}
	fprintf(m->out, " %.17g\n", value);
}

static void write_build(struct metrics *m)
{
	sample(m, 1, "version=\"%s\",nat=\"%s\"", KEEPNAT_VERSION, m->k->instance);
}

static void write_start(struct metrics *m) { sample(m, (double)m->k->started, "%s", ""); }

static void write_memory(struct metrics *m) { sample(m, (double)sizes_bytes(&m->k->sizes), "%s", ""); }

static void write_warnings(struct metrics *m) { sample(m, m->warning_count, "%s", ""); }

static void write_table_used(struct metrics *m)
{
	for (enum usage_table table = 0; table < USAGE_TABLES; table++)
		sample(m, (double)usage_of_table(m->k, table).used, "table=\"%s\"", usage_table_name(table));
}

static void write_table_capacity(struct metrics *m)
{
	for (enum usage_table table = 0; table < USAGE_TABLES; table++)
		sample(m, (double)usage_of_table(m->k, table).capacity, "table=\"%s\"",
		       usage_table_name(table));
}

static void write_sessions(struct metrics *m)
{
	for (u32 class = 0; class < CLASSES; class ++)
		sample(m, (double)m->sweep.sessions[class], "protocol=\"%s\"", class_name((u8) class));
	sample(m, (double)m->sweep.sessions[CLASSES], "protocol=\"portless\"");
}

static void write_mappings(struct metrics *m)
{
	for (u32 class = 0; class < CLASSES; class ++)
		sample(m, (double)m->sweep.mappings[class], "protocol=\"%s\"", class_name((u8) class));
}

static void write_ended_sessions(struct metrics *m) { sample(m, (double)m->sweep.ended_sessions, "%s", ""); }
static void write_ended_mappings(struct metrics *m) { sample(m, (double)m->sweep.ended_mappings, "%s", ""); }

/* Of each outside interface. */
static void write_pool(struct metrics *m, bool used)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		for (u32 class = 0; class < PORT_AREAS && m->addresses[i]; class ++)
			sample(m, (double)(used ? m->ports[i][class].used : m->ports[i][class].capacity),
			       "interface=\"%s\",protocol=\"%s\"", m->names[i], usage_class_name(class));
}

static void write_pool_used(struct metrics *m) { write_pool(m, true); }
static void write_pool_capacity(struct metrics *m) { write_pool(m, false); }

static void write_addresses(struct metrics *m)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		if (*m->names[i])
			sample(m, m->addresses[i], "interface=\"%s\"", m->names[i]);
}

static void write_blocks(struct metrics *m, bool lent)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++) {
		u32 ports, capacity = list_block_capacity(&m->view, i, &ports);

		if (capacity && *m->names[i])
			sample(m, lent ? (double)m->sweep.at[i].blocks : capacity, "interface=\"%s\"",
			       m->names[i]);
	}
}

static void write_blocks_lent(struct metrics *m) { write_blocks(m, true); }
static void write_blocks_capacity(struct metrics *m) { write_blocks(m, false); }

static void write_interface_up(struct metrics *m)
{
	for (unsigned int i = 0; i < m->interface_count; i++) {
		const struct keepnat_interface *interface = &m->interfaces[i];

		sample(m, interface->ifindex && interface->up && interface->hook,
		       "interface=\"%s\",role=\"%s\"", m->names[interface->number],
		       interface->role == ROLE_OUTSIDE ? "outside" : "inside");
	}
}

static void write_interface_fast(struct metrics *m)
{
	for (unsigned int i = 0; i < m->interface_count; i++) {
		const struct keepnat_interface *interface = &m->interfaces[i];

		sample(m, interface->fast ? 1 : 0, "interface=\"%s\",by=\"%s\"", m->names[interface->number],
		       device_fast_name(interface->fast ? interface->fast : FAST_TC));
	}
}

static void write_translated(struct metrics *m, bool bytes)
{
	static const char *const names[WAYS] = { "out", "in", "hairpin", "full_nat" };

	for (u32 i = 0; i < MAX_INTERFACES; i++) {
		struct counter sums[WAYS] = { 0 };

		for (u32 reason = 0; reason < REASONS && *m->names[i]; reason++) {
			struct counter counter = list_reason(&m->view, i, (enum reason)reason);
			struct counter *sum = &sums[reason_way(reason)];

			if (reason_verdict(reason) != VERDICT_TRANSLATE)
				continue;
			sum->packets += counter.packets;
			sum->bytes += counter.bytes;
		}
		for (u32 way = 0; way < WAYS && *m->names[i]; way++)
			sample(m, (double)(bytes ? sums[way].bytes : sums[way].packets),
			       "interface=\"%s\",direction=\"%s\"", m->names[i], names[way]);
	}
}

static void write_translated_packets(struct metrics *m) { write_translated(m, false); }
static void write_translated_bytes(struct metrics *m) { write_translated(m, true); }

static void write_reasons(struct metrics *m, bool bytes)
{
	for (u32 i = 0; i < MAX_INTERFACES; i++)
		for (u32 reason = 0; reason < REASONS && *m->names[i]; reason++) {
			struct counter counter = list_reason(&m->view, i, (enum reason)reason);

			sample(m, (double)(bytes ? counter.bytes : counter.packets),
			       "interface=\"%s\",reason=\"%s\",verdict=\"%s\"", m->names[i],
			       reason_name(reason), verdict_name(reason_verdict(reason)));
		}
}

static void write_reason_packets(struct metrics *m) { write_reasons(m, false); }
static void write_reason_bytes(struct metrics *m) { write_reasons(m, true); }

/* Packets that made a session, and of those that the fast path took: the same counters, where they are looked for. */
static void write_two(struct metrics *m, enum reason out, enum reason in)
{
	for (u32 i = 0; i < MAX_INTERFACES; i++) {
		if (!*m->names[i])
			continue;
		sample(m, (double)list_reason(&m->view, i, out).packets, "interface=\"%s\",direction=\"out\"",
		       m->names[i]);
		sample(m, (double)list_reason(&m->view, i, in).packets, "interface=\"%s\",direction=\"in\"",
		       m->names[i]);
	}
}

static void write_created(struct metrics *m) { write_two(m, REASON_out_created, REASON_in_created); }
static void write_fast(struct metrics *m) { write_two(m, REASON_out_fast, REASON_in_fast); }

static void write_resets(struct metrics *m)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		if (*m->names[i])
			sample(m, (double)m->resets[i], "interface=\"%s\"", m->names[i]);
}

static void write_syns_held(struct metrics *m) { sample(m, (double)m->unsolicited.held, "%s", ""); }

static void write_syns(struct metrics *m)
{
	sample(m, (double)m->unsolicited.told, "outcome=\"told\"");
	sample(m, (double)m->unsolicited.silent, "outcome=\"silent\"");
}

static void write_passes(struct metrics *m) { sample(m, (double)m->sweep.passes, "%s", ""); }
static void write_pass_seconds(struct metrics *m) { sample(m, m->sweep.last_seconds, "%s", ""); }
static void write_pass_cpu(struct metrics *m) { sample(m, m->sweep.last_cpu_seconds, "%s", ""); }
static void write_mended(struct metrics *m) { sample(m, (double)m->sweep.mended, "%s", ""); }

static void write_events(struct metrics *m)
{
	for (int i = 0; i < EVENTS; i++) {
		const struct event_kind *kind = event_kind((enum event_id)i);
		struct event_count count = event_count(m->k, (enum event_id)i);

		sample(m, (double)(count.told + count.dropped), "event=\"%s\",severity=\"%s\"", kind->name,
		       severity_name(kind->severity));
	}
}

static void write_events_dropped(struct metrics *m)
{
	u64 dropped = 0;

	for (int i = 0; i < EVENTS; i++)
		dropped += event_count(m->k, (enum event_id)i).dropped;
	sample(m, (double)dropped, "why=\"limit\"");
	sample(m, (double)events_unwritten(m->k), "why=\"log_busy\"");
}

static void write_log_records(struct metrics *m)
{
	for (unsigned int i = 0; i < m->sink_count; i++) {
		sample(m, (double)m->sinks[i].written, "format=\"%s\",outcome=\"written\"",
		       m->sinks[i].format);
		sample(m, (double)m->sinks[i].lost, "format=\"%s\",outcome=\"lost\"", m->sinks[i].format);
	}
}

static void write_log_waiting(struct metrics *m)
{
	for (unsigned int i = 0; i < m->sink_count; i++)
		sample(m, (double)m->sinks[i].waiting, "format=\"%s\"", m->sinks[i].format);
}

static void write_log_up(struct metrics *m)
{
	for (unsigned int i = 0; i < m->sink_count; i++)
		sample(m, m->sinks[i].up, "format=\"%s\"", m->sinks[i].format);
}

static void write_log_failures(struct metrics *m)
{
	for (unsigned int i = 0; i < m->sink_count; i++)
		sample(m, (double)m->sinks[i].failures, "format=\"%s\"", m->sinks[i].format);
}

static void write_log_missed(struct metrics *m)
{
	if (m->sink_count)
		sample(m, (double)book_missed(m->k), "%s", "");
}

static const struct family families[] = {
	{ "keepnat_build", INFO, "Version, and the name of the instance.", write_build },
	{ "keepnat_start_time_seconds", GAUGE, "When keepnatd began, in seconds since 1970.", write_start },
	{ "keepnat_memory_bytes", GAUGE, "Memory of the arrays.", write_memory },
	{ "keepnat_warnings", GAUGE, "Warnings that status shows now.", write_warnings },
	{ "keepnat_table_entries", GAUGE, "Live entries of a table, as of the last sweep.",
	  write_table_used },
	{ "keepnat_table_capacity", GAUGE, "Entries that a table is made for.", write_table_capacity },
	{ "keepnat_sessions", GAUGE, "Live sessions, as of the last sweep.", write_sessions },
	{ "keepnat_mappings", GAUGE, "Live mappings, as of the last sweep.", write_mappings },
	{ "keepnat_new_sessions", COUNTER, "Packets that made a session.", write_created },
	{ "keepnat_sessions_ended", COUNTER, "Sessions that the sweep ended.", write_ended_sessions },
	{ "keepnat_mappings_ended", COUNTER,
	  "Mappings that the sweep ended; with those that live: those that were made.",
	  write_ended_mappings },
	{ "keepnat_pool_addresses", GAUGE, "Outside addresses that hosts may get.", write_addresses },
	{ "keepnat_pool_ports_used", GAUGE, "Ports of the configured range that are taken, or rest.",
	  write_pool_used },
	{ "keepnat_pool_ports", GAUGE, "Ports of the configured range of all addresses.",
	  write_pool_capacity },
	{ "keepnat_blocks_lent", GAUGE, "Blocks of ports that hosts have, as of the last sweep.",
	  write_blocks_lent },
	{ "keepnat_blocks", GAUGE, "Blocks of ports that there are to lend.", write_blocks_capacity },
	{ "keepnat_interface_up", GAUGE, "1: the interface is there, up, and served.", write_interface_up },
	{ "keepnat_interface_fast", GAUGE, "1: the interface takes part in the fast path.",
	  write_interface_fast },
	{ "keepnat_translated_packets", COUNTER, "Packets that were translated.", write_translated_packets },
	{ "keepnat_translated_bytes", COUNTER, "Bytes that were translated.", write_translated_bytes },
	{ "keepnat_fast_packets", COUNTER, "Packets that were translated and went past the kernel's routing.",
	  write_fast },
	{ "keepnat_reason_packets", COUNTER, "Packets by the reason for which they ended as they did.",
	  write_reason_packets },
	{ "keepnat_reason_bytes", COUNTER, "Bytes by the reason for which they ended as they did.",
	  write_reason_bytes },
	{ "keepnat_resets", COUNTER, "Resets of an outside interface.", write_resets },
	{ "keepnat_unsolicited_syns_held", GAUGE, "SYNs from outside that wait whether somebody wants them.",
	  write_syns_held },
	{ "keepnat_unsolicited_syns", COUNTER, "SYNs from outside that nobody wanted.", write_syns },
	{ "keepnat_sweep_passes", COUNTER, "Whole passes of the sweep.", write_passes },
	{ "keepnat_sweep_seconds", GAUGE, "Time of the last pass, pauses left out.", write_pass_seconds },
	{ "keepnat_sweep_cpu_seconds", GAUGE, "CPU time of the last pass.", write_pass_cpu },
	{ "keepnat_sweep_mended", COUNTER, "Slots and bits that a dead process or a lost race left.",
	  write_mended },
	{ "keepnat_log_records", COUNTER, "Records for a destination of the log, and what became of them.",
	  write_log_records },
	{ "keepnat_log_waiting", GAUGE, "Records that wait for a destination of the log.",
	  write_log_waiting },
	{ "keepnat_log_up", GAUGE, "1: the destination of the log takes records, as far as is known.",
	  write_log_up },
	{ "keepnat_log_failures", COUNTER, "How often a destination of the log went away.",
	  write_log_failures },
	{ "keepnat_log_missed", COUNTER, "Mappings and blocks that came and went untold.", write_log_missed },
	{ "keepnat_events", COUNTER, "Events by kind, also those that were too many to be told.",
	  write_events },
	{ "keepnat_events_dropped", COUNTER, "Events that were not told, or not written, and why.",
	  write_events_dropped },
};

/*
 * All of it
 */

/* What is printable of a name, as a label's value. */
static void label_make(char out[2 * IF_NAMESIZE], const char *name)
{
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			*out++ = '\\';
		*out++ = *name < ' ' || *name > '~' ? '?' : *name;
	}
	*out = 0;
}

static void metrics_collect(struct metrics *m)
{
	struct keepnat *k = m->k;

	list_open(&m->view, k);
	m->sink_count = book_reports(k, m->sinks);
	usage_of_pools(&m->view, m->ports, m->addresses);
	for (u32 i = 0; i < MAX_INTERFACES; i++)
		label_make(m->names[i], m->view.names[i]);
	pthread_mutex_lock(&k->lock);
	m->interface_count = k->interface_count;
	memcpy(m->interfaces, k->interfaces, sizeof(m->interfaces));
	m->warning_count = k->warning_count;
	m->sweep = k->sweep;
	m->unsolicited = k->unsolicited;
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		m->resets[i] = k->resets.report[i].resets;
	pthread_mutex_unlock(&k->lock);
}

/* In the older format a counter's name has its suffix here, too, and there are no infos. */
static void family_write(struct metrics *m, const struct family *family)
{
	static const char *const types[] = { [GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info" };
	const char *suffix = m->open ? "" : suffixes[family->type];

	m->family = family;
	fprintf(m->out, "# TYPE %s%s %s\n", family->name, suffix,
		family->type == INFO && !m->open ? "gauge" : types[family->type]);
	fprintf(m->out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	family->write(m);
}

char *metrics_text(struct keepnat *k, bool open, size_t *length)
{
	struct metrics *m = calloc(1, sizeof(*m));
	char *text = NULL;

	if (!m)
		return NULL;
	*m = (struct metrics){ .k = k, .open = open, .out = open_memstream(&text, length) };
	if (m->out) {
		metrics_collect(m);
		for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
			family_write(m, &families[i]);
		if (open)
			fputs("# EOF\n", m->out);
		if (fclose(m->out)) {
			free(text);
			text = NULL;
		}
	}
	free(m);
	return text;
}
