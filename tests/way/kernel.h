/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - what the ways through the BPF programs share: the programs with virtual time, their maps, a network of the
 * process's own, sockets. way_bpf.c has two ways by which a packet meets one hook, way_wire.c one through the whole network.
 */
#pragma once
#include <linux/pkt_cls.h>

#include "tests/way/way.h"
#include "bpf/all.skel.h"
#include "bpf/keepnat.skel.h"
#include "tests/way/shim.skel.h"

enum { DEVICES_MAX = 24, SOCKETS_MAX = 16, PATIENCE_MS = 2000 };

struct device {
	int fd; /* of a tun or tap; or -1 */
	u32 ifindex;
	u32 far; /* of a wire: the ifindex of its other end; or 0 */
	enum role role;
	bool used; /* by the test that runs */
};

struct kernel {
	struct keepnat_bpf *programs;
	struct all_bpf *all; /* on the same maps; NULL: nobody asked for it */
	struct shim_bpf *shim;
	size_t mapped[NATIVE_ARRAYS];
	void *memory[NATIVE_ARRAYS];
	int cpu;
	bool bare;
	u8 fast; /* of a wire: FAST_XDP, with the programs at XDP; FAST_ALL, those that make sessions there */
	struct device devices[DEVICES_MAX];
	u32 device_count;
	struct device capture;
	int sockets[SOCKETS_MAX];
	u32 socket_count;
	int wire;    /* of way_wire.c: the packet socket; or -1 */
	int routing; /* its netlink socket; or -1 */
	u32 route;   /* the device by which all packets are routed now */
};

/* A way with programs, maps and network; alone: programs are run one by one. NULL: errno says why. */
struct way *way_bpf(const char *name, const struct way_ops *ops, u32 l3, bool alone);
void bpf_free(struct way *way);
void bpf_clear(struct way *way);
int bpf_socket(struct way *way, const struct native_socket *s);

/*
 * Devices are used again by the next test: the ifindex of one of this role that no one uses, and this test does now; or 0, and *place for
 * a new one, or -ENOSPC.
 */
int device_place(struct kernel *k, enum role role, struct device **place);
struct device *device_of(struct kernel *k, u32 ifindex);
int file_write(const char *path, const char *text);

/* A program on a device, by clsact, which hook_make() puts there. 0 or -errno. */
int program_attach(u32 ifindex, enum bpf_tc_attach_point where, const struct bpf_program *program,
		   u32 priority);
int hook_make(u32 ifindex);

/* The one counter that moved from before to now. 0; -EAGAIN: none did, -EPROTO: more than one, or by more than one. */
int counters_moved(const struct counters *before, const struct counters *now, struct native_result *result);
s64 milliseconds(void);
