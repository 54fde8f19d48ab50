/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/plan.h"
#include "tests/way/kernel.h"

enum { XDP_ROOM = 3000 };

static struct bpf_map *map_of(const struct kernel *k, enum native_array array)
{
	struct bpf_map *maps[NATIVE_ARRAYS] = {
		k->programs->maps.config,    k->programs->maps.flows,	  k->programs->maps.mappings,
		k->programs->maps.hosts,     k->programs->maps.fragments, k->programs->maps.ports,
		k->programs->maps.addresses, k->programs->maps.pools,	  k->programs->maps.next_hops,
		k->programs->maps.held,	     k->programs->maps.counters,  k->programs->maps.drops,
	};

	return maps[array];
}

/*
 * Devices: tap for frames, tun for bare packets. Only the bare ones carry any.
 */

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int device_up(const char *name)
{
	struct ifreq ifr = { .ifr_mtu = 65000 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (strcmp(name, "lo") && ioctl(fd, SIOCSIFMTU, &ifr))
		rc = -errno;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!rc && ioctl(fd, SIOCSIFFLAGS, &ifr))
		rc = -errno;
	close(fd);
	return rc;
}

static int device_make(struct device *d, const char *name, bool bare)
{
	struct ifreq ifr = { .ifr_flags = (short)((bare ? IFF_TUN : IFF_TAP) | IFF_NO_PI) };
	int rc = 0;

	d->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(d->fd, TUNSETIFF, &ifr))
		rc = -errno;
	d->ifindex = if_nametoindex(name);
	if (!rc && bare)
		rc = device_up(name);
	if (rc)
		close(d->fd);
	return rc;
}

int program_attach(u32 ifindex, enum bpf_tc_attach_point where, const struct bpf_program *program,
		   u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority,
		    .prog_fd = bpf_program__fd(program));

	return bpf_tc_attach(&hook, &opts);
}

int hook_make(u32 ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_create(&hook);
}

/* The NAT's programs on a bare device, and behind them the one that lets us see what passed. */
static int device_attach(const struct kernel *k, const struct device *d)
{
	int rc = hook_make(d->ifindex);

	if (rc)
		return rc;
	if (d->role == ROLE_OUTSIDE) {
		rc = program_attach(d->ifindex, BPF_TC_EGRESS, k->programs->progs.out_bare, 1);
		rc = rc ? rc : program_attach(d->ifindex, BPF_TC_INGRESS, k->programs->progs.in_bare, 1);
	} else {
		rc = program_attach(d->ifindex, BPF_TC_INGRESS, k->programs->progs.hairpin_bare, 1);
		rc = rc ? rc : program_attach(d->ifindex, BPF_TC_EGRESS, k->programs->progs.client_bare, 1);
	}
	return rc ? rc : program_attach(d->ifindex, BPF_TC_INGRESS, k->shim->progs.capture_packet, 2);
}

int device_place(struct kernel *k, enum role role, struct device **place)
{
	for (u32 i = 0; i < k->device_count; i++)
		if (k->devices[i].role == role && !k->devices[i].used) {
			k->devices[i].used = true;
			return (int)k->devices[i].ifindex;
		}
	*place = &k->devices[k->device_count];
	return k->device_count == DEVICES_MAX ? -ENOSPC : 0;
}

static int bpf_device(struct way *way, const char *name, enum role role)
{
	struct kernel *k = way->own;
	char own_name[IFNAMSIZ];
	struct device *d;
	int rc = device_place(k, role, &d);

	(void)name;
	if (rc)
		return rc;
	snprintf(own_name, sizeof(own_name), "dev%u", k->device_count);
	rc = device_make(d, own_name, k->bare);
	if (rc)
		return rc;
	d->role = role;
	d->used = true;
	k->device_count++;
	rc = k->bare ? device_attach(k, d) : 0;
	return rc ? rc : (int)d->ifindex;
}

struct device *device_of(struct kernel *k, u32 ifindex)
{
	for (u32 i = 0; i < k->device_count; i++)
		if (k->devices[i].ifindex == ifindex)
			return &k->devices[i];
	return NULL;
}

/*
 * Sockets
 */

static struct sockaddr_in socket_address(__be32 addr, __be16 port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = addr };

	return sin;
}

