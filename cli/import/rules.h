/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rules.h - rules of netfilter, as iptables or nft wrote them, and what of them keepnat does, too.
 *
 * netfilter translates by rules, each with any condition; keepnat by interface. So a rule fits whose conditions are those that keepnat's
 * configuration has: the interface, the inside networks or one inside host, the outside endpoint. Every other one is told and left
 * out; above all one with a narrower condition is never made wider. Jumps are followed, with the conditions on the way.
 */
#pragma once
#include "cli/import/draft.h"

enum { RULE_LIST_MAX = 64, RULE_NAME_SIZE = 112, RULE_OTHER_SIZE = 48 };

struct rule_names {
	char name[8][SETTINGS_NAME_SIZE];
	int count; /* 0: any */
	bool except;
	u8 zero[3]; /* compared as bytes */
};

struct rule_ranges {
	struct address_range range[RULE_LIST_MAX];
	int count;
	bool except;
	u8 zero[3];
};

struct rule_ports {
	u16 first[RULE_LIST_MAX], last[RULE_LIST_MAX];
	int count;
};

/* When a rule holds. */
struct rule_match {
	struct rule_names in, out;
	struct rule_ranges source, destination;
	u32 protocols;		     /* SETTINGS_TCP, SETTINGS_UDP; 0: any */
	struct rule_ports ports;     /* of the destination */
	char other[RULE_OTHER_SIZE]; /* the first condition that keepnat has not; "": none */
};

enum rule_verdict {
	RULE_NONE, /* it counts, logs, marks */
	RULE_MASQUERADE,
	RULE_SNAT,
	RULE_DNAT,
	RULE_PASS,  /* accept, return */
	RULE_JUMP,  /* to a chain: `target` */
	RULE_OTHER, /* redirect and others: `target` says which */
};

struct rule {
	char chain[RULE_NAME_SIZE];
	unsigned int line;
	struct rule_match match;
	enum rule_verdict verdict;
	char target[RULE_NAME_SIZE];
	struct address_range to; /* 0.0.0.0: not said */
	u16 to_first, to_last;	 /* ports; 0: not said */
	bool shifted;		 /* the first port to the first one, and so on */
	bool random;
};

enum rule_hook { RULE_PREROUTING, RULE_POSTROUTING, RULE_OUTPUT, RULE_INPUT, RULE_HOOKS };

struct rules {
	struct draft *draft;
	const char *inside, *outside; /* where rules name none; or NULL */
	struct rule **rules;
	int count;
	/* Interfaces between which forwarding is allowed: from, to. */
	char forward[RULE_LIST_MAX][2][SETTINGS_NAME_SIZE];
	int forward_count;
};

void rules_init(struct rules *rules, struct draft *draft, const char *inside, const char *outside);
void rules_free(struct rules *rules);

/* A new rule, all conditions "any". It lives as long as the rules. */
struct rule *rules_add(struct rules *rules, const char *chain, unsigned int line);

/* Forwarding between two interfaces is allowed: one of them may turn out to be outside, and the other one is inside then. */
void rules_forward(struct rules *rules, const struct rule_match *match);

/* Put the rules that a base chain leads to into the draft. Postrouting first: the others need what it tells of interfaces. */
void rules_play(struct rules *rules, const char *chain, enum rule_hook hook);

/* The end: inside interfaces and networks. */
void rules_finish(struct rules *rules);

/*
 * Parts of conditions. False: there is no room, or it is no such thing.
 */
bool rule_name_add(struct rule_names *names, const char *text);
bool rule_range_add(struct rule_ranges *ranges, const char *text); /* also ADDRESS/MASK */
bool rule_ports_add(struct rule_ports *ports, const char *text);   /* "80", "80:90", "80-90" */
bool rule_protocol_add(struct rule_match *match, const char *text);
void rule_other(struct rule_match *match, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ADDRESS[-ADDRESS][:PORT[-PORT]] or :PORT[-PORT]. */
bool rule_target_read(struct rule *rule, const char *text);
