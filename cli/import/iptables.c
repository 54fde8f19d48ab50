// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/import/iptables.h"

#include <string.h>

#include "cli/import/rules.h"
#include "cli/import/text.h"

struct iptables {
	struct rules rules;
	char table[32];
	unsigned int line;
	/* Rules of another table. */
	unsigned int others, others_line;
	char others_table[32];
};

static void error(struct iptables *iptables, const char *what, const char *word, const char *mend)
{
	draft_what(iptables->rules.draft, iptables->line, DRAFT_ERROR, "%s: %.60s", what, word);
	draft_mend(iptables->rules.draft, "%s", mend);
}

static void others_tell(struct iptables *iptables)
{
	if (iptables->others) {
		draft_what(iptables->rules.draft, iptables->others_line, DRAFT_TOLD,
			   "%u rule%s of the table %s: not NAT", iptables->others,
			   iptables->others == 1 ? "" : "s", iptables->others_table);
		draft_mend(iptables->rules.draft,
			   "they stay where they are; segments are clamped by nat.mss_clamp, by default");
	}
	iptables->others = 0;
}

/* A list with commas, each item by `take`. */
static bool list_take(char *list, void *into, bool (*take)(void *into, const char *text))
{
	for (char *item = strsep(&list, ","); item; item = strsep(&list, ","))
		if (!take(into, item))
			return false;
	return true;
}

static bool take_name(void *into, const char *text) { return rule_name_add(into, text); }
static bool take_range(void *into, const char *text) { return rule_range_add(into, text); }
static bool take_ports(void *into, const char *text) { return rule_ports_add(into, text); }

enum meaning {
	IN,
	OUT,
	SOURCE,
	DESTINATION,
	PROTOCOL,
	PORTS,
	TARGET,
	TO,
	TO_PORTS,
	RANDOM,
	SKIP_ONE, /* with a value that does not matter */
	SKIP,
	TABLE,
	CHAIN,
};

static const struct {
	const char *name;
	enum meaning meaning;
} words_known[] = {
	{ "-A", CHAIN },
	{ "--append", CHAIN },
	{ "-t", TABLE },
	{ "--table", TABLE },
	{ "-i", IN },
	{ "--in-interface", IN },
	{ "-o", OUT },
	{ "--out-interface", OUT },
	{ "-s", SOURCE },
	{ "--source", SOURCE },
	{ "--src", SOURCE },
	{ "-d", DESTINATION },
	{ "--destination", DESTINATION },
	{ "--dst", DESTINATION },
	{ "-p", PROTOCOL },
	{ "--protocol", PROTOCOL },
	{ "--dport", PORTS },
	{ "--dports", PORTS },
	{ "--destination-port", PORTS },
	{ "--destination-ports", PORTS },
	{ "-j", TARGET },
	{ "--jump", TARGET },
	{ "-g", TARGET },
	{ "--goto", TARGET },
	{ "--to-source", TO },
	{ "--to-destination", TO },
	{ "--to-ports", TO_PORTS },
	{ "--random", RANDOM },
	{ "--random-fully", RANDOM },
	{ "--persistent", SKIP },
	{ "-w", SKIP },
	{ "--wait", SKIP },
	{ "-m", SKIP_ONE },
	{ "--match", SKIP_ONE },
	{ "--comment", SKIP_ONE },
};

static int meaning_of(const char *word)
{
	for (size_t i = 0; i < sizeof(words_known) / sizeof(words_known[0]); i++)
		if (!strcmp(words_known[i].name, word))
			return (int)words_known[i].meaning;
	return -1;
}

static bool meaning_has_value(enum meaning meaning) { return meaning != RANDOM && meaning != SKIP; }

static void target_take(struct rule *rule, const char *text)
{
	static const struct {
		const char *name;
		enum rule_verdict verdict;
	} targets[] = {
		{ "MASQUERADE", RULE_MASQUERADE },
		{ "SNAT", RULE_SNAT },
		{ "DNAT", RULE_DNAT },
		{ "ACCEPT", RULE_PASS },
		{ "RETURN", RULE_PASS },
		{ "LOG", RULE_NONE },
		{ "NFLOG", RULE_NONE },
		{ "MARK", RULE_NONE },
		{ "CONNMARK", RULE_NONE },
		{ "REDIRECT", RULE_OTHER },
		{ "NETMAP", RULE_OTHER },
		{ "DROP", RULE_OTHER },
		{ "REJECT", RULE_OTHER },
		{ "TPROXY", RULE_OTHER },
		{ "CLUSTERIP", RULE_OTHER },
	};

	rule->verdict = RULE_JUMP;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (!strcmp(targets[i].name, text))
			rule->verdict = targets[i].verdict;
	snprintf(rule->target, sizeof(rule->target), "%s", text);
}

