// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tokens are read from the text as they are needed, one ahead. Where a variable stands, reading goes on in its value, which is a part of
 * the text, and then comes back; so a value may be a word or a whole set.
 */
#include "cli/import/nft.h"

#include <string.h>

#include "cli/import/rules.h"
#include "cli/import/text.h"

enum { TOKEN_SIZE = 96, VARIABLES_MAX = 64, DEPTH_MAX = 8, BASES_MAX = 32, EXPANSIONS_MAX = 4096 };

enum token_kind { END, LINE, WORD, STRING, SIGN };

struct token {
	enum token_kind kind;
	char text[TOKEN_SIZE]; /* of a sign: the sign */
};

/* A part of the text. */
struct part {
	const char *at, *end;
};

struct variable {
	char name[RULE_NAME_SIZE];
	struct part value;
};

/* A chain that a hook leads to. */
struct base {
	char chain[RULE_NAME_SIZE];
	enum rule_hook hook;
};

struct nft {
	struct rules rules;
	struct part part[DEPTH_MAX + 1]; /* the whole, then values of variables within each other */
	const struct variable *within[DEPTH_MAX + 1]; /* whose value a part is */
	int depth, expansions;
	unsigned int line, others, others_line;
	struct variable variables[VARIABLES_MAX];
	int variable_count;
	struct token token; /* the one ahead */
	char table[RULE_NAME_SIZE / 2];
	struct base bases[BASES_MAX];
	int base_count;
	/* The chain that is read. */
	char chain[RULE_NAME_SIZE];
	bool forward, foreign; /* a base of forwarding; a base that is not NAT's */
};

static void error(struct nft *nft, const char *what, const char *word, const char *mend)
{
	draft_what(nft->rules.draft, nft->line, DRAFT_ERROR, "%s: %.60s", what, word);
	draft_mend(nft->rules.draft, "%s", mend);
}

/* Tokens */

static int peek_char(const struct nft *nft)
{
	const struct part *part = &nft->part[nft->depth];

	return part->at < part->end ? (unsigned char)*part->at : -1;
}

static int take_char(struct nft *nft)
{
	int c = peek_char(nft);

	if (c >= 0)
		nft->part[nft->depth].at++;
	nft->line += c == '\n' && !nft->depth;
	return c;
}

/* Blanks, comments, and ends of lines that a backslash takes back. */
static void blanks_skip(struct nft *nft)
{
	for (;;) {
		const struct part *part = &nft->part[nft->depth];
		int c = peek_char(nft);

		if (c == '#')
			while (peek_char(nft) >= 0 && peek_char(nft) != '\n')
				take_char(nft);
		else if (c == ' ' || c == '\t')
			take_char(nft);
		else if (c == '\\' && part->end - part->at > 1 && part->at[1] == '\n')
			take_char(nft), take_char(nft);
		else
			return;
	}
}

static void string_read(struct nft *nft)
{
	size_t size = 0;
	int c;

	while ((c = take_char(nft)) >= 0 && c != '"')
		if (size + 1 < TOKEN_SIZE)
			nft->token.text[size++] = (char)c;
	nft->token.text[size] = 0;
	nft->token.kind = STRING;
}

static void word_read(struct nft *nft)
{
	size_t size = 0;

	while (peek_char(nft) >= 0 && !strchr(" \t\n{};,\"#=!\\", peek_char(nft))) {
		int c = take_char(nft);

		if (size + 1 < TOKEN_SIZE)
			nft->token.text[size++] = (char)c;
	}
	nft->token.text[size] = 0;
	nft->token.kind = WORD;
}

static void sign_read(struct nft *nft)
{
	int c = take_char(nft);

	nft->token.kind = c == '\n' ? LINE : SIGN;
	nft->token.text[0] = (char)c;
	nft->token.text[1] = 0;
	if ((c == '!' || c == '=') && peek_char(nft) == '=') {
		take_char(nft);
		nft->token.text[1] = '=';
		nft->token.text[2] = 0;
	}
}

