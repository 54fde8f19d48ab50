// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/import/netsh.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/import/text.h"
#include "daemon/config_report.h"

enum { CONTEXT_SIZE = 64, CONTEXTS_MAX = 16, VALUES_MAX = 8 };

struct netsh {
	struct draft *draft;
	const char *renames;
	unsigned int line;
	/* pushd keeps the one before. "": none yet. */
	char contexts[CONTEXTS_MAX][CONTEXT_SIZE];
	int depth;
	/* Commands of the present context that are not NAT's. */
	unsigned int foreign, foreign_line;
};

/* What netsh was told: values in the order of the command's tags; NULL: not given. */
struct call {
	struct netsh *netsh;
	const char *value[VALUES_MAX];
};

struct tag {
	const char *name;
	bool needed;
};

struct netsh_command {
	const char *verb, *object; /* object NULL: there is none */
	struct tag tags[VALUES_MAX];
	void (*run)(const struct call *call);
};

/* A value for messages. Two of them may stand in one. */
static const char *quoted(const char *text)
{
	static char buffers[2][REPORT_QUOTE_SIZE];
	static unsigned int turn;

	return report_quote(buffers[turn++ & 1], text);
}

static void __attribute__((format(printf, 3, 4)))
what(const struct netsh *netsh, enum draft_severity severity, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	draft_what(netsh->draft, netsh->line, severity, "%s", text);
}

static bool prefix_of(const char *word, const char *whole)
{
	return *word && !strncasecmp(word, whole, strlen(word));
}

/* One of `words`, which may be shortened; -1: none, or more than one. */
static int choose(const char *word, const char *const *words)
{
	int found = -1;

	for (int i = 0; words[i]; i++) {
		if (!strcasecmp(word, words[i]))
			return i;
		if (!prefix_of(word, words[i]))
			continue;
		if (found >= 0)
			return -1;
		found = i;
	}
	return found;
}

/* Values */

static bool address_take(const struct call *call, const char *tag, const char *value, struct in_addr *address)
{
	if (!address_parse(value, address))
		return true;
	what(call->netsh, DRAFT_ERROR, "%s=%s is not an IPv4 address", tag, quoted(value));
	draft_mend(call->netsh->draft, "write four decimal numbers, such as 198.51.100.1");
	return false;
}

static bool number_take(const struct call *call, const char *tag, const char *value, unsigned int most,
			unsigned int *number)
{
	if (text_number(value, most, number))
		return true;
	what(call->netsh, DRAFT_ERROR, "%s=%s is not a number from 0 to %u", tag, quoted(value), most);
	draft_mend(call->netsh->draft, "write decimal digits alone");
	return false;
}

static int word_choose(const struct call *call, const char *tag, const char *value, const char *const *words)
{
	int chosen = choose(value, words);
	char list[64] = "";

	if (chosen >= 0)
		return chosen;
	for (int i = 0; words[i]; i++)
		report_list_add(list, sizeof(list), words[i], ", ");
	what(call->netsh, DRAFT_ERROR, "%s=%s is none of the words that netsh knows there", tag,
	     quoted(value));
	draft_mend(call->netsh->draft, "write one of: %s", list);
	return -1;
}

/* Interfaces */

/* The new name that --rename has for an old one. */
static bool rename_find(const char *renames, const char *old, char name[SETTINGS_NAME_SIZE])
{
	size_t length = strlen(old);

	for (const char *at = renames; at && *at; at += *at == ',') {
		size_t size = strcspn(at, ",");

		if (size > length + 1 && size <= length + SETTINGS_NAME_SIZE && at[length] == '=' &&
		    !strncasecmp(at, old, length)) {
			snprintf(name, SETTINGS_NAME_SIZE, "%.*s", (int)(size - length - 1), at + length + 1);
			return true;
		}
		at += size;
	}
	return false;
}

static bool name_is_taken(const struct draft *draft, const char *name)
{
	return draft_find_text(draft, DRAFT_INTERFACE, DRAFT_NOBODY, name) != NULL;
}

