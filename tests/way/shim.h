/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shim.h - what shim.bpf.c and way_wire.c agree upon.
 */
#pragma once

enum { SENTINEL = 0x88b5 }; /* an Ethernet type for experiments (IEEE 802) */