/* A condition or a target. Conditions that keepnat cannot have are kept in their own words. */
static bool meaning_take(struct rule *rule, enum meaning meaning, char *value, bool except)
{
	struct rule_match *match = &rule->match;
	char ports[32];

	switch (meaning) {
	case IN:
		match->in.except = except;
		if (!list_take(value, &match->in, take_name))
			rule_other(match, "the interface %s", value);
		return true;
	case OUT:
		match->out.except = except;
		if (!list_take(value, &match->out, take_name))
			rule_other(match, "the interface %s", value);
		return true;
	case SOURCE:
		match->source.except = except;
		return list_take(value, &match->source, take_range);
	case DESTINATION:
		match->destination.except = except;
		return list_take(value, &match->destination, take_range);
	case PROTOCOL:
		if (except || !rule_protocol_add(match, value))
			rule_other(match, "%sprotocol %s", except ? "other than " : "", value);
		return true;
	case PORTS:
		if (except)
			rule_other(match, "ports other than %s", value);
		return list_take(value, &match->ports, take_ports);
	case TO:
		return rule_target_read(rule, value);
	case TO_PORTS:
		snprintf(ports, sizeof(ports), ":%s", value);
		return rule_target_read(rule, ports);
	case TARGET:
		target_take(rule, value);
		return true;
	case RANDOM:
		rule->random = true;
		return true;
	default:
		return true;
	}
}

/* Conditions that are not known, with their values: up to the next option. */
static int other_take(struct rule *rule, const struct words *words, int at)
{
	char text[RULE_OTHER_SIZE];

	snprintf(text, sizeof(text), "%s %s", words->word[at].text,
		 at + 1 < words->count ? words->word[at + 1].text : "");
	rule_other(&rule->match, "%s", text);
	while (at + 1 < words->count && words->word[at + 1].text[0] != '-' &&
	       strcmp(words->word[at + 1].text, "!") != 0)
		at++;
	return at;
}

/* The words behind the chain. False: that was told. */
static bool rule_read(struct iptables *iptables, struct rule *rule, struct words *words, int at)
{
	for (bool except = false; at < words->count; at++) {
		char *word = words->word[at].text;
		int meaning = meaning_of(word);

		if (!strcmp(word, "!")) {
			except = true;
			continue;
		}
		if (meaning < 0) {
			at = other_take(rule, words, at);
		} else if (meaning_has_value(meaning) && at + 1 == words->count) {
			error(iptables, "an option without its value", word, "give it one");
			return false;
		} else {
			char *value = meaning_has_value(meaning) ? words->word[++at].text : word;

			if (!meaning_take(rule, meaning, value, except)) {
				error(iptables, "not an IPv4 address, a network or a port", value,
				      "write it as iptables-save does, in numbers");
				return false;
			}
		}
		except = false;
	}
	return true;
}

static void append(struct iptables *iptables, struct words *words, int at)
{
	const char *chain = words->word[at].text;
	struct rule other = { .line = iptables->line }, *rule;
	bool nat = !strcmp(iptables->table, "nat");

	if (nat) {
		rule = rules_add(&iptables->rules, chain, iptables->line);
	} else {
		rule = &other;
		if (strcmp(iptables->table, iptables->others_table) != 0)
			others_tell(iptables);
		memcpy(iptables->others_table, iptables->table, sizeof(iptables->table));
		if (!iptables->others++)
			iptables->others_line = iptables->line;
		if (strcmp(chain, "FORWARD") != 0)
			return;
	}
	if (!rule_read(iptables, rule, words, at + 1))
		rule->verdict = RULE_NONE;
	else if (!nat && !strcmp(rule->target, "ACCEPT"))
		rules_forward(&iptables->rules, &rule->match);
}

/* "-A CHAIN ..." as it was saved, with counters before it perhaps; or a command of a script, with its table. */
static void command(struct iptables *iptables, struct words *words)
{
	int at = words->word[0].text[0] == '[', chain = -1;
	bool script =
		!strncmp(words->word[0].text, "iptables", 8) || strstr(words->word[0].text, "/iptables");

	if (script)
		snprintf(iptables->table, sizeof(iptables->table), "filter");
	for (int i = at; i + 1 < words->count && chain < 0; i++) {
		int meaning = meaning_of(words->word[i].text);

		if (meaning == TABLE && script)
			snprintf(iptables->table, sizeof(iptables->table), "%s", words->word[i + 1].text);
		else if (meaning == CHAIN)
			chain = i + 1;
	}
	if (chain >= 0)
		append(iptables, words, chain);
	else if (!script)
		error(iptables, "not a line of iptables-save", words->word[0].text,
		      "delete the line, or write -A CHAIN before its conditions");
}

static void line_read(struct iptables *iptables, char *line)
{
	static struct words words;
	const char *wrong;

	line += strspn(line, " \t");
	if (!*line || *line == '#' || *line == ':' || !strcmp(line, "COMMIT"))
		return;
	if (*line == '*') {
		others_tell(iptables);
		snprintf(iptables->table, sizeof(iptables->table), "%s", line + 1);
		return;
	}
	wrong = words_split(&words, line, true);
	if (wrong)
		error(iptables, "the line cannot be read", wrong, "mend it");
	else if (words.count)
		command(iptables, &words);
}

void iptables_read(struct draft *draft, char *text, const char *inside, const char *outside)
{
	struct iptables iptables = { .table = "nat" };
	char *line;

	rules_init(&iptables.rules, draft, inside, outside);
	while ((line = text_line(&text))) {
		iptables.line++;
		line_read(&iptables, line);
	}
	others_tell(&iptables);
	rules_play(&iptables.rules, "POSTROUTING", RULE_POSTROUTING);
	rules_play(&iptables.rules, "PREROUTING", RULE_PREROUTING);
	rules_play(&iptables.rules, "OUTPUT", RULE_OUTPUT);
	rules_play(&iptables.rules, "INPUT", RULE_INPUT);
	rules_finish(&iptables.rules);
	rules_free(&iptables.rules);
}
