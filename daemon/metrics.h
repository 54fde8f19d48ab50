/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * metrics.h - the instance in numbers, for Prometheus and its like: OpenMetrics 1.0, or the older text format that knows less.
 *
 * Numbers of the data path are added up when they are asked for; those of tables are the last sweep's.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct keepnat;

#define METRICS_TYPE_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"

/* All of them, for free(); *length without the 0. NULL: no memory. */
char *metrics_text(struct keepnat *k, bool open, size_t *length);
