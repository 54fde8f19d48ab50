// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every key of keepnat.yaml: name, type, range and default, and what is left to later versions.
 *
 * To add a key: a field in struct settings, a row here, a row in the tests, a paragraph in keepnat.yaml(5). To lift a
 * "not yet": take its row out of `laters` and give its key a field.
 */
#include "daemon/config_keys.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_read.h"
#include "daemon/config_report.h"
#include "native/trail.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define KEY(key, kind, ...)                                \
	{                                                  \
		.name = (key), .type = (kind), __VA_ARGS__ \
	}
#define FIELD(type, member) \
	.size = sizeof(((struct type *)0)->member), .offset = offsetof(struct type, member)
#define LIST(member, counter, type)                                                              \
	.items = offsetof(struct settings, member), .count = offsetof(struct settings, counter), \
	.size = sizeof(struct type), .line = offsetof(struct type, line)

static const struct config_word role_words[] = { { "outside", ROLE_OUTSIDE },
						 { "inside", ROLE_INSIDE },
						 { 0 } };
static const struct config_word mode_words[] = { { "address_and_port", false },
						 { "address_only", true },
						 { 0 } };
static const struct config_word mapping_words[] = { { "eim", 0 }, { "adm", 1 }, { "edm", 2 }, { 0 } };
static const struct config_word filtering_words[] = {
	{ "eif", FILTERING_EIF },
	{ "adf", FILTERING_ADF },
	{ "edf", FILTERING_EDF },
	{ 0 },
};
static const struct config_word accelerate_words[] = {
	{ "auto", SETTINGS_ACCELERATE_AUTO }, { "off", SETTINGS_ACCELERATE_OFF },
	{ "tc", SETTINGS_ACCELERATE_TC },     { "xdp", SETTINGS_ACCELERATE_XDP },
	{ "all", SETTINGS_ACCELERATE_ALL },   { 0 },
};
static const struct config_word exhaustion_words[] = { { "silent", 0 }, { "icmp", 1 }, { 0 } };
static const struct config_word clamp_words[] = { { "off", SETTINGS_MSS_OFF },
						  { "auto", SETTINGS_MSS_AUTO },
						  { 0 } };
static const struct config_word unsolicited_words[] = { { "drop", 0 }, { "hold", 1 }, { 0 } };
static const struct config_word protocol_words[] = {
	{ "tcp", SETTINGS_TCP },
	{ "udp", SETTINGS_UDP },
	{ "both", SETTINGS_TCP | SETTINGS_UDP },
	{ 0 },
};
static const struct config_word dump_words[] = {
	{ "none", SETTINGS_DUMP_NONE },
	{ "small", SETTINGS_DUMP_SMALL },
	{ "state", SETTINGS_DUMP_STATE },
	{ "core", SETTINGS_DUMP_CORE },
	{ 0 },
};

static const struct config_word trail_words[] = {
	{ "off", TRAIL_MAPPINGS_OFF },
	{ "by_need", TRAIL_MAPPINGS_BY_NEED },
	{ "all", TRAIL_MAPPINGS_ALL },
	{ 0 },
};
static const struct config_word auto_words[] = { { "auto", 0 }, { 0 } };
static const struct config_word algorithm_words[] = {
	{ "sequential", ALGORITHM_SEQUENTIAL },
	{ "staggered", ALGORITHM_STAGGERED },
	{ "round_robin", ALGORITHM_ROUND_ROBIN },
	{ "interlaced", ALGORITHM_INTERLACED },
	{ 0 },
};

/* Words for 7422's I, A, C and D. */
static const struct config_key deterministic_keys[] = {
	KEY("inside", CONFIG_PREFIX, .required = true, FIELD(settings_interface, deterministic.inside)),
	KEY("algorithm", CONFIG_WORD, FIELD(settings_interface, deterministic.algorithm),
	    .words = algorithm_words),
	KEY("ratio", CONFIG_NUMBER, FIELD(settings_interface, deterministic.ratio), .min = 1, .max = 65535,
	    .words = auto_words),
	KEY("dynamic", CONFIG_NUMBER, FIELD(settings_interface, deterministic.dynamic), .max = 65535),
	{ 0 },
};