static const struct variable *variable_find(const struct nft *nft, const char *name)
{
	for (int i = nft->variable_count; i-- > 0;)
		if (!strcmp(nft->variables[i].name, name))
			return &nft->variables[i];
	return NULL;
}

/*
 * May its value stand here? Not within itself, which no rule set that nft loads has; and values that name others, and these others again,
 * come to no more than so many. What stays is the name.
 */
static bool variable_expands(struct nft *nft, const struct variable *variable)
{
	for (int i = 1; i <= nft->depth; i++)
		if (nft->within[i] == variable)
			return false;
	if (nft->depth == DEPTH_MAX)
		return false;
	if (++nft->expansions == EXPANSIONS_MAX)
		error(nft, "too many values of variables in all, from here on they are left out",
		      nft->token.text, "write values where they are used, or import the file in parts");
	return nft->expansions < EXPANSIONS_MAX;
}

static void next(struct nft *nft)
{
	const struct variable *variable;

	for (;;) {
		blanks_skip(nft);
		if (peek_char(nft) < 0) {
			if (!nft->depth) {
				nft->token.kind = END;
				nft->token.text[0] = 0;
				return;
			}
			nft->depth--;
			continue;
		}
		if (peek_char(nft) == '"') {
			take_char(nft);
			string_read(nft);
			return;
		}
		if (strchr("\n{};,=!\\", peek_char(nft))) {
			sign_read(nft);
			return;
		}
		word_read(nft);
		variable = nft->token.text[0] == '$' ? variable_find(nft, nft->token.text + 1) : NULL;
		if (!variable || !variable_expands(nft, variable))
			return;
		nft->part[++nft->depth] = variable->value;
		nft->within[nft->depth] = variable;
	}
}

static bool is_sign(const struct nft *nft, char sign)
{
	return nft->token.kind == SIGN && nft->token.text[0] == sign && !nft->token.text[1];
}

static bool is_word(const struct nft *nft, const char *word)
{
	return nft->token.kind == WORD && !strcmp(nft->token.text, word);
}

static bool take_word(struct nft *nft, const char *word)
{
	if (!is_word(nft, word))
		return false;
	next(nft);
	return true;
}

static bool is_value(const struct nft *nft) { return nft->token.kind == WORD || nft->token.kind == STRING; }

static bool statement_ends(const struct nft *nft)
{
	return nft->token.kind == END || nft->token.kind == LINE || is_sign(nft, ';') || is_sign(nft, '}');
}

static void lines_skip(struct nft *nft)
{
	while (nft->token.kind == LINE)
		next(nft);
}

/* From "{" to behind its "}". */
static void braces_skip(struct nft *nft)
{
	int depth = 0;

	do {
		depth += is_sign(nft, '{') - is_sign(nft, '}');
		next(nft);
	} while (depth && nft->token.kind != END);
}

/* To the end of a statement, braces in it included. */
static void statement_skip(struct nft *nft)
{
	while (!statement_ends(nft))
		if (is_sign(nft, '{'))
			braces_skip(nft);
		else
			next(nft);
}

/* Conditions */

/* One value, or a set of them. False: one of them is none that `take` knows. */
static bool values_read(struct nft *nft, void *into, bool *except, bool (*take)(void *into, const char *text))
{
	bool good = true;

	if (nft->token.kind == SIGN && nft->token.text[1] == '=') {
		*except = nft->token.text[0] == '!';
		next(nft);
	}
	if (!is_sign(nft, '{')) {
		good = is_value(nft) && take(into, nft->token.text);
		if (!statement_ends(nft))
			next(nft);
		return good;
	}
	next(nft);
	while (nft->token.kind != END && !is_sign(nft, '}')) {
		if (is_value(nft))
			good = take(into, nft->token.text) && good;
		else
			good = good && (is_sign(nft, ',') || nft->token.kind == LINE);
		next(nft);
	}
	next(nft);
	return good;
}

static bool take_name(void *into, const char *text) { return rule_name_add(into, text); }
static bool take_range(void *into, const char *text) { return rule_range_add(into, text); }
static bool take_ports(void *into, const char *text) { return rule_ports_add(into, text); }
static bool take_protocol(void *into, const char *text) { return rule_protocol_add(into, text); }