/* "Local Area Connection" becomes local-area-con, or the like, so that it is known again. */
static void name_make(const struct draft *draft, const char *old, char name[SETTINGS_NAME_SIZE])
{
	enum { STEM = 12 };
	char stem[STEM + 1];
	size_t size = 0;
	unsigned int number = 1;

	for (; *old && size < STEM; old++) {
		if (isalnum((unsigned char)*old) && !((unsigned char)*old & 0x80))
			stem[size++] = (char)tolower(*old);
		else if (size && stem[size - 1] != '-')
			stem[size++] = '-';
	}
	while (size && stem[size - 1] == '-')
		size--;
	stem[size] = 0;
	snprintf(name, SETTINGS_NAME_SIZE, "%s", size ? stem : "if");
	while (name_is_taken(draft, name) && number < 999)
		snprintf(name, SETTINGS_NAME_SIZE, "%s%u", size ? stem : "if", ++number);
}

/* To Windows, names in any case are the same. */
static struct draft_item *key_find(const struct draft *draft, enum draft_kind kind, const char *key)
{
	for (int i = 0; i < draft->item_count; i++) {
		struct draft_item *item = &draft->items[i];

		if (item->kind == kind && !item->gone && !strcasecmp(item->key, key))
			return item;
	}
	return NULL;
}

static struct draft_item *interface_find(const struct call *call)
{
	struct netsh *netsh = call->netsh;
	struct draft_item *item;

	item = key_find(netsh->draft, DRAFT_INTERFACE, call->value[0]);
	if (item)
		return item;
	what(netsh, DRAFT_ERROR, "there is no NAT interface %s by this line", quoted(call->value[0]));
	draft_mend(netsh->draft, "put its \"add interface\" before this line");
	return NULL;
}

static void mode_set(const struct call *call, struct draft_item *item, int mode)
{
	struct draft *draft = call->netsh->draft;
	int number = draft_number(draft, item);
	struct draft_item *old = draft_find(draft, DRAFT_MODE, number, "");

	item->inside = mode == 2;
	if (old)
		old->gone = true;
	if (mode == 1)
		draft_add(draft, DRAFT_MODE, call->netsh->line, number, "mode: address_only");
}

static const char *const modes[] = { "full", "addressonly", "private", NULL };

static void add_interface(const struct call *call)
{
	struct draft *draft = call->netsh->draft;
	int mode = call->value[1] ? word_choose(call, "mode", call->value[1], modes) : 0;
	char name[SETTINGS_NAME_SIZE];
	struct draft_item *item;

	if (mode < 0)
		return;
	if (key_find(draft, DRAFT_INTERFACE, call->value[0])) {
		what(call->netsh, DRAFT_ERROR, "the interface %s is added twice", quoted(call->value[0]));
		draft_mend(draft, "delete one of the two lines, or write \"set interface\"");
		return;
	}
	if (!rename_find(call->netsh->renames, call->value[0], name))
		name_make(draft, call->value[0], name);
	item = draft_add(draft, DRAFT_INTERFACE, call->netsh->line, DRAFT_NOBODY, "%s", name);
	snprintf(item->key, sizeof(item->key), "%s", call->value[0]);
	mode_set(call, item, mode);
}

static void set_interface(const struct call *call)
{
	struct draft_item *item = interface_find(call);
	int mode = item ? word_choose(call, "mode", call->value[1], modes) : -1;

	if (mode >= 0)
		mode_set(call, item, mode);
}

static void delete_interface(const struct call *call)
{
	struct draft_item *item = interface_find(call);

	if (item)
		draft_drop_interface(call->netsh->draft, item);
}

/* Everything else an interface has */

static void __attribute__((format(printf, 3, 4)))
take_back(const struct call *call, enum draft_kind kind, const char *format, ...)
{
	char key[DRAFT_KEY_SIZE];
	struct draft_item *item;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(key, sizeof(key), format, arguments);
	va_end(arguments);
	item = key_find(call->netsh->draft, kind, key);
	if (item) {
		item->gone = true;
		return;
	}
	what(call->netsh, DRAFT_ERROR, "there is nothing to delete");
	draft_mend(call->netsh->draft, "delete this line, or put what it is about before it");
}