const struct config_key config_interface_keys[] = {
	KEY("name", CONFIG_NAME, .required = true, FIELD(settings_interface, name)),
	KEY("role", CONFIG_WORD, .required = true, FIELD(settings_interface, role), .words = role_words),
	KEY("mode", CONFIG_WORD, .quiet = true, FIELD(settings_interface, address_only), .words = mode_words),
	KEY("pool", CONFIG_POOL),
	KEY("networks", CONFIG_NETWORKS),
	KEY("deterministic", CONFIG_SECTION, .quiet = true, .keys = deterministic_keys),
	KEY("accelerate", CONFIG_WORD, FIELD(settings_interface, accelerate),
	    .initial = SETTINGS_ACCELERATE_DEFAULT, .words = accelerate_words),
	{ 0 },
};

static const struct config_list interface_list = {
	LIST(interfaces, interface_count, settings_interface),
	.max = MAX_INTERFACES,
	.shape = "{name: eth0, role: outside}",
	.check = config_interface_check,
};

static const struct config_key reservation_keys[] = {
	KEY("inside", CONFIG_ADDRESS, .required = true, FIELD(settings_reservation, inside)),
	KEY("outside", CONFIG_ADDRESS, .required = true, FIELD(settings_reservation, outside)),
	KEY("inbound", CONFIG_BOOLEAN, FIELD(settings_reservation, inbound)),
	KEY("address_only", CONFIG_BOOLEAN, FIELD(settings_reservation, address_only)),
	{ 0 },
};

static const struct config_list reservation_list = {
	LIST(reservations, reservation_count, settings_reservation),
	.max = SETTINGS_RESERVATIONS_MAX,
	.shape = "{inside: 10.0.0.11, outside: 198.51.100.101}",
};

static const struct config_key port_mapping_keys[] = {
	KEY("protocol", CONFIG_WORD, .required = true, FIELD(settings_port_mapping, protocols),
	    .words = protocol_words),
	KEY("outside", CONFIG_OUTSIDE_PORTS, .required = true),
	KEY("inside", CONFIG_INSIDE_PORTS, .required = true),
	KEY("full_nat", CONFIG_BOOLEAN, FIELD(settings_port_mapping, full_nat)),
	{ 0 },
};

static const struct config_list port_mapping_list = {
	LIST(port_mappings, port_mapping_count, settings_port_mapping),
	.max = SETTINGS_MAPPED_PORTS_MAX,
	.shape = "{protocol: tcp, outside: \"198.51.100.101:8080\", inside: \"10.0.0.50:80\"}",
	.check = config_port_mapping_check,
};

/* The least that an RFC asks for is advice: shorter is right for tests and for those who know why. */
#define TIMER(timer, seconds, least, where)                                                           \
	KEY(#timer, CONFIG_NUMBER, FIELD(settings, nat.timers.timer), .initial = (seconds), .min = 1, \
	    .max = SETTINGS_TIMER_MAX, .advice = (least), .source = (where), .unit = " seconds")

static const struct config_key timer_keys[] = {
	TIMER(udp_timeout, 300, 120, "RFC 4787 REQ-5"),
	TIMER(tcp_idle_timeout, 7440, 7440, "RFC 5382 REQ-5"),
	TIMER(tcp_trans_open_timeout, 240, 0, NULL), /* less is allowed: RFC 7857 section 2.1 */
	TIMER(tcp_trans_close_timeout, 240, 0, NULL),
	TIMER(tcp_in_syn_timeout, 6, 6, "RFC 5382 REQ-4"),
	TIMER(icmp_timeout, 60, 60, "RFC 5508 REQ-2"),
	TIMER(fragment_min_timeout, 2, 2, "RFC 6146 section 4"),
	TIMER(hold_down_timeout, 120, 120, "RFC 6888 REQ-8"),
	KEY("hold_down_max", CONFIG_NUMBER, FIELD(settings, nat.timers.hold_down_max),
	    .max = SETTINGS_HOLD_DOWN_MAX),
	TIMER(host_retention_timeout, 86400, 0, NULL), /* of our own */
	{ 0 },
};

static const struct config_key filtering_keys[] = {
	KEY("udp", CONFIG_WORD, FIELD(settings, nat.filtering_udp), .initial = FILTERING_EIF,
	    .words = filtering_words),
	KEY("tcp", CONFIG_WORD, FIELD(settings, nat.filtering_tcp), .initial = FILTERING_EIF,
	    .words = filtering_words),
	{ 0 },
};