static void ranges_read(struct nft *nft, struct rule *rule, struct rule_ranges *ranges, const char *name)
{
	if (!values_read(nft, ranges, &ranges->except, take_range))
		rule_other(&rule->match, "some %s", name);
}

static void names_read(struct nft *nft, struct rule *rule, struct rule_names *names)
{
	if (!values_read(nft, names, &names->except, take_name))
		rule_other(&rule->match, "some interfaces");
}

static void ports_read(struct nft *nft, struct rule *rule, u32 protocols)
{
	bool except = false;

	rule->match.protocols |= protocols;
	if (!values_read(nft, &rule->match.ports, &except, take_ports) || except)
		rule_other(&rule->match, "other ports than those of a list");
}

static void protocol_read(struct nft *nft, struct rule *rule)
{
	bool except = false;

	if (!values_read(nft, &rule->match, &except, take_protocol) || except)
		rule_other(&rule->match, "other protocols than tcp and udp");
}

/* A condition that keepnat has not; its words are swallowed as such one by one, sets whole. */
static void other_read(struct nft *nft, struct rule *rule, const char *before)
{
	char first[TOKEN_SIZE];

	if (is_sign(nft, '{')) {
		braces_skip(nft);
		return;
	}
	snprintf(first, sizeof(first), "%s", nft->token.text);
	if (!statement_ends(nft))
		next(nft);
	rule_other(&rule->match, "%s%s%s%s%s", before, *before ? " " : "", first, is_value(nft) ? " " : "",
		   is_value(nft) ? nft->token.text : "");
}

/* "tcp dport", "ip saddr", "iifname". False: it is something else, and *before is what was read of it. */
static bool condition_read(struct nft *nft, struct rule *rule, const char **before)
{
	u32 protocol = is_word(nft, "tcp") ? SETTINGS_TCP : is_word(nft, "udp") ? SETTINGS_UDP : 0;

	*before = "";
	if (take_word(nft, "meta"))
		*before = "meta";
	if (take_word(nft, "iifname") || take_word(nft, "iif")) {
		names_read(nft, rule, &rule->match.in);
	} else if (take_word(nft, "oifname") || take_word(nft, "oif")) {
		names_read(nft, rule, &rule->match.out);
	} else if (take_word(nft, "l4proto")) {
		protocol_read(nft, rule);
	} else if (take_word(nft, "nfproto")) {
		if (!take_word(nft, "ipv4"))
			rule_other(&rule->match, "another protocol than IPv4");
	} else if (!**before && take_word(nft, "ip")) {
		*before = "ip";
		if (take_word(nft, "saddr"))
			ranges_read(nft, rule, &rule->match.source, "sources");
		else if (take_word(nft, "daddr"))
			ranges_read(nft, rule, &rule->match.destination, "destinations");
		else if (take_word(nft, "protocol"))
			protocol_read(nft, rule);
		else
			return false;
	} else if (protocol || is_word(nft, "th")) {
		*before = protocol == SETTINGS_TCP ? "tcp" : protocol ? "udp" : "th";
		next(nft);
		if (!take_word(nft, "dport"))
			return false;
		ports_read(nft, rule, protocol);
	} else {
		return false;
	}
	return true;
}

/* Verdicts */

static void rule_keep(struct nft *nft, const struct rule *rule)
{
	struct rule *kept = rules_add(&nft->rules, nft->chain, rule->line);
	char chain[RULE_NAME_SIZE];

	memcpy(chain, kept->chain, sizeof(chain));
	*kept = *rule;
	memcpy(kept->chain, chain, sizeof(chain));
}

