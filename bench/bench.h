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
	__u64 packets; /* of a chunk that is measured */
	__u32 flows;   /* in the tables; a power of two */
	struct setting setting;
	struct lab lab;
	struct probe probe;
	struct report report;
	int candidates;
	struct candidate *candidate[CANDIDATES]; /* by column of the report */
};
_Static_assert(REPORT_COLUMNS == CANDIDATES, "a report has a column for each candidate");

/*
 * Each question brings up its own candidates and takes them down again. 0, or -errno when it could not be asked;
 * a candidate that is not there leaves its column empty.
 */
int question_forward(struct bench *bench);
int question_sessions(struct bench *bench);
int question_full(struct bench *bench);
int question_sweep(struct bench *bench);
int question_memory(struct bench *bench);
int question_reset(struct bench *bench);

/* The half of question_reset() that is about resets without end; keepnat stands in this column and was started. */
int reset_busy(struct bench *bench, int column);

/* An order for candidate `i`, with all flows in their shuffled turn. */
struct traffic_order bench_order(const struct bench *bench, int i, enum traffic_direction direction);

/* Who is n-th in this turn: who begins changes, and so does who comes after whom. */
int bench_turn(const struct bench *bench, int turn, int n);

/* Sends and judges: fails when packets were lost or not translated, so that nothing but a working NAT is measured. */
int bench_send(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample);

/* Sends, and judges nothing. */
int bench_pass(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample);

/* Gives each of the first `flows` flows, a power of two, its session, and learns its outside endpoint. */
int bench_fill(struct bench *bench, int i, __u32 flows);

/* The setting that questions start from, before they make changes of their own. */
void bench_settle(struct bench *bench);

/* Starts and stops all candidates (the routers stay). */
int bench_start(struct bench *bench);
void bench_stop(struct bench *bench);

/* The column of a candidate, or -1. */
int bench_column(const struct bench *bench, const char *name);

/* True after SIGINT or SIGTERM. */
bool bench_interrupted(void);