static int socket_open(const struct native_socket *s)
{
	struct sockaddr_in local = socket_address(s->local, s->port),
			   remote = socket_address(s->remote, s->remote_port);
	int one = 1,
	    fd = socket(AF_INET, (s->class == CLASS_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Transparent: may have addresses that are on no interface here. */
	if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) ||
	    (s->remote && connect(fd, (struct sockaddr *)&remote, sizeof(remote))) ||
	    (s->class == CLASS_TCP && listen(fd, 1))) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int bpf_socket(struct way *way, const struct native_socket *s)
{
	struct kernel *k = way->own;

	if (k->socket_count == SOCKETS_MAX)
		return -ENOSPC;
	if (s->class == CLASS_TCP && s->remote)
		return -EOPNOTSUPP; /* there is nobody to connect to */
	int fd = socket_open(s);
	if (fd < 0)
		return fd;
	k->sockets[k->socket_count++] = fd;
	return 0;
}

void bpf_clear(struct way *way)
{
	struct kernel *k = way->own;

	for (u32 i = 0; i < k->device_count; i++)
		k->devices[i].used = false;
	for (u32 i = 0; i < k->socket_count; i++)
		close(k->sockets[i]);
	k->socket_count = 0;
}

/*
 * Packets
 */

int counters_moved(const struct counters *before, const struct counters *now, struct native_result *result)
{
	int moved = 0;

	for (u32 i = 0; i < MAX_INTERFACES; i++) {
		if (!memcmp(before->by[i], now->by[i], sizeof(now->by[i])))
			continue;
		for (u32 r = 0; r < REASONS; r++) {
			u64 more = __atomic_load_n(&now->by[i][r].packets, __ATOMIC_ACQUIRE) -
				   before->by[i][r].packets;
			if (!more)
				continue;
			moved += (int)more;
			result->interface = i;
			result->reason = r;
		}
	}
	return moved == 1 ? 0 : moved ? -EPROTO : -EAGAIN;
}

static const struct bpf_program *frame_program(const struct kernel *k, enum native_hook hook)
{
	switch (hook) {
	case NATIVE_OUT:
		return k->programs->progs.out_ethernet;
	case NATIVE_IN:
		return k->programs->progs.in_ethernet;
	case NATIVE_LEARN:
		return k->programs->progs.learn_ethernet;
	case NATIVE_CLIENT:
		return k->programs->progs.client_ethernet;
	default:
		return k->programs->progs.hairpin_ethernet;
	}
}

/*
 * A frame in the receive queue of its device. 1: XDP sent it away, *after is what it became; 0: it goes up, untouched; or
 * -errno. A program is told the device by the configuration: taps have no receive queue that a test run may name.
 */
static int frame_meet_xdp(struct way *way, enum native_hook hook, const struct native_frame *f, u8 *after,
			  u32 *length)
{
	const struct kernel *k = way->own;
	const struct bpf_program *program =
		hook == NATIVE_IN ? k->programs->progs.xdp_in : k->programs->progs.xdp_out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->length, .data_out = after,
		    .data_size_out = FRAME_ROOM);

	way->nat.config->test_ifindex = f->ifindex;
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
		return errno == EINVAL && f->length > XDP_ROOM ? 0 : -errno; /* more than a page holds */
	way->nat.config->test_ifindex = 0;
	*length = opts.data_size_out;
	if (opts.retval == XDP_TX) {
		way->redirected++;
		return 1;
	}
	return opts.retval == XDP_PASS && *length == f->length && !memcmp(after, f->data, *length) ? 0
												   : -EPROTO;
}

