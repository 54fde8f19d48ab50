// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/import/rules.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import/text.h"

enum { JUMPS_MAX = 8, VISITS_MAX = 20000 };

/* Parts of rules */

bool rule_name_add(struct rule_names *names, const char *text)
{
	if (names->count == (int)(sizeof(names->name) / sizeof(names->name[0])) ||
	    strlen(text) >= SETTINGS_NAME_SIZE || !*text || strpbrk(text, "+*@$"))
		return false;
	snprintf(names->name[names->count++], SETTINGS_NAME_SIZE, "%s", text);
	return true;
}

/* ADDRESS/MASK, as iptables takes it, too. */
static bool mask_read(const char *text, struct address_range *range)
{
	char address[ADDRESS_TEXT_SIZE], prefix[ADDRESS_TEXT_SIZE + 8];
	const char *slash = strchr(text, '/');
	int length = slash ? text_mask(slash + 1) : -1;

	if (length < 0 || slash - text >= (int)sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	snprintf(prefix, sizeof(prefix), "%s/%d", address, length);
	return !address_range_parse(prefix, range);
}

bool rule_range_add(struct rule_ranges *ranges, const char *text)
{
	struct address_range range;

	if (ranges->count == RULE_LIST_MAX || (address_range_parse(text, &range) && !mask_read(text, &range)))
		return false;
	ranges->range[ranges->count++] = range;
	return true;
}

bool rule_ports_add(struct rule_ports *ports, const char *text)
{
	size_t length = strcspn(text, ":-");
	unsigned int first, last;
	char begin[8];

	if (length >= sizeof(begin) || ports->count == RULE_LIST_MAX)
		return false;
	snprintf(begin, sizeof(begin), "%.*s", (int)length, text);
	if (!text_number(begin, 65535, &first))
		return false;
	last = first;
	if ((text[length] && !text_number(text + length + 1, 65535, &last)) || last < first)
		return false;
	ports->first[ports->count] = (u16)first;
	ports->last[ports->count++] = (u16)last;
	return true;
}

bool rule_protocol_add(struct rule_match *match, const char *text)
{
	u32 protocol = !strcmp(text, "tcp") || !strcmp(text, "6")    ? SETTINGS_TCP
		       : !strcmp(text, "udp") || !strcmp(text, "17") ? SETTINGS_UDP
								     : 0;

	match->protocols |= protocol;
	return protocol != 0;
}

void rule_other(struct rule_match *match, const char *format, ...)
{
	va_list arguments;

	if (match->other[0])
		return;
	va_start(arguments, format);
	vsnprintf(match->other, sizeof(match->other), format, arguments);
	va_end(arguments);
}

bool rule_target_read(struct rule *rule, const char *text)
{
	const char *colon = strchr(text, ':');
	char address[2 * ADDRESS_TEXT_SIZE];
	struct rule_ports ports = { .count = 0 };
	char *slash, numbers[32];
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	if (length >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)length, text);
	if (*address && address_range_parse(address, &rule->to))
		return false;
	if (!colon)
		return *address != 0;
	snprintf(numbers, sizeof(numbers), "%s", colon + 1);
	slash = strchr(numbers, '/');
	if (slash)
		*slash = 0;
	rule->shifted = slash != NULL;
	if (!rule_ports_add(&ports, numbers))
		return false;
	rule->to_first = ports.first[0];
	rule->to_last = ports.last[0];
	return true;
}

/* The list */

void rules_init(struct rules *rules, struct draft *draft, const char *inside, const char *outside)
{
	memset(rules, 0, sizeof(*rules));
	rules->draft = draft;
	rules->inside = inside;
	rules->outside = outside;
}

void rules_free(struct rules *rules)
{
	for (int i = 0; i < rules->count; i++)
		free(rules->rules[i]);
	free(rules->rules);
}

struct rule *rules_add(struct rules *rules, const char *chain, unsigned int line)
{
	struct rule **list = realloc(rules->rules, ((size_t)rules->count + 1) * sizeof(struct rule *));
	struct rule *rule = calloc(1, sizeof(*rule));

	if (!list || !rule) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	rules->rules = list;
	rules->rules[rules->count++] = rule;
	snprintf(rule->chain, sizeof(rule->chain), "%s", chain);
	rule->line = line;
	return rule;
}

