/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report.h - figures of all turns: medians, ratios turn by turn, targets; as a table and as JSON.
 */
#pragma once
#include <stdbool.h>

enum {
	REPORT_COLUMNS = 6,
	REPORT_ROUNDS = 512, /* turns, to be exact */
	REPORT_FIGURES = 64,
};

enum target {
	TARGET_NONE,
	TARGET_RATIO_AT_MOST, /* numerator / denominator, median of all turns */
	TARGET_RATIO_AT_LEAST,
	TARGET_AT_MOST, /* the numerator's own median */
};

struct figure {
	char name[64];
	const char *unit;
	double value[REPORT_COLUMNS][REPORT_ROUNDS];
	int rounds[REPORT_COLUMNS]; /* how many values there are */
	enum target target;
	int numerator, denominator; /* columns */
	double bound;
};

struct report {
	int columns;
	const char *column[REPORT_COLUMNS];
	const char *title[REPORT_COLUMNS];
	double stolen; /* share of the busy time of the CPU that a hypervisor took away; negative: not known */
	int figures;
	struct figure figure[REPORT_FIGURES];
};

/* What became of a figure's target; also the exit status of --check, the worst of all figures. */
enum outcome { OUTCOME_MET, OUTCOME_MISSED, OUTCOME_NOT_MEASURED = 3 };

/* A new figure without target, or NULL when the report is full. */
struct figure *report_add(struct report *report, const char *unit, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
int report_column(const struct report *report, const char *name);
void figure_put(struct figure *figure, int column, double value);

/* The target: this column's own median is at most so much. */
void figure_at_most(struct figure *figure, int column, double bound);

/* Median; -1 when there is no value. */
double figure_median(const struct figure *figure, int column);

enum outcome report_outcome(const struct report *report);
void report_print(const struct report *report);
int report_write_json(const struct report *report, const char *path);
