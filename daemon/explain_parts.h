/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* explain_parts.h - what the files behind explain.h share: explain.c (the way of the packet), explain_look.c (what the tables have). */
#pragma once
#include "daemon/explain.h"
#include "daemon/keepnat.h"
#include "native/facts.h"
#include "native/meet.h"

enum { EXPLAIN_FRAME = 512, ENDPOINT_TEXT = 24 };

struct explanation {
	struct native_kernel kernel; /* the first member: who answers for it finds the rest */
	const struct explain_query *query;
	const struct loader *loader;
	struct keepnat_interface interfaces[MAX_INTERFACES];
	unsigned int interface_count;
	struct nat_instance nat; /* the shadow */
	json_t *steps;

	struct fact_endpoint source, destination;	  /* of the packet as it met the last hook */
	struct fact_endpoint new_source, new_destination; /* and as it left it */
	u32 ifindex;					  /* whose hook it is at */
	bool socket;					  /* one of the router wanted it there */
	bool drawn;					  /* its outside port was drawn */
	struct native_result result;			  /* of the last hook */
	u32 length;					  /* of the IP packet */
	u8 frame[EXPLAIN_FRAME];
};

/* One more step: a word for programs, a sentence for people. Its object, for more members; NULL without memory. */
json_t *explain_step(struct explanation *x, const char *step, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "198.51.100.1:5000", or without a port where the protocol has none. Returns its buffer. */
const char *explain_endpoint(const struct explanation *x, struct fact_endpoint e, char text[ENDPOINT_TEXT]);

/* The interface of a device, or with a number; NULL: none of ours. */
const struct keepnat_interface *explain_interface(const struct explanation *x, u32 ifindex);
const char *explain_interface_name(const struct explanation *x, u32 number);

/* The packet meets the hook of an interface, in x->result; what it is then is new_*. */
void explain_meet(struct explanation *x, enum native_hook hook, const struct keepnat_interface *at,
		  u32 came_by);

/* The same with steps: it leaves by an outside interface, came in by one, or came from inside. */
void explain_out(struct explanation *x, const struct keepnat_interface *at, u32 came_by);
void explain_in(struct explanation *x, const struct keepnat_interface *at);
void explain_inside(struct explanation *x, const struct keepnat_interface *at);
