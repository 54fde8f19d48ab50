/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * device.h - where a device can take part in the fast path (core/lease.h): not at all, at TC, or at XDP.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

/* What is known of a device. */
struct device {
	bool bare;	 /* no Ethernet header */
	bool told;	 /* the kernel tells what it can do with XDP (since 6.3) */
	bool native;	 /* its driver runs XDP programs, and redirects by them */
	bool target;	 /* it sends what others redirect to it */
	bool unchecked;	 /* it hands over packets whose checksum nobody has computed yet */
	char driver[32]; /* "": it does not say */
};

/* Ask the kernel of a device of this network namespace. What it does not tell stays 0. */
void device_ask(u32 ifindex, const char *name, struct device *device);

/* FAST_* by the word of `accelerate` that it comes to: off, tc, xdp, all. */
const char *device_fast_name(u8 fast);

/* How it takes part, as asked for (enum settings_accelerate): FAST_*, and why in a few words. */
u8 device_fast(const struct device *device, unsigned int asked, const char **why);