static void add_range(const struct call *call)
{
	struct draft_item *item = interface_find(call);
	struct in_addr start, end;

	if (!item || !address_take(call, "start", call->value[1], &start) ||
	    !address_take(call, "end", call->value[2], &end))
		return;
	if (call->value[3] && text_mask(call->value[3]) < 0) {
		what(call->netsh, DRAFT_ERROR, "mask=%s is not a mask", quoted(call->value[3]));
		draft_mend(call->netsh->draft, "write ones, then zeros, such as 255.255.255.248");
		return;
	}
	item = draft_add(call->netsh->draft, DRAFT_POOL, call->netsh->line,
			 draft_number(call->netsh->draft, item), start.s_addr == end.s_addr ? "%s" : "%s-%s",
			 call->value[1], call->value[2]);
	snprintf(item->key, sizeof(item->key), "%s %s", call->value[0], call->value[1]);
}

static void delete_range(const struct call *call)
{
	if (interface_find(call))
		take_back(call, DRAFT_POOL, "%s %s", call->value[0], call->value[1]);
}

static void add_mapping(const struct call *call)
{
	static const char *const words[] = { "enable", "disable", NULL };
	struct in_addr public, private;
	struct draft_item *item;
	int inbound = 1;

	if (!interface_find(call) || !address_take(call, "public", call->value[1], &public) ||
	    !address_take(call, "private", call->value[2], &private))
		return;
	if (call->value[3])
		inbound = word_choose(call, "inboundsessions", call->value[3], words);
	if (inbound < 0)
		return;
	item = draft_add(call->netsh->draft, DRAFT_RESERVATION, call->netsh->line, DRAFT_NOBODY,
			 "{inside: %s, outside: %s, inbound: %s}", call->value[2], call->value[1],
			 inbound ? "false" : "true");
	snprintf(item->key, sizeof(item->key), "%s %s", call->value[0], call->value[1]);
}

static void delete_mapping(const struct call *call)
{
	if (interface_find(call))
		take_back(call, DRAFT_RESERVATION, "%s %s", call->value[0], call->value[1]);
}

static const char *const protocols[] = { "tcp", "udp", NULL };

static void add_port(const struct call *call)
{
	const char *const *value = call->value;
	struct draft_item *interface = interface_find(call), *item;
	int protocol = interface ? word_choose(call, "proto", value[1], protocols) : -1;
	unsigned int public_port, private_port;
	struct in_addr public, private;
	char name[SETTINGS_NAME_SIZE];

	if (protocol < 0 || !address_take(call, "publicip", value[2], &public) ||
	    !number_take(call, "publicport", value[3], 65535, &public_port) ||
	    !address_take(call, "privateip", value[4], &private) ||
	    !number_take(call, "privateport", value[5], 65535, &private_port))
		return;
	snprintf(name, sizeof(name), "%s", interface->text);
	item = draft_add(call->netsh->draft, DRAFT_PORT_MAPPING, call->netsh->line, DRAFT_NOBODY,
			 "{protocol: %s, outside: \"%s:%u\", inside: \"%s:%u\"}", protocols[protocol],
			 public.s_addr ? value[2] : name, public_port, value[4], private_port);
	snprintf(item->key, sizeof(item->key), "%s %s %s %u", value[0], protocols[protocol], value[2],
		 public_port);
}

static void delete_port(const struct call *call)
{
	struct draft_item *interface = interface_find(call);
	int protocol = interface ? word_choose(call, "proto", call->value[1], protocols) : -1;
	unsigned int port;

	if (protocol >= 0 && number_take(call, "publicport", call->value[3], 65535, &port))
		take_back(call, DRAFT_PORT_MAPPING, "%s %s %s %u", call->value[0], protocols[protocol],
			  call->value[2], port);
}

/* The rest */

