// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is checked about interfaces, their pools and networks: first each value, then across all of them.
 *
 * An outside address has one owner (a port of it belongs to one inside endpoint), so pools may not overlap, and none of
 * their addresses may belong to an inside network. Networks may lie one in another: routing knows the smaller.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_api.h"
#include "daemon/config_read.h"
#include "daemon/config_report.h"

/* True if it may be the name of a network interface: the kernel's rule, and no byte that a message cannot show. */
static bool name_is_valid(const char *text)
{
	size_t size = strlen(text);

	if (!size || size >= SETTINGS_NAME_SIZE || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '/' || *text == ':')
			return false;
	return true;
}

bool config_name_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
		      char name[SETTINGS_NAME_SIZE])
{
	char quoted[REPORT_QUOTE_SIZE];

	if (!name_is_valid(text)) {
		report_what(reader->report, line, "%s: %s cannot be the name of an interface", path,
			    report_quote(quoted, text));
		report_mend(reader->report,
			    "write a name that `ip link` shows: 1 to 15 letters or digits, no blank, / or :");
		return false;
	}
	memcpy(name, text, strlen(text) + 1);
	return true;
}

/* What the parsers of addresses refused, and why. */
static void address_refuse(struct config_reader *reader, const char *path, unsigned int line,
			   const char *text, int error, const char *meant, const char *shape)
{
	const char *why = "is not an address, a range or a network";
	char quoted[REPORT_QUOTE_SIZE];

	if (error == -EDOM)
		why = "has bits set beyond the length of its prefix";
	else if (error == -ERANGE)
		why = "ends before it begins";
	report_what(reader->report, line, "%s: %s %s", path, report_quote(quoted, text), why);
	if (error == -EINVAL)
		report_mend(reader->report, "%s", shape);
	else
		report_mend(reader->report, "write %s", meant);
}

static bool unicast_check(struct config_reader *reader, const char *path, unsigned int line, const char *text,
			  const struct address_range *range)
{
	char quoted[REPORT_QUOTE_SIZE];

	if (address_range_is_unicast(range))
		return true;
	report_what(reader->report, line, "%s: %s holds addresses that no host can have", path,
		    report_quote(quoted, text));
	report_mend(reader->report, "leave out 0.0.0.0/8, 127.0.0.0/8 and what begins with 224 or more");
	return false;
}

void *config_list_grow(struct config_reader *reader, void *list, unsigned int count, size_t size)
{
	void *grown = list;

	/* Full at 0 and at each power of two. */
	if (!(count & (count - 1)))
		grown = realloc(list, (count ? 2 * (size_t)count : 1) * size);
	if (!grown)
		reader->no_memory = true;
	return grown;
}

bool config_range_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
		       struct settings_interface *interface)
{
	struct settings_range taken = { .line = line };
	char meant[ADDRESS_TEXT_SIZE] = "";
	int error = address_range_parse(text, &taken.range);
	void *grown;

	if (error) {
		struct address_prefix prefix;

		if (error == -ERANGE)
			address_range_format(meant, &taken.range);
		else if (error == -EDOM && address_prefix_parse(text, &prefix) == -EDOM)
			address_prefix_format(meant, &prefix);
		address_refuse(reader, path, line, text, error, meant,
			       "write 198.51.100.1, 198.51.100.1-198.51.100.4 or 198.51.100.8/30");
		return false;
	}
	if (!unicast_check(reader, path, line, text, &taken.range))
		return false;
	reader->addresses += address_range_count(&taken.range);
	if (reader->addresses > MAX_POOL_ADDRESSES) {
		report_what(reader->report, line, "%s: with this one, pools hold %llu addresses", path,
			    (unsigned long long)reader->addresses);
		report_mend(reader->report, "all pools together may hold %u", MAX_POOL_ADDRESSES);
		reader->addresses -= address_range_count(&taken.range);
		return false;
	}
	grown = config_list_grow(reader, interface->pool, interface->pool_count, sizeof(*interface->pool));
	if (!grown)
		return false;
	interface->pool = grown;
	interface->pool[interface->pool_count++] = taken;
	return true;
}

/* A network of hosts. */
bool config_prefix_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
			struct settings_network *taken)
{
	char meant[ADDRESS_TEXT_SIZE] = "";
	int error = address_prefix_parse(text, &taken->prefix);
	struct address_range range;

	if (error) {
		if (error == -EDOM)
			address_prefix_format(meant, &taken->prefix);
		address_refuse(reader, path, line, text, error, meant,
			       "write ADDRESS/LENGTH, such as 10.0.0.0/16");
		return false;
	}
	taken->line = line;
	range = address_prefix_range(&taken->prefix);
	return unicast_check(reader, path, line, text, &range);
}

bool config_network_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
			 struct settings_interface *interface)
{
	struct settings_network taken;
	void *grown;