static const struct config_key port_keys[] = {
	KEY("range", CONFIG_PORTS, FIELD(settings, nat.ports), .initial = 1024u << 16 | 65535),
	KEY("preserve", CONFIG_BOOLEAN, FIELD(settings, nat.ports_preserve), .initial = true),
	KEY("parity", CONFIG_BOOLEAN, FIELD(settings, nat.ports_parity), .initial = true),
	{ 0 },
};

static const struct config_key block_keys[] = {
	KEY("size", CONFIG_NUMBER, FIELD(settings, nat.block_size),
	    .line = offsetof(struct settings, block_line), .least = BLOCK_MIN, .max = 32768),
	KEY("max", CONFIG_NUMBER, FIELD(settings, nat.block_max), .initial = 4, .min = 1, .max = MAX_BLOCKS),
	{ 0 },
};

#define LIMIT(key, member) KEY(key, CONFIG_NUMBER, FIELD(settings, nat.limits.member), .max = 65535)

static const struct config_key limit_keys[] = {
	LIMIT("mappings_per_host", all.mappings),
	LIMIT("tcp_mappings_per_host", by[CLASS_TCP].mappings),
	LIMIT("udp_mappings_per_host", by[CLASS_UDP].mappings),
	LIMIT("icmp_mappings_per_host", by[CLASS_ICMP].mappings),
	LIMIT("sessions_per_host", all.sessions),
	LIMIT("tcp_sessions_per_host", by[CLASS_TCP].sessions),
	LIMIT("udp_sessions_per_host", by[CLASS_UDP].sessions),
	LIMIT("icmp_sessions_per_host", by[CLASS_ICMP].sessions),
	LIMIT("new_mappings_per_second", new_mappings),
	{ 0 },
};

static const struct config_key alg_keys[] = {
	KEY("pptp", CONFIG_BOOLEAN, FIELD(settings, nat.alg_pptp), .initial = true),
	{ 0 },
};

static const struct config_key nat_keys[] = {
	KEY("mapping_type", CONFIG_WORD, .words = mapping_words),
	KEY("filtering_type", CONFIG_SECTION, .keys = filtering_keys),
	KEY("accelerate", CONFIG_WORD, FIELD(settings, nat.accelerate), .initial = SETTINGS_ACCELERATE_AUTO,
	    .words = accelerate_words),
	KEY("ports", CONFIG_SECTION, .keys = port_keys),
	KEY("blocks", CONFIG_SECTION, .keys = block_keys),
	KEY("limits", CONFIG_SECTION, .keys = limit_keys),
	KEY("on_exhaustion", CONFIG_WORD, FIELD(settings, nat.tell), .initial = true,
	    .words = exhaustion_words),
	KEY("unsolicited_syn", CONFIG_WORD, FIELD(settings, nat.hold), .initial = true,
	    .words = unsolicited_words),
	KEY("alg", CONFIG_SECTION, .keys = alg_keys),
	KEY("hairpin", CONFIG_BOOLEAN, FIELD(settings, nat.hairpin), .initial = true),
	KEY("mss_clamp", CONFIG_NUMBER, FIELD(settings, nat.mss_clamp), .initial = SETTINGS_MSS_AUTO,
	    .min = 536, .max = 65495, .words = clamp_words),
	KEY("timers", CONFIG_SECTION, .keys = timer_keys),
	{ 0 },
};

static const struct config_key capacity_keys[] = {
	KEY("sessions", CONFIG_NUMBER, FIELD(settings, capacity.sessions),
	    .line = offsetof(struct settings, sessions_line), .min = 1024, .max = 64 << 20,
	    .words = auto_words),
	KEY("mappings", CONFIG_NUMBER, FIELD(settings, capacity.mappings),
	    .line = offsetof(struct settings, mappings_line), .min = 1024, .max = 64 << 20,
	    .words = auto_words),
	KEY("hosts", CONFIG_NUMBER, FIELD(settings, capacity.hosts),
	    .line = offsetof(struct settings, hosts_line), .min = 16, .max = 16 << 20, .words = auto_words),
	{ 0 },
};

static const struct config_key snapshot_keys[] = {
	KEY("interval", CONFIG_NUMBER, FIELD(settings, snapshot_interval), .initial = 60, .max = 86400),
	{ 0 },
};