static int frame_meet(struct way *way, enum native_hook hook, const struct native_frame *f,
		      struct native_result *result)
{
	struct kernel *k = way->own;
	static struct counters before;
	static u8 after[FRAME_ROOM];
	struct __sk_buff ctx = { .ifindex = f->ifindex,
				 .ingress_ifindex = f->ingress_ifindex,
				 .mark = f->ordered ? way->nat.config->pass[0] : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->length, .data_out = after,
		    .data_size_out = sizeof(after), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	before = *way->nat.counters;
	*result = (struct native_result){ .reason = REASONS };
	int gone = hook == NATIVE_IN || hook == NATIVE_HAIRPIN
			   ? frame_meet_xdp(way, hook, f, after, &result->length)
			   : 0;
	if (gone < 0)
		return gone;
	if (!gone && bpf_prog_test_run_opts(bpf_program__fd(frame_program(k, hook)), &opts))
		return -errno;
	if (gone)
		opts.retval = (u32)TC_ACT_UNSPEC;
	else
		result->length = opts.data_size_out;
	int rc = counters_moved(&before, way->nat.counters, result);
	if (rc && rc != -EAGAIN)
		return rc;
	if (result->length != f->length && reason_verdicts[result->reason] != VERDICT_ANSWER)
		return -EPROTO;
	memcpy(f->data, after, result->length);
	if (opts.retval == TC_ACT_SHOT)
		result->verdict = VERDICT_DROP;
	else if (opts.retval == (u32)TC_ACT_UNSPEC)
		result->verdict = result->reason < REASONS ? reason_verdicts[result->reason] : VERDICT_PASS;
	else
		return -EPROTO;
	if (result->reason < REASONS &&
	    (reason_verdicts[result->reason] == VERDICT_DROP) != (result->verdict == VERDICT_DROP))
		return -EPROTO; /* counted as one thing, done as another */
	return 0;
}

static void device_drain(const struct device *d)
{
	static u8 rest[FRAME_ROOM];

	while (read(d->fd, rest, sizeof(rest)) > 0)
		;
}

static bool leaves(enum native_hook hook) { return hook == NATIVE_OUT || hook == NATIVE_CLIENT; }

static int bare_send(const struct kernel *k, enum native_hook hook, const struct native_frame *f, u32 mark)
{
	static u8 frame[FRAME_ROOM + ETHERNET_HEADER];
	struct __sk_buff ctx = { .ingress_ifindex = f->ingress_ifindex,
				 .mark = mark,
				 .cb = { f->ifindex, leaves(hook) ? 0 : BPF_F_INGRESS } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = f->length + ETHERNET_HEADER,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	frame[12] = (u8)((f->ethertype ? f->ethertype : 0x0800) >> 8);
	frame[13] = (u8)f->ethertype;
	memcpy(frame + ETHERNET_HEADER, f->data, f->length);
	if (bpf_prog_test_run_opts(bpf_program__fd(k->shim->progs.send_packet), &opts))
		return -errno;
	return (int)opts.retval;
}

s64 milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Real packets through a real device: the counter says that it went, the reading end what became of it. */
static int bare_meet(struct way *way, enum native_hook hook, const struct native_frame *f,
		     struct native_result *result)
{
	struct kernel *k = way->own;
	static struct counters before;
	const struct device *d = leaves(hook) ? device_of(k, f->ifindex) : &k->capture;
	s64 until = milliseconds() + PATIENCE_MS;
	int rc;

	*result = (struct native_result){ .verdict = VERDICT_PASS, .reason = REASONS, .length = f->length };
	if (hook == NATIVE_LEARN)
		return 0; /* there is no such program for bare devices */
	if (!d)
		return -ENODEV;
	device_drain(d);
	before = *way->nat.counters;
	rc = bare_send(k, hook, f, f->ordered ? way->nat.config->pass[0] : 0);
	if (rc < 0)
		return rc;
	while ((rc = counters_moved(&before, way->nat.counters, result)) == -EAGAIN && milliseconds() < until)
		sched_yield();
	if (rc)
		return rc;
	result->verdict = reason_verdicts[result->reason];
	result->length = f->length;
	struct pollfd pfd = { .fd = d->fd, .events = POLLIN };
	if (poll(&pfd, 1, result->verdict == VERDICT_DROP ? 0 : PATIENCE_MS) < 0)
		return -errno;
	static u8 after[FRAME_ROOM];
	ssize_t got = read(d->fd, after, sizeof(after));
	if (result->verdict == VERDICT_DROP)
		return got > 0 ? -EPROTO : 0;
	if (got <= 0 || (got != (ssize_t)f->length && result->verdict != VERDICT_ANSWER))
		return -EPROTO;
	result->length = (u32)got;
	memcpy(f->data, after, result->length);
	return 0;
}

/*
 * Begin and end
 */

static void kernel_close(struct kernel *k)
{
	for (u32 i = 0; i < k->device_count; i++)
		if (k->devices[i].fd >= 0)
			close(k->devices[i].fd);
	if (k->wire >= 0)
		close(k->wire);
	if (k->routing >= 0)
		close(k->routing);
	if (k->capture.ifindex)
		close(k->capture.fd);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		if (k->memory[i])
			munmap(k->memory[i], k->mapped[i]);
	all_bpf__destroy(k->all);
	keepnat_bpf__destroy(k->programs);
	shim_bpf__destroy(k->shim);
	free(k);
}

void bpf_free(struct way *way)
{
	bpf_clear(way);
	native_detach(&way->nat);
	kernel_close(way->own);
	free(way);
}

/* A network of the process's own: only loopback, a route for connected sockets, nothing that speaks by itself. */
static int network_enter(void)
{
	struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = (char[]){ "lo" } };
	struct sockaddr_in any = socket_address(0, 0);
	int fd, rc;

	if (unshare(CLONE_NEWNET))
		return -errno;
	rc = file_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	if (rc && rc != -ENOENT)
		return rc;
	rc = device_up("lo");
	if (rc)
		return rc;
	memcpy(&route.rt_dst, &any, sizeof(any));
	memcpy(&route.rt_genmask, &any, sizeof(any));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCADDRT, &route))
		rc = -errno;
	close(fd);
	return rc;
}