	if (!config_prefix_take(reader, path, line, text, &taken))
		return false;
	if (reader->networks == MAX_NETWORKS) {
		report_what(reader->report, line, "%s: more than %u networks", path, MAX_NETWORKS);
		report_mend(reader->report,
			    "write fewer, larger networks, or leave them out to take what is routed there");
		return false;
	}
	grown = config_list_grow(reader, interface->networks, interface->network_count,
				 sizeof(*interface->networks));
	if (!grown)
		return false;
	reader->networks++;
	interface->networks = grown;
	interface->networks[interface->network_count++] = taken;
	return true;
}

bool config_pass_through_take(struct config_reader *reader, const char *path, unsigned int line,
			      const char *text)
{
	struct settings *settings = reader->settings;
	struct settings_network taken;
	void *grown;

	if (!config_prefix_take(reader, path, line, text, &taken))
		return false;
	if (settings->pass_through_count == MAX_PASS_THROUGH) {
		report_what(reader->report, line, "%s: more than %u networks", path, MAX_PASS_THROUGH);
		report_mend(reader->report, "write fewer, larger networks");
		return false;
	}
	grown = config_list_grow(reader, settings->pass_through, settings->pass_through_count,
				 sizeof(*settings->pass_through));
	if (!grown)
		return false;
	settings->pass_through = grown;
	settings->pass_through[settings->pass_through_count++] = taken;
	return true;
}

void config_interface_check(struct config_reader *reader, void *item)
{
	const struct settings_interface *interface = item;

	if (interface->role == ROLE_INSIDE && interface->pool_count) {
		report_what(reader->report, interface->pool[0].line, "%s: an inside interface has no pool",
			    interface->name);
		report_mend(reader->report, "move the pool to an outside interface, or delete it");
	}
	if (interface->role == ROLE_OUTSIDE && interface->network_count) {
		report_what(reader->report, interface->networks[0].line,
			    "%s: an outside interface has no networks", interface->name);
		report_mend(reader->report, "move the networks to an inside interface, or delete them");
	}
	if (interface->role == ROLE_INSIDE && interface->address_only) {
		report_what(reader->report, interface->line, "%s: an inside interface is not address_only",
			    interface->name);
		report_mend(reader->report, "move the mode to an outside interface, or delete it");
	}
	if (interface->role == ROLE_OUTSIDE && interface->address_only && !interface->pool_count) {
		report_what(reader->report, interface->line, "%s: address_only needs a pool",
			    interface->name);
		report_mend(
			reader->report,
			"add a pool: each host has one of its addresses to itself, and the interface's own "
			"stays the router's");
	}
}

static void names_check(const struct config_reader *reader)
{
	const struct settings *settings = reader->settings;

	for (unsigned int i = 1; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];
		char place[REPORT_PLACE_SIZE];

		for (unsigned int j = 0; j < i; j++) {
			const struct settings_interface *first = &settings->interfaces[j];

			if (!interface->name[0] || strcmp(interface->name, first->name))
				continue;
			report_what(reader->report, interface->line, "interfaces: \"%s\" is there already%s",
				    interface->name, report_place(place, first->line));
			report_mend(reader->report, "give each interface one entry and one role");
			break;
		}
	}
}

/* At least one interface of each role, and no more than the data path has room for. */
static void role_check(const struct config_reader *reader, enum role role, const char *name,
		       unsigned int limit)
{
	const struct settings *settings = reader->settings;
	unsigned int count = 0;
	bool unknown = reader->interfaces_bad;

	for (unsigned int i = 0; i < settings->interface_count; i++) {
		unknown |= settings->interfaces[i].role == ROLE_NONE;
		if (settings->interfaces[i].role != role || ++count != limit + 1)
			continue;
		report_what(reader->report, settings->interfaces[i].line,
			    "interfaces: more than %u %s interfaces", limit, name);
		report_mend(reader->report, "%u is the most that one instance serves", limit);
	}
	if (count || unknown)
		return;
	report_what(reader->report, reader->line, "interfaces: no %s interface", name);
	report_mend(reader->report, "add one: - {name: NAME, role: %s}", name);
}

static int owned_compare(const void *a, const void *b)
{
	const struct config_owned *x = a, *y = b;
	u32 first_x = ntohl(x->range->range.first.s_addr), first_y = ntohl(y->range->range.first.s_addr);

	if (first_x != first_y)
		return first_x < first_y ? -1 : 1;
	return x->range->line < y->range->line ? -1 : x->range->line > y->range->line;
}