static void timer_set(const struct call *call, const char *tag, const char *value, const char *timer)
{
	struct draft *draft = call->netsh->draft;
	struct draft_item *item;
	unsigned int minutes;

	if (!value || !number_take(call, tag, value, 1 << 24, &minutes))
		return;
	item = draft_find(draft, DRAFT_TIMER, DRAFT_NOBODY, timer);
	if (item)
		item->gone = true;
	item = draft_add(draft, DRAFT_TIMER, call->netsh->line, DRAFT_NOBODY, "%s: %u", timer, minutes * 60);
	snprintf(item->key, sizeof(item->key), "%s", timer);
}

static void set_global(const struct call *call)
{
	static const char *const levels[] = { "none", "error", "warn", "info", NULL };
	int level = 0;

	timer_set(call, "tcptimeoutmins", call->value[0], "tcp_idle_timeout");
	timer_set(call, "udptimeoutmins", call->value[1], "udp_timeout");
	if (call->value[2])
		level = word_choose(call, "loglevel", call->value[2], levels);
	if (level <= 0)
		return;
	what(call->netsh, DRAFT_TOLD, "loglevel=%s: keepnatd has no levels, the journal sorts",
	     levels[level]);
	draft_mend(call->netsh->draft, "read with: journalctl -u keepnat -p %s",
		   level == 3	? "info"
		   : level == 2 ? "warning"
				: "err");
}

static void leave_ftp(const struct call *call)
{
	what(call->netsh, DRAFT_LEFT_OUT, "the FTP proxy: keepnat has none");
	draft_mend(call->netsh->draft,
		   "use passive mode with servers outside; a server inside needs port mappings for its "
		   "passive ports");
}

static void leave_h323(const struct call *call)
{
	what(call->netsh, DRAFT_LEFT_OUT, "the H.323 proxy: keepnat has none");
	draft_mend(call->netsh->draft,
		   "let the clients traverse the NAT (H.460.18), or map the ports of a gatekeeper");
}

static void leave_directplay(const struct call *call)
{
	what(call->netsh, DRAFT_TOLD, "the DirectPlay proxy is not needed");
	draft_mend(call->netsh->draft,
		   "mappings are endpoint-independent; a server inside needs port_mappings");
}

/* A dump begins so: what was there before is gone. */
static void uninstall(const struct call *call)
{
	for (int i = 0; i < call->netsh->draft->item_count; i++)
		call->netsh->draft->items[i].gone = true;
}

static void nothing(const struct call *call) { (void)call; }

#define NEEDED true
static const struct netsh_command netsh_commands[] = {
	{ "add", "interface", { { "name", NEEDED }, { "mode", false } }, add_interface },
	{ "set", "interface", { { "name", NEEDED }, { "mode", NEEDED } }, set_interface },
	{ "delete", "interface", { { "name", NEEDED } }, delete_interface },
	{ "add",
	  "addressrange",
	  { { "name", NEEDED }, { "start", NEEDED }, { "end", NEEDED }, { "mask", false } },
	  add_range },
	{ "delete", "addressrange", { { "name", NEEDED }, { "start", NEEDED } }, delete_range },
	{ "add",
	  "addressmapping",
	  { { "name", NEEDED }, { "public", NEEDED }, { "private", NEEDED }, { "inboundsessions", false } },
	  add_mapping },
	{ "delete", "addressmapping", { { "name", NEEDED }, { "public", NEEDED } }, delete_mapping },
	{ "add",
	  "portmapping",
	  { { "name", NEEDED },
	    { "proto", NEEDED },
	    { "publicip", NEEDED },
	    { "publicport", NEEDED },
	    { "privateip", NEEDED },
	    { "privateport", NEEDED } },
	  add_port },
	{ "delete",
	  "portmapping",
	  { { "name", NEEDED },
	    { "proto", NEEDED },
	    { "publicip", NEEDED },
	    { "publicport", NEEDED },
	    { "privateip", false },
	    { "privateport", false } },
	  delete_port },
	{ "set",
	  "global",
	  { { "tcptimeoutmins", false }, { "udptimeoutmins", false }, { "loglevel", false } },
	  set_global },
	{ "add", "ftp", { { NULL, false } }, leave_ftp },
	{ "add", "h323", { { NULL, false } }, leave_h323 },
	{ "add", "directplay", { { NULL, false } }, leave_directplay },
	{ "delete", "ftp", { { NULL, false } }, nothing },
	{ "delete", "h323", { { NULL, false } }, nothing },
	{ "delete", "directplay", { { NULL, false } }, nothing },
	{ "show", "interface", { { "name", false } }, nothing },
	{ "show", "global", { { NULL, false } }, nothing },
	{ "uninstall", NULL, { { NULL, false } }, uninstall },
	{ "install", NULL, { { NULL, false } }, nothing },
	{ "dump", NULL, { { NULL, false } }, nothing },
	{ "help", NULL, { { NULL, false } }, nothing },
	{ NULL, NULL, { { NULL, false } }, NULL },
};