void rules_forward(struct rules *rules, const struct rule_match *match)
{
	if (match->in.count != 1 || match->out.count != 1 || match->in.except || match->out.except ||
	    rules->forward_count == RULE_LIST_MAX)
		return;
	memcpy(rules->forward[rules->forward_count][0], match->in.name[0], SETTINGS_NAME_SIZE);
	memcpy(rules->forward[rules->forward_count++][1], match->out.name[0], SETTINGS_NAME_SIZE);
}

/* What is told */

static void __attribute__((format(printf, 3, 4)))
leave(struct rules *rules, const struct rule *rule, const char *format, ...)
{
	char text[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	draft_what(rules->draft, rule->line, DRAFT_LEFT_OUT, "%s", text);
}

/* A condition that keepnat cannot have here. True: that was told. */
static bool narrow(struct rules *rules, const struct rule *rule, bool is, const char *what)
{
	if (!is)
		return false;
	leave(rules, rule, "the rule holds only for %s", what);
	draft_mend(rules->draft, "keepnat translates by interface: write what you need into keepnat.yaml, "
				 "and filter with nftables");
	return true;
}

/* Interfaces */

static int interface_number(struct rules *rules, const char *name, bool inside, unsigned int line)
{
	struct draft_item *item = draft_find_text(rules->draft, DRAFT_INTERFACE, DRAFT_NOBODY, name);

	if (!item) {
		item = draft_add(rules->draft, DRAFT_INTERFACE, line, DRAFT_NOBODY, "%s", name);
		item->inside = inside;
	}
	return draft_number(rules->draft, item);
}

/* The one interface that a rule names, or that the caller does; -1: none, and that was told. */
static const char *interface_named(struct rules *rules, const struct rule *rule,
				   const struct rule_names *names)
{
	if (names->count == 1 && !names->except)
		return names->name[0];
	if (!names->count && rules->outside)
		return rules->outside;
	leave(rules, rule, "%s",
	      names->except  ? "the rule names the interfaces that it is not for"
	      : names->count ? "the rule is for several interfaces"
			     : "the rule names no outside interface");
	draft_mend(rules->draft, "%s",
		   names->count ? "write one rule for each outside interface" : "give --outside IF");
	return NULL;
}

/* Out: masquerade and SNAT */

static void ports_take(struct rules *rules, const struct rule *rule)
{
	if (rule->random) {
		draft_what(rules->draft, rule->line, DRAFT_TOLD,
			   "random ports: keepnat keeps a port where it is free, else takes one by chance");
		draft_mend(rules->draft, "write nat.ports.preserve: false for chance alone");
	}
	if (!rule->to_first)
		return;
	if (draft_has(rules->draft, DRAFT_PORTS, DRAFT_NOBODY)) {
		char text[32];

		snprintf(text, sizeof(text), "range: %u-%u", rule->to_first, rule->to_last);
		if (draft_find_text(rules->draft, DRAFT_PORTS, DRAFT_NOBODY, text))
			return;
		leave(rules, rule, "the ports %u-%u: keepnat has one range for all", rule->to_first,
		      rule->to_last);
		draft_mend(rules->draft, "widen nat.ports.range, or leave it");
		return;
	}
	draft_add(rules->draft, DRAFT_PORTS, rule->line, DRAFT_NOBODY, "range: %u-%u", rule->to_first,
		  rule->to_last);
}

/* ADDRESS/LENGTH. False: it is no network, and the text is that of the range. */
static bool network_format(char text[ADDRESS_TEXT_SIZE], const struct address_range *range)
{
	u32 first = ntohl(range->first.s_addr), last = ntohl(range->last.s_addr), beyond = first ^ last;
	struct address_prefix prefix = { range->first, (u8)(32 - __builtin_popcount(beyond)) };

	if ((beyond & (beyond + 1)) || (first & beyond)) {
		address_range_format(text, range);
		return false;
	}
	address_prefix_format(text, &prefix);
	return true;
}

/* Sources are networks behind an inside interface; which one, rules_finish() knows. */
static void networks_take(struct rules *rules, const struct rule *rule)
{
	char text[ADDRESS_TEXT_SIZE];

	if (!rule->match.source.count)
		draft_add(rules->draft, DRAFT_NETWORK, rule->line, -2, "any");
	for (int i = 0; i < rule->match.source.count; i++) {
		if (!network_format(text, &rule->match.source.range[i])) {
			leave(rules, rule, "the source %s is no network", text);
			draft_mend(rules->draft,
				   "write the networks that it is made of under the inside interface");
		} else if (!draft_find_text(rules->draft, DRAFT_NETWORK, -2, text)) {
			draft_add(rules->draft, DRAFT_NETWORK, rule->line, -2, "%s", text);
		}
	}
}

static void pass_take(struct rules *rules, const struct rule *rule, const struct rule_ranges *destination)
{
	char text[ADDRESS_TEXT_SIZE];

	for (int i = 0; i < destination->count; i++) {
		if (!network_format(text, &destination->range[i])) {
			leave(rules, rule, "the destination %s is no network", text);
			draft_mend(rules->draft, "write the networks that it is made of under pass_through");
		} else if (!draft_find_text(rules->draft, DRAFT_PASS_THROUGH, DRAFT_NOBODY, text)) {
			draft_add(rules->draft, DRAFT_PASS_THROUGH, rule->line, DRAFT_NOBODY, "%s", text);
		}
	}
}

static bool is_host(const struct rule_ranges *ranges)
{
	return ranges->count == 1 && !ranges->except &&
	       ranges->range[0].first.s_addr == ranges->range[0].last.s_addr;
}

static struct draft_item *reservation_find(const struct rules *rules, const char *inside, const char *outside)
{
	char key[2 * ADDRESS_TEXT_SIZE];

	snprintf(key, sizeof(key), "%s %s", inside, outside);
	return draft_find(rules->draft, DRAFT_RESERVATION, DRAFT_NOBODY, key);
}

static void reservation_add(struct rules *rules, const struct rule *rule, struct in_addr inside,
			    struct in_addr outside, bool inbound)
{
	char in[ADDRESS_TEXT_SIZE], out[ADDRESS_TEXT_SIZE];
	struct draft_item *item;

	address_format(in, inside);
	address_format(out, outside);
	item = reservation_find(rules, in, out);
	if (item && !inbound)
		return;
	if (item)
		item->gone = true;
	item = draft_add(rules->draft, DRAFT_RESERVATION, item ? item->line : rule->line, DRAFT_NOBODY,
			 "{inside: %s, outside: %s, inbound: %s}", in, out, inbound ? "true" : "false");
	snprintf(item->key, sizeof(item->key), "%s %s", in, out);
}

/* An interface has its own addresses, or a pool: a rule for either may have come first. False: that was told. */
static bool pool_take(struct rules *rules, const struct rule *rule, int interface)
{
	struct draft_item *of = &rules->draft->items[interface];
	char text[ADDRESS_TEXT_SIZE];
	const char *key = rule->verdict == RULE_MASQUERADE ? "own" : "pool";

	if (of->key[0] && strcmp(of->key, key) != 0) {
		leave(rules, rule, "%s would have its own addresses and others, too", of->text);
		draft_mend(rules->draft, "write a pool with all of them, and its own if they do not change, "
					 "and this rule's part by hand");
		return false;
	}
	snprintf(of->key, sizeof(of->key), "%s", key);
	if (rule->verdict == RULE_MASQUERADE)
		return true;
	address_range_format(text, &rule->to);
	if (!draft_find_text(rules->draft, DRAFT_POOL, interface, text))
		snprintf(draft_add(rules->draft, DRAFT_POOL, rule->line, interface, "%s", text)->key,
			 DRAFT_KEY_SIZE, "%s", is_host(&rule->match.source) ? "host" : "");
	return true;
}

/* A second set of sources with addresses of its own: keepnat chooses by interface. */
static bool pool_is_shared(struct rules *rules, const struct rule *rule, int interface)
{
	char text[ADDRESS_TEXT_SIZE];

	if (rule->verdict == RULE_MASQUERADE || is_host(&rule->match.source))
		return false;
	address_range_format(text, &rule->to);
	for (int i = 0; i < rules->draft->item_count; i++) {
		const struct draft_item *item = &rules->draft->items[i];

		if (item->kind != DRAFT_POOL || item->interface != interface || item->gone ||
		    !strcmp(item->text, text) || !strcmp(item->key, "host"))
			continue;
		leave(rules, rule,
		      "other sources have other addresses (line %u); keepnat chooses by interface",
		      item->line);
		draft_mend(rules->draft,
			   "add %s to the pool, and reservations for hosts that need one of them", text);
		return true;
	}
	return false;
}

static void source_take(struct rules *rules, const struct rule *rule)
{
	const struct rule_match *match = &rule->match;
	bool host = is_host(&match->source) && rule->verdict == RULE_SNAT;
	const char *name;
	int interface;

	if (narrow(rules, rule, match->other[0], match->other) ||
	    narrow(rules, rule, match->protocols || match->ports.count, "some protocols or ports") ||
	    narrow(rules, rule, match->destination.count && !match->destination.except,
		   "some destinations") ||
	    narrow(rules, rule, match->source.except, "sources that it does not name") ||
	    narrow(rules, rule, match->in.except, "what did not come in by some interface"))
		return;
	name = interface_named(rules, rule, &match->out);
	if (!name)
		return;
	interface = interface_number(rules, name, false, rule->line);
	for (int i = 0; i < match->in.count; i++)
		interface_number(rules, match->in.name[i], true, rule->line);
	if (pool_is_shared(rules, rule, interface) || !pool_take(rules, rule, interface))
		return;
	if (host && rule->to.first.s_addr == rule->to.last.s_addr)
		reservation_add(rules, rule, match->source.range[0].first, rule->to.first, false);
	else
		networks_take(rules, rule);
	ports_take(rules, rule);
	pass_take(rules, rule, &match->destination);
}

/* In: DNAT */

/* netfilter may choose any port of a range; where each one stays itself, or the ranges are tied, it is as here. */
static bool target_fits(const struct rule *rule, u16 first, u16 last)
{
	if (!rule->to_first)
		return true;
	if (first == last)
		return rule->to_first == rule->to_last;
	return rule->to_last - rule->to_first == last - first && (rule->shifted || rule->to_first == first);
}

static void mapping_add(struct rules *rules, const struct rule *rule, const char *outside, u32 protocol,
			int i)
{
	u16 first = rule->match.ports.first[i], last = rule->match.ports.last[i];
	char inside[ADDRESS_TEXT_SIZE], ports[16];

	if (!target_fits(rule, first, last)) {
		leave(rules, rule, "ports %u-%u to %u-%u: any of them may be chosen there", first, last,
		      rule->to_first, rule->to_last);
		draft_mend(rules->draft, "write a port mapping with as many ports inside as outside");
		return;
	}
	if (first == last)
		snprintf(ports, sizeof(ports), "%u", first);
	else
		snprintf(ports, sizeof(ports), "%u-%u", first, last);
	draft_add(rules->draft, DRAFT_PORT_MAPPING, rule->line, DRAFT_NOBODY,
		  "{protocol: %s, outside: \"%s:%s\", inside: \"%s:%u\"}",
		  protocol == SETTINGS_TCP   ? "tcp"
		  : protocol == SETTINGS_UDP ? "udp"
					     : "both",
		  outside, ports, address_format(inside, rule->to.first),
		  rule->to_first ? rule->to_first : first);
}

/* All that comes for an address goes to one host. */
static void inbound_take(struct rules *rules, const struct rule *rule)
{
	struct in_addr outside = rule->match.destination.range[0].first;
	char text[ADDRESS_TEXT_SIZE];

	address_format(text, outside);
	if (!is_host(&rule->match.destination)) {
		leave(rules, rule, "everything for several addresses, or for the interface's own");
		draft_mend(rules->draft,
			   "write a reservation with inbound: true for one address of the pool, or "
			   "port mappings");
		return;
	}
	reservation_add(rules, rule, rule->to.first, outside, true);
}

static void outside_take(struct rules *rules, const struct rule *rule, const char *outside)
{
	for (int i = 0; i < rule->match.ports.count; i++)
		mapping_add(rules, rule, outside, rule->match.protocols, i);
}

static void destination_take(struct rules *rules, const struct rule *rule)
{
	const struct rule_match *match = &rule->match;
	char text[ADDRESS_TEXT_SIZE];
	const char *name;

	if (narrow(rules, rule, match->other[0], match->other) ||
	    narrow(rules, rule, match->source.count, "some senders") ||
	    narrow(rules, rule, match->out.count, "some ways out") ||
	    narrow(rules, rule, match->destination.except, "addresses that it does not name"))
		return;
	if (!rule->to.first.s_addr || rule->to.first.s_addr != rule->to.last.s_addr) {
		leave(rules, rule, "the rule does not lead to one inside host");
		draft_mend(rules->draft, "write a port mapping to one host, or a balancer behind it");
	} else if (!match->protocols && !match->ports.count) {
		inbound_take(rules, rule);
	} else if (!match->ports.count) {
		narrow(rules, rule, true, "all ports of a protocol");
	} else if (match->destination.count) {
		for (int i = 0; i < match->destination.count; i++) {
			address_range_format(text, &match->destination.range[i]);
			outside_take(rules, rule, text);
		}
	} else {
		name = interface_named(rules, rule, &match->in);
		if (name) {
			interface_number(rules, name, false, rule->line);
			outside_take(rules, rule, name);
		}
	}
}

/* Chains */

/* Conditions of both; where one condition is said twice, and not alike, that is one that keepnat has not. */
#define PART_JOIN(part, what)                                                               \
	do {                                                                                \
		if (!joined.part.count)                                                     \
			joined.part = rule->match.part;                                     \
		else if (rule->match.part.count &&                                          \
			 memcmp(&joined.part, &rule->match.part, sizeof(joined.part)) != 0) \
			rule_other(&joined, "two conditions on " what);                     \
	} while (0)

static struct rule_match match_join(const struct rule_match *before, const struct rule *rule)
{
	struct rule_match joined = *before;

	PART_JOIN(in, "the way in");
	PART_JOIN(out, "the way out");
	PART_JOIN(source, "the source");
	PART_JOIN(destination, "the destination");
	PART_JOIN(ports, "ports");
	joined.protocols = joined.protocols && rule->match.protocols
				   ? joined.protocols & rule->match.protocols
				   : joined.protocols | rule->match.protocols;
	rule_other(&joined, "%s", rule->match.other);
	return joined;
}

static void pass_rule(struct rules *rules, const struct rule *rule, enum rule_hook hook)
{
	const struct rule_match *match = &rule->match;

	if (hook == RULE_POSTROUTING && match->destination.count && !match->destination.except &&
	    !match->protocols && !match->ports.count && !match->other[0] && !match->source.except) {
		pass_take(rules, rule, &match->destination);
		return;
	}
	leave(rules, rule, "a rule that leaves some packets to the rules of other chains, or as they are");
	draft_mend(rules->draft, "destinations that are not translated go under pass_through");
}

static void rule_apply(struct rules *rules, const struct rule *rule, enum rule_hook hook)
{
	bool wrong_hook = (rule->verdict == RULE_DNAT) == (hook == RULE_POSTROUTING || hook == RULE_INPUT);

	if (rule->verdict == RULE_OTHER) {
		leave(rules, rule, "%s: keepnat does not do that", rule->target);
		draft_mend(rules->draft,
			   "keep the rule in netfilter, if it is for the router's own services");
	} else if (rule->verdict == RULE_PASS) {
		pass_rule(rules, rule, hook);
	} else if (hook == RULE_OUTPUT && rule->verdict == RULE_DNAT) {
		draft_what(rules->draft, rule->line, DRAFT_TOLD,
			   "what the router itself sends: its processes reach port mappings anyway");
		draft_mend(rules->draft, "write the port mapping, if no other rule has it");
	} else if (wrong_hook || hook == RULE_OUTPUT) {
		leave(rules, rule, "not a rule for packets that pass through");
		draft_mend(rules->draft, "keep it in netfilter");
	} else if (rule->verdict == RULE_DNAT) {
		destination_take(rules, rule);
	} else {
		source_take(rules, rule);
	}
}

/* A chain that is being followed, and the one whose rule jumped to it. */
struct way {
	const struct way *from;
	const char *chain;
	int jumps; /* that led here */
};

static bool way_comes_back(const struct way *way, const char *chain)
{
	for (; way; way = way->from)
		if (!strcmp(way->chain, chain))
			return true;
	return false;
}

static void chain_play(struct rules *rules, const struct way *way, enum rule_hook hook,
		       const struct rule_match *before, int *visits)
{
	for (int i = 0; i < rules->count; i++) {
		struct way next = { way, NULL, way->jumps + 1 };
		struct rule joined;

		if (strcmp(rules->rules[i]->chain, way->chain) != 0 || rules->rules[i]->verdict == RULE_NONE)
			continue;
		if (++*visits == VISITS_MAX) {
			leave(rules, rules->rules[i], "more ways through the chains than can be followed");
			draft_mend(rules->draft, "import a file with fewer rules");
		}
		if (*visits >= VISITS_MAX)
			return;
		joined = *rules->rules[i];
		joined.match = match_join(before, rules->rules[i]);
		if (joined.verdict != RULE_JUMP) {
			rule_apply(rules, &joined, hook);
		} else if (way_comes_back(way, joined.target)) {
			leave(rules, &joined, "the chain \"%s\" leads to itself", joined.target);
			draft_mend(rules->draft, "take the jump out; netfilter does not load such rules");
		} else if (way->jumps < JUMPS_MAX) {
			next.chain = joined.target;
			chain_play(rules, &next, hook, &joined.match, visits);
		} else {
			leave(rules, &joined, "more than %d jumps in a row", JUMPS_MAX);
			draft_mend(rules->draft, "write what it leads to by hand");
		}
	}
}

void rules_play(struct rules *rules, const char *chain, enum rule_hook hook)
{
	static const struct rule_match any;
	const struct way way = { NULL, chain, 0 };
	int visits = 0;

	chain_play(rules, &way, hook, &any, &visits);
}

/* The end */

static void inside_take(struct rules *rules)
{
	for (int i = 0; i < rules->forward_count; i++) {
		const struct draft_item *out =
			draft_find_text(rules->draft, DRAFT_INTERFACE, DRAFT_NOBODY, rules->forward[i][1]);

		if (out && !out->inside)
			interface_number(rules, rules->forward[i][0], true, 0);
	}
}

/* Networks are behind the one inside interface; of several, nobody said which. */
static void networks_place(struct rules *rules)
{
	struct draft *draft = rules->draft;
	struct draft_item *any = draft_find_text(draft, DRAFT_NETWORK, -2, "any");
	int inside = -1, count = 0;

	for (int i = 0; i < draft->item_count; i++)
		if (draft->items[i].kind == DRAFT_INTERFACE && draft->items[i].inside) {
			inside = i;
			count++;
		}
	for (int i = 0; i < draft->item_count; i++) {
		struct draft_item *item = &draft->items[i];

		if (item->kind != DRAFT_NETWORK || item->gone || item->interface != -2)
			continue;
		item->interface = inside;
		item->gone = any || count != 1;
		if (any || count == 1)
			continue;
		draft_what(draft, item->line, DRAFT_TOLD, "%s: it is not known which interface it is behind",
			   item->text);
		draft_mend(draft, "write it under networks of that interface; without, all that is routed "
				  "there is translated");
	}
}

void rules_finish(struct rules *rules)
{
	struct draft *draft = rules->draft;

	if (!draft_has_side(draft, false)) {
		draft_what(draft, 0, DRAFT_ERROR,
			   "no rule that can be carried over names an outside interface");
		draft_mend(draft, "see the lines above, and give --outside IF");
	}
	if (rules->inside)
		interface_number(rules, rules->inside, true, 0);
	else
		inside_take(rules);
	draft_complete(draft, rules->inside, rules->outside);
	networks_place(rules);
	draft_add(draft, DRAFT_FILTERING, 0, DRAFT_NOBODY, "udp: edf");
	draft_add(draft, DRAFT_FILTERING, 0, DRAFT_NOBODY, "tcp: edf");
	draft_what(draft, 0, DRAFT_TOLD,
		   "as netfilter does, only who was spoken to may answer (filtering_type: edf); games and "
		   "calls like eif");
	draft_mend(draft,
		   "delete the NAT rules there before keepnat starts: two NATs in a row translate twice");
}