static void overlap_report(const struct config_reader *reader, const struct config_owned *a,
			   const struct config_owned *b)
{
	const struct config_owned *later = a->range->line > b->range->line ? a : b;
	const struct config_owned *earlier = later == a ? b : a;
	char one[ADDRESS_TEXT_SIZE], two[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	report_what(reader->report, later->range->line, "pool of %s: %s overlaps %s of %s%s",
		    later->owner->name, address_range_format(one, &later->range->range),
		    address_range_format(two, &earlier->range->range), earlier->owner->name,
		    report_place(place, earlier->range->line));
	report_mend(reader->report, "give each outside address to one pool, once");
}

/* Sorted by their first address, a range overlaps an earlier one if and only if it begins before the furthest end. */
static void overlaps_find(const struct config_reader *reader, struct config_owned *ranges, unsigned int count)
{
	unsigned int furthest = 0;

	qsort(ranges, count, sizeof(*ranges), owned_compare);
	for (unsigned int i = 1; i < count && !report_full(reader->report); i++) {
		if (address_range_overlaps(&ranges[i].range->range, &ranges[furthest].range->range))
			overlap_report(reader, &ranges[i], &ranges[furthest]);
		if (ntohl(ranges[i].range->range.last.s_addr) >
		    ntohl(ranges[furthest].range->range.last.s_addr))
			furthest = i;
	}
}

/* The ranges of all pools, sorted by overlaps_find(), for free(); NULL: no memory. */
static struct config_owned *pools_check(const struct config_reader *reader, unsigned int *count)
{
	const struct settings *settings = reader->settings;
	/* A pool range has one address at least. */
	struct config_owned *ranges = calloc(MAX_POOL_ADDRESSES, sizeof(*ranges));

	if (!ranges)
		return NULL;
	*count = 0;
	for (unsigned int i = 0; i < settings->interface_count; i++)
		for (unsigned int j = 0; j < settings->interfaces[i].pool_count; j++)
			ranges[(*count)++] = (struct config_owned){ &settings->interfaces[i].pool[j],
								    &settings->interfaces[i] };
	overlaps_find(reader, ranges, *count);
	return ranges;
}

static bool networks_equal(const struct settings_network *a, const struct settings_network *b)
{
	return a->prefix.address.s_addr == b->prefix.address.s_addr && a->prefix.length == b->prefix.length;
}

/* The same network in a list before `network`: report it. */
static void network_repeat_check(const struct config_reader *reader, const struct settings_interface *owner,
				 const struct settings_network *network)
{
	char text[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	for (const struct settings_interface *other = reader->settings->interfaces; other <= owner; other++) {
		for (unsigned int i = 0; i < other->network_count; i++) {
			if (&other->networks[i] == network)
				return;
			if (!networks_equal(&other->networks[i], network))
				continue;
			report_what(reader->report, network->line,
				    "networks of %s: %s is there already, for %s%s", owner->name,
				    address_prefix_format(text, &network->prefix), other->name,
				    report_place(place, other->networks[i].line));
			report_mend(reader->report, "name each network once");
			return;
		}
	}
}

/* A pool address inside the network would make one of its hosts unreachable: report the first. */
static void network_pool_check(const struct config_reader *reader, const struct settings_interface *owner,
			       const struct settings_network *network)
{
	struct address_range range = address_prefix_range(&network->prefix);
	char text[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	for (unsigned int i = 0; i < reader->settings->interface_count; i++) {
		const struct settings_interface *interface = &reader->settings->interfaces[i];

		for (unsigned int j = 0; j < interface->pool_count; j++) {
			const struct settings_range *pool = &interface->pool[j];

			if (!address_range_overlaps(&range, &pool->range))
				continue;
			report_what(reader->report, pool->line,
				    "pool of %s: %s lies in the inside network %s of %s%s", interface->name,
				    address_range_format(text, &pool->range),
				    address_prefix_format(other, &network->prefix), owner->name,
				    report_place(place, network->line));
			report_mend(reader->report,
				    "an address is inside or outside: correct the pool or the network");
			return;
		}
	}
}

static void pass_through_check(const struct config_reader *reader)
{
	const struct settings_network *list = reader->settings->pass_through;
	char text[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	for (unsigned int i = 1; i < reader->settings->pass_through_count; i++) {
		unsigned int first = 0;

		while (!networks_equal(&list[first], &list[i]))
			first++;
		if (first == i)
			continue;
		report_what(reader->report, list[i].line, "pass_through: %s is there already%s",
			    address_prefix_format(text, &list[i].prefix),
			    report_place(place, list[first].line));
		report_mend(reader->report, "name each network once");
	}
}

static void networks_check(const struct config_reader *reader)
{
	for (unsigned int i = 0; i < reader->settings->interface_count; i++) {
		const struct settings_interface *owner = &reader->settings->interfaces[i];

		for (unsigned int j = 0; j < owner->network_count; j++) {
			network_repeat_check(reader, owner, &owner->networks[j]);
			network_pool_check(reader, owner, &owner->networks[j]);
		}
	}
}

void config_check(struct config_reader *reader)
{
	unsigned int notes = reader->report->count, count;
	struct config_owned *pools;

	names_check(reader);
	role_check(reader, ROLE_OUTSIDE, "outside", MAX_OUTSIDE);
	role_check(reader, ROLE_INSIDE, "inside", MAX_INSIDE);
	networks_check(reader);
	pass_through_check(reader);
	config_api_check(reader);
	config_deterministic_check(reader);
	pools = pools_check(reader, &count);
	reader->interfaces_refused |= reader->report->count > notes;
	if (!pools || config_fixed_check(reader, pools, count))
		reader->no_memory = true;
	free(pools);
}
