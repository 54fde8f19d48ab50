/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report.h - figures of all turns: medians, ratios turn by turn, targets; as a table and as JSON.
 */
#pragma once
#include <stdbool.h>

enum {
	REPORT_COLUMNS = 8,
	REPORT_ROUNDS = 512, /* turns, to be exact */
	REPORT_FIGURES = 128,
	REPORT_AIMS = 3, /* ratios and targets of one figure */
};

enum target {
	TARGET_NONE,	       /* the ratio is shown, and may be what it is */
	TARGET_RATIO_AT_LEAST, /* numerator / denominator, median of all turns */
	TARGET_RATIO_AT_MOST,
	TARGET_AT_MOST, /* the numerator's own median */
};

struct aim {
	enum target target;
	int numerator, denominator; /* columns */
	double bound;
};

struct figure {
	char name[64];
	const char *unit;
	double value[REPORT_COLUMNS][REPORT_ROUNDS];
	int rounds[REPORT_COLUMNS]; /* how many values there are */
	struct aim aim[REPORT_AIMS];
	int aims;
	char note[64]; /* why there are no values */
};

struct report {
	int columns;
	const char *column[REPORT_COLUMNS];
	const char *title[REPORT_COLUMNS];
	double stolen; /* share of the busy time of the CPU that a hypervisor took away; negative: not known */
	int figures;
	struct figure figure[REPORT_FIGURES];
};

/* What became of a target; also the exit status of --check, the worst of all figures. */
enum outcome { OUTCOME_MET, OUTCOME_MISSED, OUTCOME_NOT_MEASURED = 3 };

/* A new figure without targets, or NULL when the report is full. */
struct figure *report_add(struct report *report, const char *unit, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
int report_column(const struct report *report, const char *name);
void figure_put(struct figure *figure, int column, double value);

/*
 * Targets: the ratio of two columns' values, or this column's own median, is so much at least or at most. A column
 * that is not there (-1) makes it one that is not measured. No figure (NULL): nothing.
 */
void figure_ratio(struct figure *figure, int numerator, int denominator);
void figure_ratio_at_least(struct figure *figure, int numerator, int denominator, double bound);
void figure_ratio_at_most(struct figure *figure, int numerator, int denominator, double bound);
void figure_at_most(struct figure *figure, int column, double bound);

/* Says in the table why there is nothing. */
void figure_note(struct figure *figure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Median; -1 when there is no value. */
double figure_median(const struct figure *figure, int column);

enum outcome report_outcome(const struct report *report);
void report_print(const struct report *report);
int report_write_json(const struct report *report, const char *path);
