/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * arp.h - announces addresses on Ethernet links (RFC 5227 section 3): neighbours that knew another owner learn the new one.
 *
 * Each announcement is sent three times, a second apart: a switch port may not forward yet when a link comes up.
 */
#pragma once
#include "core/types.h"

struct arp;

/* NULL: errno says why. */
struct arp *arp_open(void);
void arp_close(struct arp *arp);

/* Becomes readable when arp_run() has something to do. */
int arp_fd(const struct arp *arp);

/* Announce an address; anew, if it is being announced. What finds no memory is not announced. */
void arp_announce(struct arp *arp, u32 ifindex, const u8 mac[6], __be32 addr);

/* Forget what was to be announced on this interface: it is gone. */
void arp_forget(struct arp *arp, u32 ifindex);

/* Send what is due. */
void arp_run(struct arp *arp);
