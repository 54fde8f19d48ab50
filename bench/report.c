// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/report.h"
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct figure *report_add(struct report *report, const char *unit, const char *name, ...)
{
	struct figure *figure;
	va_list args;

	if (report->figures == REPORT_FIGURES)
		return NULL;
	figure = &report->figure[report->figures++];
	memset(figure, 0, sizeof(*figure));
	figure->unit = unit;
	va_start(args, name);
	vsnprintf(figure->name, sizeof(figure->name), name, args);
	va_end(args);
	return figure;
}

int report_column(const struct report *report, const char *name)
{
	for (int i = 0; i < report->columns; i++)
		if (!strcmp(report->column[i], name))
			return i;
	return -1;
}

void figure_put(struct figure *figure, int column, double value)
{
	if (figure && column >= 0 && figure->rounds[column] < REPORT_ROUNDS)
		figure->value[column][figure->rounds[column]++] = value;
}

static void figure_aim(struct figure *figure, enum target target, int numerator, int denominator,
		       double bound)
{
	if (figure && figure->aims < REPORT_AIMS)
		figure->aim[figure->aims++] = (struct aim){ target, numerator, denominator, bound };
}

void figure_ratio(struct figure *figure, int numerator, int denominator)
{
	if (numerator >= 0 && denominator >= 0)
		figure_aim(figure, TARGET_NONE, numerator, denominator, 0);
}

void figure_ratio_at_least(struct figure *figure, int numerator, int denominator, double bound)
{
	figure_aim(figure, TARGET_RATIO_AT_LEAST, numerator, denominator, bound);
}

void figure_ratio_at_most(struct figure *figure, int numerator, int denominator, double bound)
{
	figure_aim(figure, TARGET_RATIO_AT_MOST, numerator, denominator, bound);
}

void figure_at_most(struct figure *figure, int column, double bound)
{
	figure_aim(figure, TARGET_AT_MOST, column, column, bound);
}

void figure_note(struct figure *figure, const char *format, ...)
{
	va_list args;

	if (!figure)
		return;
	va_start(args, format);
	vsnprintf(figure->note, sizeof(figure->note), format, args);
	va_end(args);
}

static int number_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
	double sorted[REPORT_ROUNDS];

	if (!count)
		return -1;
	memcpy(sorted, values, (size_t)count * sizeof(*values));
	qsort(sorted, (size_t)count, sizeof(*sorted), number_compare);
	return (sorted[count / 2] + sorted[(count - 1) / 2]) / 2;
}

double figure_median(const struct figure *figure, int column)
{
	return column < 0 ? -1 : median(figure->value[column], figure->rounds[column]);
}

/* Fills in one number per turn; returns how many there are. */
static int aim_ratios(const struct figure *figure, const struct aim *aim, double ratios[REPORT_ROUNDS])
{
	int n = aim->numerator, d = aim->denominator, rounds;

	if (n < 0 || d < 0)
		return 0;
	rounds = figure->rounds[n] < figure->rounds[d] ? figure->rounds[n] : figure->rounds[d];
	for (int i = 0; i < rounds; i++)
		if (aim->target == TARGET_AT_MOST)
			ratios[i] = figure->value[n][i];
		else
			ratios[i] = figure->value[d][i] > 0 ? figure->value[n][i] / figure->value[d][i] : 0;
	return rounds;
}

static enum outcome aim_outcome(const struct figure *figure, const struct aim *aim)
{
	double ratios[REPORT_ROUNDS], value;
	int rounds = aim_ratios(figure, aim, ratios);

	if (aim->target == TARGET_NONE)
		return OUTCOME_MET;
	if (!rounds)
		return OUTCOME_NOT_MEASURED;
	value = median(ratios, rounds);
	if (aim->target == TARGET_RATIO_AT_LEAST)
		return value >= aim->bound ? OUTCOME_MET : OUTCOME_MISSED;
	return value <= aim->bound ? OUTCOME_MET : OUTCOME_MISSED;
}

enum outcome report_outcome(const struct report *report)
{
	enum outcome worst = OUTCOME_MET;

	for (int i = 0; i < report->figures; i++) {
		const struct figure *figure = &report->figure[i];

		for (int n = 0; n < figure->aims; n++) {
			enum outcome outcome = aim_outcome(figure, &figure->aim[n]);

			if (outcome == OUTCOME_MISSED || (outcome && worst == OUTCOME_MET))
				worst = outcome;
		}
	}
	return worst;
}

static const char *outcome_text(const struct figure *figure, const struct aim *aim)
{
	switch (aim_outcome(figure, aim)) {
	case OUTCOME_MET:
		return "met";
	case OUTCOME_MISSED:
		return "MISSED";
	default:
		return "not measured";
	}
}

static void number_text(double value, char text[24])
{
	if (value < 0)
		snprintf(text, 24, "-");
	else
		snprintf(text, 24, value < 1 ? "%.4f" : value < 100 ? "%.2f" : "%.0f", value);
}

static void ratio_print(const struct report *report, const struct figure *figure, const struct aim *aim)
{
	double ratios[REPORT_ROUNDS];
	int rounds = aim_ratios(figure, aim, ratios);

	if (rounds && aim->target != TARGET_AT_MOST)
		printf(" %s/%s %.2f", report->column[aim->numerator], report->column[aim->denominator],
		       median(ratios, rounds));
	else if (rounds && figure->aims > 1)
		printf(" %s %.2f", report->column[aim->numerator], median(ratios, rounds));
}