/* Values */

static int tag_find(const struct netsh_command *command, const char *name)
{
	const char *names[VALUES_MAX + 1];
	int count = 0;

	while (count < VALUES_MAX && command->tags[count].name) {
		names[count] = command->tags[count].name;
		count++;
	}
	names[count] = NULL;
	return choose(name, names);
}

/* A value with its tag. False: that was told. */
static bool value_tagged(struct call *call, const struct netsh_command *command, const char *name,
			 const char *value)
{
	int at = tag_find(command, name);

	if (at < 0) {
		what(call->netsh, DRAFT_ERROR, "%s %s has no tag %s", command->verb,
		     command->object ? command->object : "", quoted(name));
		draft_mend(call->netsh->draft, "write tags as netsh's help has them");
	} else if (call->value[at]) {
		what(call->netsh, DRAFT_ERROR, "%s stands twice", command->tags[at].name);
		draft_mend(call->netsh->draft, "leave one of the two out");
	} else {
		call->value[at] = value;
		return true;
	}
	return false;
}

/* A value without a tag: it belongs to the first one that has none yet. */
static bool value_placed(struct call *call, const struct netsh_command *command, const char *value)
{
	for (int i = 0; i < VALUES_MAX && command->tags[i].name; i++)
		if (!call->value[i]) {
			call->value[i] = value;
			return true;
		}
	what(call->netsh, DRAFT_ERROR, "%s is one word too many", quoted(value));
	draft_mend(call->netsh->draft, "put names with blanks in quotes; leave the word out");
	return false;
}

/* TAG=VALUE, also with blanks around the sign. */
static bool values_read(struct call *call, const struct netsh_command *command, const struct words *words,
			int at)
{
	for (; at < words->count; at++) {
		const struct word *word = &words->word[at], *next = word + 1;
		bool more = at + 1 < words->count, good;

		if (!word->equals && more && next->equals == next->text) {
			bool apart = !next->text[1] && at + 2 < words->count;

			good = value_tagged(call, command, word->text, apart ? next[1].text : next->text + 1);
			at += apart ? 2 : 1;
		} else if (word->equals) {
			bool apart = !word->equals[1] && more;

			*word->equals = 0;
			good = value_tagged(call, command, word->text, apart ? next->text : word->equals + 1);
			at += apart;
		} else {
			good = value_placed(call, command, word->text);
		}
		if (!good)
			return false;
	}
	for (int i = 0; i < VALUES_MAX && command->tags[i].name; i++) {
		if (!command->tags[i].needed || (call->value[i] && *call->value[i]))
			continue;
		what(call->netsh, DRAFT_ERROR, "%s= is missing", command->tags[i].name);
		draft_mend(call->netsh->draft, "give it a value");
		return false;
	}
	return true;
}

/* Commands */