/* An element of a map as a rule of its own. */
static bool element_read(struct nft *nft, const struct rule *rule, bool by_port, bool by_source)
{
	struct rule one = *rule;
	struct rule_ranges *ranges = by_source ? &one.match.source : &one.match.destination;
	struct rule_ports port = { .count = 0 };
	bool good;

	good = is_value(nft) && (by_port ? rule_ports_add(&one.match.ports, nft->token.text)
					 : rule_range_add(ranges, nft->token.text));
	if (is_value(nft))
		next(nft);
	good = good && take_word(nft, ":") && is_value(nft) && rule_target_read(&one, nft->token.text);
	if (is_value(nft))
		next(nft);
	if (good && take_word(nft, ".")) {
		good = is_value(nft) && rule_ports_add(&port, nft->token.text);
		one.to_first = port.first[0];
		one.to_last = port.last[0];
		if (is_value(nft))
			next(nft);
	}
	if (good)
		rule_keep(nft, &one);
	return good;
}

/* "{ 80 : 10.0.0.5, ... }" */
static bool elements_read(struct nft *nft, const struct rule *rule, bool by_port, bool by_source)
{
	bool good = true;

	next(nft);
	while (nft->token.kind != END && !is_sign(nft, '}')) {
		if (!good || nft->token.kind == LINE || is_sign(nft, ','))
			next(nft);
		else
			good = element_read(nft, rule, by_port, by_source);
	}
	next(nft);
	return good;
}

/* "tcp dport map { 80 : 10.0.0.5, ... }": a rule for each; the rule itself does nothing more. */
static void map_read(struct nft *nft, struct rule *rule)
{
	bool by_port = is_word(nft, "tcp") || is_word(nft, "udp") || is_word(nft, "th"), by_source, good;

	rule->match.protocols |= is_word(nft, "tcp") ? SETTINGS_TCP : is_word(nft, "udp") ? SETTINGS_UDP : 0;
	next(nft);
	by_source = is_word(nft, "saddr");
	good = (by_port && is_word(nft, "dport")) || (!by_port && (by_source || is_word(nft, "daddr")));
	next(nft);
	good = take_word(nft, "map") && good && !(by_port && rule->match.ports.count);
	good = good && is_sign(nft, '{') && elements_read(nft, rule, by_port, by_source);
	if (good)
		rule->verdict = RULE_NONE;
	else
		rule_other(&rule->match, "a map of several");
}

/* "snat ip to 198.51.100.1:1024-65535 persistent" and the like, behind the first word. */
static void target_read(struct nft *nft, struct rule *rule, enum rule_verdict verdict)
{
	rule->verdict = verdict;
	/* "ip" tells the family, unless it begins a map. */
	if (is_word(nft, "ip") && verdict != RULE_MASQUERADE)
		next(nft);
	while (is_word(nft, "addr") || is_word(nft, ".") || is_word(nft, "port"))
		next(nft);
	if (!take_word(nft, "to"))
		return;
	if (is_word(nft, "tcp") || is_word(nft, "udp") || is_word(nft, "th") || is_word(nft, "ip")) {
		map_read(nft, rule);
	} else if (!is_value(nft) || !rule_target_read(rule, nft->token.text)) {
		rule_other(&rule->match, "a choice: %s", nft->token.text);
		if (!statement_ends(nft))
			next(nft);
	} else {
		next(nft);
	}
}

static void words_skip(struct nft *nft, const char *const *words)
{
	for (; *words; words++)
		if (take_word(nft, *words) && !statement_ends(nft))
			next(nft);
}