/* Ratio, target and what became of it: the end of a row. */
static void aim_print(const struct report *report, const struct figure *figure, const struct aim *aim)
{
	ratio_print(report, figure, aim);
	printf(" | %s %g | %s |\n", aim->target == TARGET_RATIO_AT_LEAST ? ">=" : "<=", aim->bound,
	       outcome_text(figure, aim));
}

/* Ratios without a target share a row; a target has a row of its own, in which from the second on nothing else stands. */
static void aims_print(const struct report *report, const struct figure *figure)
{
	const struct aim *aim = figure->aim, *end = aim + figure->aims;
	bool alone;

	for (; aim < end && aim->target == TARGET_NONE; aim++)
		ratio_print(report, figure, aim);
	if (aim > figure->aim)
		printf(" | | |\n");
	alone = aim > figure->aim;
	for (; aim < end; aim++, alone = true) {
		for (int i = 0; alone && i < report->columns + 2; i++)
			printf("%s %*s |", i ? "" : "|", i == 0 ? 44 : i == 1 ? 10 : 9, "");
		aim_print(report, figure, aim);
	}
}

static void figure_print(const struct report *report, const struct figure *figure)
{
	char text[24];

	printf("| %-44s | %-10s |", figure->name, figure->unit);
	for (int i = 0; i < report->columns; i++) {
		number_text(figure_median(figure, i), text);
		printf(" %9s |", text);
	}
	if (*figure->note || !figure->aims)
		printf(" %s | | |\n", figure->note);
	else
		aims_print(report, figure);
}

/* A Markdown table, so that doc/performance.md can take it as it is. */
void report_print(const struct report *report)
{
	printf("| %-44s | %-10s |", "figure", "unit");
	for (int i = 0; i < report->columns; i++)
		printf(" %9s |", report->column[i]);
	printf(" ratio | target | |\n| --- | --- |");
	for (int i = 0; i < report->columns; i++)
		printf(" ---: |");
	printf(" --- | --- | --- |\n");
	for (int i = 0; i < report->figures; i++)
		figure_print(report, &report->figure[i]);
	printf("\n");
	for (int i = 0; i < report->columns; i++)
		printf("%s: %s. ", report->column[i], report->title[i]);
	printf("\nMedians of all turns; a ratio is the median of the ratios turn by turn.\n");
	if (report->stolen >= 0)
		printf("The hypervisor took away %.0f %% of the CPU's time.%s\n", report->stolen * 100,
		       report->stolen > 0.1 ? " Take the figures as rough." : "");
	fflush(stdout);
}

static json_t *numbers_json(const double *values, int count)
{
	json_t *json = json_object(), *rounds = json_array();

	for (int i = 0; i < count; i++)
		json_array_append_new(rounds, json_real(values[i]));
	json_object_set_new(json, "median", count ? json_real(median(values, count)) : json_null());
	json_object_set_new(json, "turns", rounds);
	return json;
}

static json_t *aim_json(const struct report *report, const struct figure *figure, const struct aim *aim)
{
	json_t *json = json_object();
	double ratios[REPORT_ROUNDS];
	int rounds = aim_ratios(figure, aim, ratios);

	if (aim->numerator >= 0)
		json_object_set_new(json, "of", json_string(report->column[aim->numerator]));
	if (aim->target != TARGET_AT_MOST) {
		if (aim->denominator >= 0)
			json_object_set_new(json, "to", json_string(report->column[aim->denominator]));
		json_object_set_new(json, "ratio", numbers_json(ratios, rounds));
	}
	if (aim->target == TARGET_NONE)
		return json;
	json_object_set_new(json, aim->target == TARGET_RATIO_AT_LEAST ? "at_least" : "at_most",
			    json_real(aim->bound));
	json_object_set_new(json, "outcome", json_string(outcome_text(figure, aim)));
	return json;
}

static json_t *figure_json(const struct report *report, const struct figure *figure)
{
	json_t *json = json_object(), *columns = json_object(), *aims = json_array();

	json_object_set_new(json, "name", json_string(figure->name));
	json_object_set_new(json, "unit", json_string(figure->unit));
	for (int i = 0; i < report->columns; i++)
		if (figure->rounds[i])
			json_object_set_new(columns, report->column[i],
					    numbers_json(figure->value[i], figure->rounds[i]));
	json_object_set_new(json, "candidates", columns);
	for (int n = 0; n < figure->aims; n++)
		json_array_append_new(aims, aim_json(report, figure, &figure->aim[n]));
	json_object_set_new(json, "targets", aims);
	if (*figure->note)
		json_object_set_new(json, "note", json_string(figure->note));
	return json;
}

static json_t *machine_json(void)
{
	char line[256], model[128] = "";
	json_t *json = json_object();
	struct utsname name;
	FILE *file = fopen("/proc/cpuinfo", "re");

	while (file && !*model && fgets(line, sizeof(line), file))
		sscanf(line, "model name : %127[^\n]", model);
	if (file)
		fclose(file);
	if (!uname(&name))
		json_object_set_new(json, "kernel", json_string(name.release));
	json_object_set_new(json, "processor", json_string(model));
	json_object_set_new(json, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	return json;
}

int report_write_json(const struct report *report, const char *path)
{
	json_t *json = json_object(), *figures = json_array();
	int err;

	for (int i = 0; i < report->figures; i++)
		json_array_append_new(figures, figure_json(report, &report->figure[i]));
	json_object_set_new(json, "machine", machine_json());
	json_object_set_new(json, "stolen", json_real(report->stolen));
	json_object_set_new(json, "figures", figures);
	err = json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ? -EIO : 0;
	json_decref(json);
	if (err)
		fprintf(stderr, "bench: cannot write %s\n", path);
	return err;
}