/* Counters are an element a CPU: stay on one, softirqs included. */
static int cpu_stay(struct kernel *k)
{
	cpu_set_t set;

	k->cpu = sched_getcpu();
	if (k->cpu < 0)
		return -errno;
	CPU_ZERO(&set);
	CPU_SET(k->cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int programs_load(struct kernel *k, bool alone)
{
	const struct native_sizes largest = { WAY_FLOWS,     WAY_MAPPINGS,  WAY_HOSTS,
					      WAY_FRAGMENTS, WAY_ADDRESSES, (u32)libbpf_num_possible_cpus() };

	k->programs = keepnat_bpf__open();
	if (!k->programs)
		return -errno;
	k->programs->rodata->virtual_time = 1;
	k->programs->rodata->test_run = alone;
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		bpf_map__set_max_entries(map_of(k, i), (u32)native_extent(&largest, i).elements);
	int rc = keepnat_bpf__load(k->programs);
	if (rc)
		return rc;
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		k->mapped[i] = (native_extent(&largest, i).bytes + page - 1) & ~(page - 1);
		k->memory[i] = mmap(NULL, k->mapped[i], PROT_READ | PROT_WRITE, MAP_SHARED,
				    bpf_map__fd(map_of(k, i)), 0);
		if (k->memory[i] == MAP_FAILED) {
			k->memory[i] = NULL;
			return -errno;
		}
	}
	return 0;
}

static int shim_load(struct kernel *k)
{
	int rc = device_make(&k->capture, "capture", true);

	if (rc) {
		k->capture.ifindex = 0;
		return rc;
	}
	k->shim = shim_bpf__open();
	if (!k->shim)
		return -errno;
	k->shim->rodata->capture_ifindex = k->capture.ifindex;
	return shim_bpf__load(k->shim);
}

struct way *way_bpf(const char *name, const struct way_ops *ops, u32 l3, bool alone)
{
	struct way *way = calloc(1, sizeof(*way));
	struct kernel *k = calloc(1, sizeof(*k));
	int rc = -ENOMEM;

	if (!way || !k)
		goto out;
	way->name = name;
	way->ops = ops;
	way->l3 = l3;
	way->own = k;
	k->bare = !l3;
	k->wire = k->routing = -1;
	rc = network_enter();
	rc = rc ? rc : cpu_stay(k);
	rc = rc ? rc : programs_load(k, alone);
	rc = rc ? rc : shim_load(k);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		native_array_set(&way->nat, i, k->memory[i]);
	way->nat.counters += k->cpu;
	way->nat.drops += k->cpu;
out:
	if (!rc)
		return way;
	if (k)
		kernel_close(k);
	free(way);
	errno = -rc;
	return NULL;
}

struct way *way_bpf_ethernet(void)
{
	static const struct way_ops ops = { bpf_device, bpf_socket, frame_meet, bpf_clear, bpf_free };

	return way_bpf("ethernet", &ops, ETHERNET_HEADER, true);
}

struct way *way_bpf_bare(void)
{
	static const struct way_ops ops = { bpf_device, bpf_socket, bare_meet, bpf_clear, bpf_free };

	return way_bpf("bare", &ops, 0, true);
}
