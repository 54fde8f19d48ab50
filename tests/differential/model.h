/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * model.h - a NAT as RFC 3022 and 4787 tell it: plain lists, searched from end to end.
 *
 * Written from the RFCs and the words of the manual, not from core/. It does not know which port chance will choose, or
 * which address of the pool a new host gets: there it checks what was chosen against the rules and remembers it. Its time
 * is the one of the caller, who sweeps the real thing after each step.
 */
#pragma once
#include <stdbool.h>
#include "core/types.h"

enum {
	MODEL_BINDINGS = 4096,
	MODEL_SESSIONS = 16384,
	MODEL_FORMER = 65536,
	MODEL_HOSTS = 64,
	MODEL_LIMBO = 4096,
	MODEL_ADDRESSES = 8
};
enum { MODEL_SYN = 1, MODEL_FIN = 2, MODEL_RST = 4, MODEL_DATA = 8 };

struct model_end {
	__be32 addr;
	u16 port; /* host byte order */
};

struct model_binding {
	bool live;
	bool own;
	enum class class;
	struct model_end inside;
	struct model_end outside;
	u32 touched;
	u32 lease; /* a reset ended sessions of it: it may live on for as long as they would have, at most until then */
	bool doubt; /* it may be over: only its lease speaks for it */
};

struct model_side {
	u32 last;
	u8 flags;   /* MODEL_*, of TCP */
	bool doubt; /* idle so long that its flow's slot may have been given away; the session stands */
};

struct model_session {
	bool live;
	bool hairpin; /* its remote is an outside endpoint of the NAT itself */
	u8 protocol;
	enum class class;
	struct model_end inside;
	struct model_end outside;
	struct model_end remote;
	struct model_side out;
	struct model_side in;
};

/* A TCP connection that a reset or the loss of its address ended: its inside end may be told, if its endpoint is not kept. */
struct model_former {
	struct model_end inside;
	struct model_end remote;
	struct model_end outside;
};

struct model_host {
	__be32 inside;
	__be32 outside;
	u32 idle; /* sweeps that found no binding of its, one after the other, no packet of its between them */
	u32 since;  /* time of the first of them */
	bool doubt; /* it was idle when another came: it may have given way */
};

/* What a host was given since the last sweep, and had then: at least what it has. */
struct model_tally {
	u32 mappings[CLASSES];
	u32 sessions[CLASSES];
};

/* A port whose last owner is gone: it rests for hold_down_timeout, and may be kept from others for a while longer. */
struct model_limbo {
	enum class class;
	bool own;
	struct model_end inside; /* who had it */
	struct model_end outside;
	u32 lost;     /* so long after that it is kept from all others */
	bool waits;   /* for who had it: its mapping was idle, no more */
	bool resting; /* the sweep has surely seen it */
	u32 sweeps;   /* else: how many had time enough to */
	u32 since;    /* resting: since then, or earlier; else the time of the first of those sweeps */
};

struct model_address {
	__be32 addr;
	u8 flags; /* ADDRESS_* */
};

/* Address-dependent filtering: a binding has sent to this remote address, lately or once. */
struct model_permit {
	enum class class;
	struct model_end outside;
	__be32 remote;
	u32 last;
};

struct model {
	struct config settings; /* what was configured: filtering, ports, timers, hairpin */
	struct model_address addresses[MODEL_ADDRESSES];
	u32 address_count;
	__be32 network, netmask;
	__be32 untranslated;	 /* a remote that is talked to as it is; 0: none */
	struct model_end socket; /* a listening UDP socket of the router */
	u32 now;
	struct model_binding bindings[MODEL_BINDINGS];
	u32 binding_count;
	struct model_session sessions[MODEL_SESSIONS];
	u32 session_count;
	struct model_host hosts[MODEL_HOSTS];
	u32 host_count;
	struct model_tally tally[256]; /* by the last byte of the inside address */
	struct model_limbo limbo[MODEL_LIMBO];
	u32 limbo_count;
	struct model_former former[MODEL_FORMER];
	u32 former_count;
	struct model_permit permits[MODEL_SESSIONS];
	u32 permit_count;
};

/* What a packet with ports is to the model. */
struct model_packet {
	enum { MODEL_OUT, MODEL_OWN, MODEL_IN, MODEL_HAIRPIN } hook;
	u8 protocol;
	enum class class;
	struct model_end from;
	struct model_end to;
	u8 segment;   /* MODEL_* of a TCP segment */
	bool request; /* of ICMP */
};

/* What the real NAT did with it. Of a hairpinned packet that was filtered: from is what its sender's endpoint is outside. */
struct model_outcome {
	enum verdict verdict;
	u32 reason;
	struct model_end from; /* as the packet has them now */
	struct model_end to;
};

/* Is this outcome right? NULL, and the model has followed it; else what is wrong. */
const char *model_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o);

/* The endpoint that an inside one has outside, or the reverse: for ICMP errors. false: none. */
bool model_outside_of(const struct model *m, enum class class, struct model_end inside,
		      struct model_end *outside);
bool model_inside_of(const struct model *m, enum class class, struct model_end outside,
		     struct model_end *inside, bool *own);
u8 model_address_flags(const struct model *m, __be32 addr);

/* Time has come to m->now, and everything that is over was swept away. */
void model_sweep(struct model *m);
void model_reset_flows(struct model *m);
void model_reset_mappings(struct model *m);
void model_reset_hosts(struct model *m);
void model_address_set(struct model *m, __be32 addr, u8 flags);
void model_limbo_age(struct model *m); /* a sweep has had time to find what nobody owns */
void model_binding_rest(struct model *m, struct model_binding *b); /* the sweep has ended it */
u32 model_sessions(const struct model *m);
u32 model_bindings(const struct model *m);
