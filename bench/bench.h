/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bench.h - one run: what was asked, what was made for it, and the questions. See main.c.
 */
#pragma once
#include "bench/candidate.h"
#include "bench/lab.h"
#include "bench/probe.h"
#include "bench/report.h"

struct bench {
	bool quick;
	int rounds;
	int turns;	/* of each candidate in a round, where a question has no number of its own */
	__u32 flows;	/* in the tables; a power of two */
	__u32 big;	/* in the tables of the largest part of forward; 0: it is left out */
	__u32 rows;	/* learned endpoints of a candidate begin at its column times this */
	__u32 protocol; /* of what is sent: IPPROTO_UDP or IPPROTO_TCP */
	struct setting setting;
	struct lab lab;
	struct probe probe;
	struct report report;
	int candidates;
	struct candidate *candidate[CANDIDATES]; /* by column of the report */
	bool listed;	      /* they were asked for by name: each takes part in each question */
	int parts;	      /* those that take part in the question that is asked */
	int part[CANDIDATES]; /* their columns */
};
_Static_assert(REPORT_COLUMNS == CANDIDATES, "a report has a column for each candidate");
_Static_assert((int)LAB_ROUTERS == (int)CANDIDATES, "each candidate has a router of its own");

/*
 * Each question brings up its own candidates and takes them down again. 0, or -errno when it could not be asked;
 * a candidate that is not there leaves its column empty.
 */
int question_forward(struct bench *bench);
int question_sessions(struct bench *bench);
int question_short(struct bench *bench);
int question_bulk(struct bench *bench);
int question_latency(struct bench *bench);
int question_full(struct bench *bench);
int question_sweep(struct bench *bench);
int question_log(struct bench *bench);
int question_memory(struct bench *bench);
int question_reset(struct bench *bench);
int question_capacity(struct bench *bench);

/* The half of question_reset() that is about resets without end; keepnat stands in this column and was started. */
int reset_busy(struct bench *bench, int column);

/* An order for candidate `i`, with all flows in their shuffled turn. */
struct traffic_order bench_order(const struct bench *bench, int i, enum traffic_direction direction);

/* The column of who is n-th in this turn: who begins changes, and so does who comes after whom. */
int bench_turn(const struct bench *bench, int turn, int n);

/* Sends and judges: fails when packets were lost or not translated, so that nothing but a working NAT is measured. */
int bench_send(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample);

/* Sends, and judges nothing. */
int bench_pass(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample);

/*
 * Gives each of the first `flows` flows, a power of two, its session, and learns its outside endpoint. Of TCP each is
 * then established.
 */
int bench_fill(struct bench *bench, int i, __u32 flows);

/*
 * Lets what was just started come to rest: interfaces and addresses have changed, and the fast path takes no packets in the
 * second of a change.
 */
void bench_rest(void);

/* A number of flows as the table shows it: 16, 128k, 8M. */
const char *flows_text(__u32 flows, char text[16]);

/* The setting that questions start from, before they make changes of their own; and UDP. */
void bench_settle(struct bench *bench);

/* Starts those that take part, or one of them; stops all candidates (the routers stay). */
int bench_start(struct bench *bench);
int bench_start_one(struct bench *bench, int i);
void bench_stop(struct bench *bench);

/* The column of a candidate, or -1. */
int bench_column(const struct bench *bench, const char *name);

/* Connections that conntrack must hold when the tables of all candidates are full. */
__u32 bench_connections(const struct bench *bench);

/* Makes its table so large, or as it was if that is more. */
void bench_conntrack(const struct bench *bench, __u32 connections);

/* True after SIGINT or SIGTERM. */
bool bench_interrupted(void);
