/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * replay_capture.h - captures read and written, packet by packet; alone here libpcap is known.
 */
#pragma once
#include <stdbool.h>
#include <sys/time.h>

#include "core/types.h"

enum { CAPTURE_ROOM = 1 << 18, CAPTURE_HEADER_MAX = 64 };

struct capture;

/* A packet of a capture. The IP header lies at an even address, with room behind the packet. */
struct captured {
	struct timeval time;	       /* its smaller part in nanoseconds */
	u32 length;		       /* from the IP header on, as captured */
	u32 whole;		       /* as it was on the wire */
	u16 ethertype;		       /* of a device with such */
	u8 header[CAPTURE_HEADER_MAX]; /* what stands before the IP header */
	u32 header_length;
	u8 *ip;
};

/* NULL: *why says so. The second one writes as the first one reads. */
struct capture *capture_open(const char *path, const char **why);
struct capture *capture_create(const char *path, const struct capture *like, const char **why);

/* The next packet, until the next call: 1; 0: that was all; -1: *why. */
int capture_read(struct capture *capture, struct captured *packet, const char **why);
void capture_write(struct capture *capture, const struct captured *packet);

/* The packet goes back to where it came from. */
void captured_turn(struct captured *packet);

/* How much of the file was read, in percent; -1: nobody knows. */
int capture_progress(const struct capture *capture);

/* 0, or -1 and *why: not all was written. */
int capture_close(struct capture *capture, const char **why);