static bool verdict_read(struct nft *nft, struct rule *rule)
{
	static const char *const others[] = { "redirect", "drop", "reject", "queue", "tproxy", NULL };
	static const char *const counts[] = { "packets", "bytes", NULL };
	static const char *const logs[] = { "prefix", "level", "group", "flags", NULL };

	if (take_word(nft, "masquerade")) {
		target_read(nft, rule, RULE_MASQUERADE);
	} else if (take_word(nft, "snat")) {
		target_read(nft, rule, RULE_SNAT);
	} else if (take_word(nft, "dnat")) {
		target_read(nft, rule, RULE_DNAT);
	} else if (take_word(nft, "accept") || take_word(nft, "return")) {
		rule->verdict = RULE_PASS;
	} else if (is_word(nft, "jump") || is_word(nft, "goto")) {
		next(nft);
		rule->verdict = RULE_JUMP;
		snprintf(rule->target, sizeof(rule->target), "%s %.60s", nft->table, nft->token.text);
		if (!statement_ends(nft))
			next(nft);
	} else if (take_word(nft, "counter")) {
		words_skip(nft, counts);
	} else if (take_word(nft, "log")) {
		words_skip(nft, logs);
	} else if (take_word(nft, "comment") || is_sign(nft, ',')) {
		next(nft);
	} else if (is_word(nft, "random") || is_word(nft, "fully-random")) {
		rule->random = true;
		next(nft);
	} else if (!take_word(nft, "persistent")) {
		for (int i = 0; others[i]; i++)
			if (is_word(nft, others[i])) {
				rule->verdict = RULE_OTHER;
				snprintf(rule->target, sizeof(rule->target), "%s", others[i]);
				statement_skip(nft);
				return true;
			}
		return false;
	}
	return true;
}

static void rule_read(struct nft *nft)
{
	struct rule rule = { .line = nft->line };
	const char *before;

	while (!statement_ends(nft))
		if (!verdict_read(nft, &rule) && !condition_read(nft, &rule, &before))
			other_read(nft, &rule, before);
	if (nft->foreign && !nft->others++)
		nft->others_line = rule.line;
	if (nft->forward && rule.verdict == RULE_PASS)
		rules_forward(&nft->rules, &rule.match);
	if (rule.verdict != RULE_NONE)
		rule_keep(nft, &rule);
}

/* Chains and tables */

/* "type nat hook postrouting priority srcnat" */
static void hook_read(struct nft *nft)
{
	static const char *const hooks[] = {
		[RULE_PREROUTING] = "prerouting",
		[RULE_POSTROUTING] = "postrouting",
		[RULE_OUTPUT] = "output",
		[RULE_INPUT] = "input",
	};
	bool nat = is_word(nft, "nat");

	nft->foreign = !nat;
	next(nft);
	next(nft);
	nft->forward = !nat && is_word(nft, "forward");
	for (int i = 0; nat && i < RULE_HOOKS; i++)
		if (is_word(nft, hooks[i]) && nft->base_count < BASES_MAX) {
			struct base *base = &nft->bases[nft->base_count++];

			memcpy(base->chain, nft->chain, sizeof(base->chain));
			base->hook = (enum rule_hook)i;
		}
	statement_skip(nft);
}

static void statement_read(struct nft *nft)
{
	if (take_word(nft, "type"))
		hook_read(nft);
	else if (is_word(nft, "policy") || is_word(nft, "flags") || is_word(nft, "devices") ||
		 is_word(nft, "comment"))
		statement_skip(nft);
	else
		rule_read(nft);
}

static void chain_begin(struct nft *nft)
{
	snprintf(nft->chain, sizeof(nft->chain), "%s %.60s", nft->table, nft->token.text);
	nft->forward = nft->foreign = false;
	next(nft);
}

/* "{ ... }", a statement a line, or with semicolons. */
static void block_read(struct nft *nft, void (*read)(struct nft *nft))
{
	lines_skip(nft);
	if (!is_sign(nft, '{'))
		return;
	next(nft);
	while (nft->token.kind != END && !is_sign(nft, '}')) {
		if (nft->token.kind == LINE || is_sign(nft, ';'))
			next(nft);
		else
			read(nft);
	}
	next(nft);
}

static void table_member_read(struct nft *nft)
{
	if (take_word(nft, "chain")) {
		chain_begin(nft);
		block_read(nft, statement_read);
		return;
	}
	/* Sets and the like, and what they are called. */
	statement_skip(nft);
}

/* [FAMILY] NAME. False: not of IPv4. */
static bool table_begin(struct nft *nft)
{
	static const char *const families[] = { "ip6", "arp", "bridge", "netdev", NULL };
	bool ours = true;

	for (int i = 0; families[i]; i++)
		if (take_word(nft, families[i]))
			ours = false;
	if (ours && !take_word(nft, "ip"))
		take_word(nft, "inet");
	snprintf(nft->table, sizeof(nft->table), "%.40s", nft->token.text);
	next(nft);
	return ours;
}