static const struct config_key recovery_keys[] = {
	KEY("log", CONFIG_BOOLEAN, FIELD(settings, recovery.log), .initial = true),
	KEY("restart", CONFIG_BOOLEAN, FIELD(settings, recovery.restart), .initial = true),
	KEY("backoff", CONFIG_NUMBER, FIELD(settings, recovery.backoff), .initial = 1, .max = 3600),
	KEY("give_up_after", CONFIG_NUMBER, FIELD(settings, recovery.give_up_after), .initial = 5,
	    .max = 1000),
	KEY("watchdog", CONFIG_NUMBER, FIELD(settings, recovery.watchdog), .initial = 60, .max = 3600),
	KEY("dump", CONFIG_WORD, FIELD(settings, recovery.dump), .initial = SETTINGS_DUMP_SMALL,
	    .words = dump_words),
	KEY("keep", CONFIG_NUMBER, FIELD(settings, recovery.keep), .initial = 10, .min = 1, .max = 1000),
	KEY("alert", CONFIG_COMMAND, FIELD(settings, recovery.alert)),
	{ 0 },
};

enum { SETTINGS_TO_ANY = SETTINGS_TO_FILE | SETTINGS_TO_UNIX | SETTINGS_TO_UDP | SETTINGS_TO_TCP };

static const struct config_key log_keys[] = {
	KEY("mappings", CONFIG_WORD, FIELD(settings, log.mappings), .initial = TRAIL_MAPPINGS_BY_NEED,
	    .words = trail_words),
	KEY("blocks", CONFIG_BOOLEAN, FIELD(settings, log.blocks), .initial = true),
	KEY("sessions", CONFIG_BOOLEAN, FIELD(settings, log.sessions)),
	KEY("bindings", CONFIG_BOOLEAN, FIELD(settings, log.bindings)),
	KEY("limits", CONFIG_BOOLEAN, FIELD(settings, log.limits), .initial = true),
	KEY("json", CONFIG_DESTINATION, FIELD(settings, log.json), .max = SETTINGS_TO_ANY,
	    .line = offsetof(struct settings, log.line)),
	KEY("syslog", CONFIG_DESTINATION, FIELD(settings, log.syslog), .max = SETTINGS_TO_ANY,
	    .line = offsetof(struct settings, log.line)),
	KEY("ipfix", CONFIG_DESTINATION, FIELD(settings, log.ipfix), .max = SETTINGS_TO_UDP | SETTINGS_TO_TCP,
	    .line = offsetof(struct settings, log.line)),
	KEY("rate", CONFIG_NUMBER, FIELD(settings, log.rate), .max = 10000000),
	KEY("queue", CONFIG_NUMBER, FIELD(settings, log.queue), .initial = 65536, .min = 16, .max = 1 << 24),
	{ 0 },
};

static const struct config_key api_keys[] = {
	KEY("listen", CONFIG_LISTEN, FIELD(settings, api.listen),
	    .line = offsetof(struct settings, api.listen_line)),
	KEY("token_file", CONFIG_PATH, FIELD(settings, api.token_file)),
	{ 0 },
};

const struct config_key config_keys[] = {
	KEY("interfaces", CONFIG_SECTIONS, .keys = config_interface_keys, .list = &interface_list),
	KEY("nat", CONFIG_SECTION, .keys = nat_keys),
	KEY("reservations", CONFIG_SECTIONS, .keys = reservation_keys, .list = &reservation_list),
	KEY("port_mappings", CONFIG_SECTIONS, .keys = port_mapping_keys, .list = &port_mapping_list),
	KEY("pass_through", CONFIG_PASS_THROUGH),
	KEY("capacity", CONFIG_SECTION, .keys = capacity_keys),
	KEY("snapshot", CONFIG_SECTION, .keys = snapshot_keys),
	KEY("recovery", CONFIG_SECTION, .keys = recovery_keys),
	KEY("log", CONFIG_SECTION, .keys = log_keys),
	KEY("api", CONFIG_SECTION, .keys = api_keys),
	{ 0 },
};

/* Right, but not yet in this version; see config_later_find(). */
static const struct {
	const char *path;
	const char *now;
} laters[] = {
	{ "nat.mapping_type", "eim" },
	{ "recovery.dump", "none small core" },
};

const char *config_later_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(laters); i++)
		if (!strcmp(laters[i].path, path))
			return laters[i].now;
	return NULL;
}