/* The command that words[at] begins, and *next behind it. NULL: none, or more than one. */
static const struct netsh_command *command_read(const struct words *words, int at, int *next)
{
	const struct netsh_command *found = NULL;
	const char *object = at + 1 < words->count ? words->word[at + 1].text : "";

	for (const struct netsh_command *command = netsh_commands; command->verb; command++) {
		if (!prefix_of(words->word[at].text, command->verb) ||
		    (command->object && !prefix_of(object, command->object)))
			continue;
		/* "add i" and "u" are enough for netsh; "add address" is not. */
		if (found && found->object && command->object && strcasecmp(object, found->object) != 0)
			return NULL;
		if (!found)
			found = command;
	}
	*next = at + (found && found->object ? 2 : 1);
	return found;
}

static void command_unknown(struct netsh *netsh, const struct words *words, int at)
{
	char text[REPORT_QUOTE_SIZE] = "";

	report_list_add(text, sizeof(text), words->word[at].text, "");
	if (at + 1 < words->count)
		report_list_add(text, sizeof(text), words->word[at + 1].text, " ");
	what(netsh, DRAFT_ERROR, "%s is no command of \"netsh routing ip nat\", or short for several",
	     quoted(text));
	draft_mend(netsh->draft,
		   "delete the line if it is a message of netsh; else write the command in full");
}

static void nat_command(struct netsh *netsh, const struct words *words, int at)
{
	struct call call = { .netsh = netsh };
	int next;
	const struct netsh_command *command = command_read(words, at, &next);

	if (!command) {
		command_unknown(netsh, words, at);
		return;
	}
	if (values_read(&call, command, words, next))
		command->run(&call);
}

/* Contexts */

static const struct {
	const char *context;
	enum draft_severity severity;
	const char *mend;
} contexts[] = {
	{ "routing ip autodhcp", DRAFT_LEFT_OUT, "let dnsmasq give out addresses" },
	{ "routing ip dnsproxy", DRAFT_LEFT_OUT, "let dnsmasq or unbound answer DNS" },
	{ "routing ip", DRAFT_LEFT_OUT, "routes belong to the network's configuration, filters to nftables" },
	{ "", DRAFT_TOLD, "nothing in it is NAT" },
};

/* A context ends: its commands that are not ours are told of at once. Without (un)install and reset there may be none. */
static void foreign_tell(struct netsh *netsh)
{
	const char *context = netsh->contexts[netsh->depth];
	unsigned int i = 0;

	while (*contexts[i].context && strcmp(contexts[i].context, context) != 0)
		i++;
	if (netsh->foreign) {
		draft_what(netsh->draft, netsh->foreign_line, contexts[i].severity,
			   "from here on %u command%s of \"netsh%s%s\"", netsh->foreign,
			   netsh->foreign == 1 ? "" : "s", *context ? " " : "", context);
		draft_mend(netsh->draft, "%s", contexts[i].mend);
	}
	netsh->foreign = 0;
}

static bool context_is_nat(const char *context) { return !*context || !strcmp(context, "routing ip nat"); }

/* Words as a context; those of the path of NAT may be shortened. */
static void context_set(struct netsh *netsh, const struct words *words, int at)
{
	static const char *const path[] = { "routing", "ip", "nat" };
	char *context = netsh->contexts[netsh->depth];

	*context = 0;
	for (int i = at; i < words->count; i++) {
		const char *word = words->word[i].text;
		bool ours = i - at < 3 && prefix_of(word, path[i - at]) &&
			    (i == at || !strncmp(context, "routing", 7));

		report_list_add(context, CONTEXT_SIZE, ours ? path[i - at] : word, " ");
	}
	for (; *context; context++)
		*context = (char)tolower((unsigned char)*context);
}

static void context_push(struct netsh *netsh, const struct words *words)
{
	foreign_tell(netsh);
	if (netsh->depth + 1 == CONTEXTS_MAX) {
		what(netsh, DRAFT_ERROR, "pushd for the %dth time without a popd", CONTEXTS_MAX);
		draft_mend(netsh->draft, "close each context by popd");
		return;
	}
	netsh->depth++;
	if (words->count > 1)
		context_set(netsh, words, 1);
	else
		snprintf(netsh->contexts[netsh->depth], CONTEXT_SIZE, "%s",
			 netsh->contexts[netsh->depth - 1]);
}