static void table_read(struct nft *nft)
{
	unsigned int line = nft->line;

	if (table_begin(nft)) {
		block_read(nft, table_member_read);
		return;
	}
	draft_what(nft->rules.draft, line, DRAFT_TOLD, "the table %s is not of IPv4", nft->table);
	draft_mend(nft->rules.draft, "it stays where it is; keepnat translates IPv4 alone");
	statement_skip(nft);
}

/* "define NAME = VALUE": where the value stands. */
static void define_read(struct nft *nft)
{
	struct variable *variable = &nft->variables[nft->variable_count];

	if (nft->variable_count == VARIABLES_MAX || nft->depth) {
		error(nft, "one variable too many", nft->token.text, "write its value where it is used");
		statement_skip(nft);
		return;
	}
	snprintf(variable->name, sizeof(variable->name), "%s", nft->token.text);
	next(nft);
	if (!is_sign(nft, '='))
		return;
	variable->value = nft->part[0];
	/* Values that name other variables are read where they stand: only the text is kept. */
	for (int depth = 0; peek_char(nft) >= 0 && (depth || peek_char(nft) != '\n');) {
		int c = take_char(nft);

		depth += (c == '{') - (c == '}' && depth);
		if (c == '#')
			blanks_skip(nft);
	}
	variable->value.end = nft->part[0].at;
	nft->variable_count++;
	next(nft);
}

/* "add rule ip nat postrouting ...", or a table or chain with its braces. */
static void add_read(struct nft *nft)
{
	bool rule = is_word(nft, "rule"), chain = is_word(nft, "chain");

	if (take_word(nft, "table")) {
		table_read(nft);
	} else if (rule || chain) {
		next(nft);
		if (!table_begin(nft)) {
			statement_skip(nft);
			return;
		}
		chain_begin(nft);
		if (rule)
			rule_read(nft);
		else
			block_read(nft, statement_read);
	} else {
		statement_skip(nft);
	}
}

static void top_read(struct nft *nft)
{
	static const char *const idle[] = { "flush", "delete", "destroy", "list", "reset", NULL };

	for (int i = 0; idle[i]; i++)
		if (is_word(nft, idle[i])) {
			statement_skip(nft);
			return;
		}
	if (take_word(nft, "table")) {
		table_read(nft);
	} else if (take_word(nft, "add") || take_word(nft, "create") || take_word(nft, "insert")) {
		add_read(nft);
	} else if (take_word(nft, "define") || take_word(nft, "redefine")) {
		define_read(nft);
	} else if (take_word(nft, "include")) {
		error(nft, "another file", nft->token.text,
		      "import what `nft list ruleset` prints, which has all");
		statement_skip(nft);
	} else if (nft->token.kind == LINE || is_sign(nft, ';')) {
		next(nft);
	} else {
		error(nft, "not a command of nft", nft->token.text, "import what `nft list ruleset` prints");
		statement_skip(nft);
		if (is_sign(nft, '}'))
			next(nft);
	}
}

void nft_read(struct draft *draft, const char *text, const char *inside, const char *outside)
{
	struct nft nft = { .line = 1, .part = { { text, text + strlen(text) } } };
	static const enum rule_hook order[] = { RULE_POSTROUTING, RULE_PREROUTING, RULE_OUTPUT, RULE_INPUT };

	rules_init(&nft.rules, draft, inside, outside);
	next(&nft);
	while (nft.token.kind != END)
		top_read(&nft);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (int j = 0; j < nft.base_count; j++)
			if (nft.bases[j].hook == order[i])
				rules_play(&nft.rules, nft.bases[j].chain, order[i]);
	if (nft.others) {
		draft_what(draft, nft.others_line, DRAFT_TOLD, "%u rule%s of chains that are not NAT",
			   nft.others, nft.others == 1 ? "" : "s");
		draft_mend(draft, "they stay where they are");
	}
	rules_finish(&nft.rules);
	rules_free(&nft.rules);
}
