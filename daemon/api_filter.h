/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* api_filter.h - which rows a request wants, from the parameters of its query. */
#pragma once
#include "core/types.h"

struct list_filter;
struct list_view;
struct request;

/*
 * host=ADDRESS, outside=ADDRESS[:PORT], remote=ADDRESS[:PORT], protocol=udp|tcp|icmp, interface=NAME. Those that are not there are not
 * looked at. 0, or -EINVAL: the request has been answered with what is wrong.
 */
int filter_read(struct request *request, const struct list_view *view, struct list_filter *filter);

/* Only the interface: its number, or NO_INTERFACE if none is asked for. Else as above. */
int filter_interface(struct request *request, const struct list_view *view, u32 *number);

/* A number of the query, decimal digits only. 0 if it is there and fits; -ENOENT; or -EINVAL, as above. */
int filter_number(struct request *request, const char *name, u64 min, u64 max, u64 *number);

/* The value of a parameter is none: answer so, with how to mend it. -EINVAL. */
int filter_refuse(struct request *request, const char *name, const char *value, const char *mend);

/* limit=N (at least 1; as many as there are without it), cursor=N (0 without it). 0 or -EINVAL, as above. */
int filter_page(struct request *request, u32 *cursor, u64 *limit);