static void context_pop(struct netsh *netsh)
{
	foreign_tell(netsh);
	if (netsh->depth) {
		netsh->depth--;
		return;
	}
	what(netsh, DRAFT_ERROR, "popd without a pushd");
	draft_mend(netsh->draft, "delete the line, or put \"pushd routing ip nat\" before its commands");
}

/* So many words of "routing ip nat" stand before the command; 3: all. */
static int path_length(const struct words *words, int at)
{
	static const char *const path[] = { "routing", "ip", "nat" };
	int length = 0;

	while (length < 3 && at + length < words->count &&
	       (length ? prefix_of(words->word[at + length].text, path[length])
		       : !strncasecmp(words->word[at].text, "rout", 4) &&
				 prefix_of(words->word[at].text, path[0])))
		length++;
	return length;
}

static void foreign_count(struct netsh *netsh, const struct words *words)
{
	const char *word = words->word[0].text;

	if (!strcasecmp(word, "install") || !strcasecmp(word, "uninstall") || !strcasecmp(word, "reset"))
		return;
	if (!netsh->foreign++)
		netsh->foreign_line = netsh->line;
}

/* pushd, popd, a change of the context, or a command of the present one or of NAT's. */
static void line_run(struct netsh *netsh, const struct words *words)
{
	int at = !strcasecmp(words->word[0].text, "netsh") || !strcasecmp(words->word[0].text, "netsh.exe");
	int path = path_length(words, at);

	if (at == words->count)
		return;
	if (!strcasecmp(words->word[0].text, "pushd")) {
		context_push(netsh, words);
	} else if (!strcasecmp(words->word[0].text, "popd")) {
		context_pop(netsh);
	} else if (path == 3 && at + 3 < words->count) {
		nat_command(netsh, words, at + 3);
	} else if (path && at + path == words->count) {
		foreign_tell(netsh);
		context_set(netsh, words, at);
	} else if (context_is_nat(netsh->contexts[netsh->depth]) && !at && !path) {
		nat_command(netsh, words, 0);
	} else {
		foreign_count(netsh, words);
	}
}

static bool line_is_comment(const struct words *words)
{
	const char *word = words->word[0].text;

	return *word == '#' || *word == ';' || !strncmp(word, "::", 2) || !strcasecmp(word, "rem") ||
	       !strcasecmp(word, "@echo") || !strcasecmp(word, "exit") || !strcasecmp(word, "bye");
}

/* Names that were made up are told of at the end: an interface may have been deleted. */
static void names_tell(const struct netsh *netsh)
{
	struct draft *draft = netsh->draft;
	char name[SETTINGS_NAME_SIZE];

	for (int i = 0; i < draft->item_count; i++) {
		const struct draft_item *item = &draft->items[i];

		if (item->kind != DRAFT_INTERFACE || item->gone ||
		    rename_find(netsh->renames, item->key, name))
			continue;
		draft_what(draft, item->line, DRAFT_TOLD, "the interface %s is called %s here",
			   quoted(item->key), item->text);
		draft_mend(draft, "give its name on this machine, see `ip link`: --rename '%s=NAME'",
			   item->key);
	}
}

void netsh_read(struct draft *draft, char *text, const char *renames)
{
	struct netsh netsh = { .draft = draft, .renames = renames };
	static struct words words;
	const char *wrong;
	char *line;

	while ((line = text_line(&text))) {
		netsh.line++;
		/* A comment may hold any quotes. */
		if (line[strspn(line, " \t")] == '#')
			continue;
		wrong = words_split(&words, line, false);
		if (wrong) {
			what(&netsh, DRAFT_ERROR, "%s", wrong);
			draft_mend(draft, "mend the line");
		} else if (words.count && !line_is_comment(&words)) {
			line_run(&netsh, &words);
		}
	}
	foreign_tell(&netsh);
	names_tell(&netsh);
}