const struct config_key *config_key_find(const struct config_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

const struct config_word *config_word_find(const struct config_word *words, const char *text)
{
	for (; words && words->text; words++)
		if (!strcmp(words->text, text))
			return words;
	return NULL;
}

const char *config_word_text(const struct config_word *words, u32 value)
{
	for (; words && words->text; words++)
		if (words->value == value)
			return words->text;
	return NULL;
}

u32 config_field_get(const struct config_key *key, const void *base)
{
	const char *field = (const char *)base + key->offset;
	struct settings_ports ports;
	u32 value;

	if (key->type == CONFIG_PORTS) {
		memcpy(&ports, field, sizeof(ports));
		return (u32)ports.min << 16 | ports.max;
	}
	if (key->size == sizeof(bool))
		return *(const bool *)field;
	memcpy(&value, field, sizeof(value));
	return value;
}

void config_field_set(const struct config_key *key, void *base, u32 value)
{
	char *field = (char *)base + key->offset;
	struct settings_ports ports = { .min = (u16)(value >> 16), .max = (u16)value };

	if (key->type == CONFIG_PORTS)
		memcpy(field, &ports, sizeof(ports));
	else if (key->size == sizeof(bool))
		*(bool *)field = value;
	else
		memcpy(field, &value, sizeof(value));
}

void config_keys_default(const struct config_key *keys, void *base)
{
	for (; keys->name; keys++) {
		if (keys->type == CONFIG_SECTION)
			config_keys_default(keys->keys, base);
		else if (keys->size)
			config_field_set(keys, base, keys->initial);
	}
}

void *config_list_items(const struct config_list *list, const struct settings *settings, unsigned int *count)
{
	const char *base = (const char *)settings;
	void *items;

	memcpy(&items, base + list->items, sizeof(items));
	memcpy(count, base + list->count, sizeof(*count));
	return items;
}

enum { SUGGEST_MAX = 32 }; /* longer words are not compared */

static unsigned int least(unsigned int a, unsigned int b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
static unsigned int word_distance(const char *a, const char *b)
{
	unsigned int rows[3][SUGGEST_MAX + 1] = { 0 };
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > SUGGEST_MAX || b_size > SUGGEST_MAX)
		return UINT_MAX;
	for (unsigned int j = 0; j <= b_size; j++)
		rows[0][j] = j;
	for (unsigned int i = 1; i <= a_size; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned int j = 1; j <= b_size; j++) {
			row[j] =
				least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a_size % 3][b_size];
}

/* Keep the nearer of two; far-off words are no suggestion. */
static void nearest_take(const char **best, unsigned int *distance, const char *word, const char *typed)
{
	unsigned int now = word_distance(word, typed);

	if (now < *distance && now <= 1 + strlen(word) / 4) {
		*distance = now;
		*best = word;
	}
}

const char *config_key_suggest(const struct config_key *keys, const char *name)
{
	unsigned int distance = UINT_MAX;
	const char *best = NULL;

	for (; keys->name; keys++)
		nearest_take(&best, &distance, keys->name, name);
	return best;
}

const char *config_word_suggest(const struct config_word *words, const char *text)
{
	unsigned int distance = UINT_MAX;
	const char *best = NULL;

	for (; words && words->text; words++)
		nearest_take(&best, &distance, words->text, text);
	return best;
}

static bool section_find(const struct config_key *keys, const char *name, char path[CONFIG_PATH_SIZE])
{
	size_t size = strlen(path);

	if (size > 0 && config_key_find(keys, name))
		return true;
	for (; keys->name; keys++) {
		if (keys->type != CONFIG_SECTION)
			continue;
		snprintf(path + size, CONFIG_PATH_SIZE - size, "%s%s", size ? "." : "", keys->name);
		if (section_find(keys->keys, name, path))
			return true;
		path[size] = '\0';
	}
	return false;
}

const char *config_key_section(char path[CONFIG_PATH_SIZE], const char *name)
{
	path[0] = '\0';
	section_find(config_keys, name, path);
	return path;
}

void config_key_lists(char *names, size_t size, const char *name)
{
	for (const struct config_key *key = config_keys; key->name; key++)
		if (key->type == CONFIG_SECTIONS && config_key_find(key->keys, name))
			report_list_add(names, size, key->name, " or ");
}
