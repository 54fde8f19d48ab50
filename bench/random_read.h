/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * random_read.h - what one read of memory costs that no cache holds: the measure of what many flows add to a packet.
 */
#pragma once

/* CPU nanoseconds of a read from an array of 256 MB, each read at a place that the last one named; negative: no memory. */
double random_read_ns(void);
