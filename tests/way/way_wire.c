/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wire: frames in, frames out. Each device is a pair: one end is the router's, with the NAT's programs where the daemon
 * puts them, at the other frames are sent and caught. Between them the kernel routes, so that a packet that goes out meets
 * all that it meets in a real router: the programs of the interface where it comes in, forwarding, those of the one where
 * it leaves. By which interface that is is for the test to say, by the one route that there is.
 *
 * With XDP, the programs at XDP are in the receive queues of the router's devices, and what they send away goes by no hook of TC: it
 * was sent by XDP if it arrived and never was a packet of the device where it came in.
 *
 * The hop that the kernel takes is given back, so that the bytes are those of the other ways. What the kernel itself drops no
 * counter tells.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/plan.h"
#include "core/rewrite.h"
#include "tests/way/kernel.h"
#include "tests/way/shim.h"

enum { MTU = 65000, MTU_XDP = 3000 }; /* a frame at XDP is in one page */
enum { ICMP_QUOTE = 28, SENTINEL_BYTES = 60, HOPS = 3, RECEIVE_BYTES = 1 << 22 };

static const u8 station[6] = { 2, 2, 2, 2, 2, 2 };

/*
 * The network
 */

static int setting_write(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	return file_write(path, value);
}

/* A router that looks at nothing but its route, and says nothing by itself. */
static int router_make(void)
{
	int rc = setting_write("ip_forward", "1");

	rc = rc ? rc : setting_write("conf/all/rp_filter", "0");
	rc = rc ? rc : setting_write("conf/default/rp_filter", "0");
	rc = rc ? rc : setting_write("conf/all/send_redirects", "0");
	return rc ? rc : setting_write("conf/default/send_redirects", "0");
}

static int wire_open(struct kernel *k)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int room = RECEIVE_BYTES, one = 1;

	k->routing = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	k->wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->routing < 0 || k->wire < 0 ||
	    setsockopt(k->wire, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(k->wire, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    bind(k->wire, (struct sockaddr *)&all, sizeof(all)))
		return -errno;
	return 0;
}

/* All packets leave by this device from now on. */
static int route_set(struct kernel *k, u32 ifindex)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr out;
		u32 ifindex;
	} ask = {
		.header = { .nlmsg_len = sizeof(ask),
			    .nlmsg_type = RTM_NEWROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK },
		.route = { .rtm_family = AF_INET,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = RT_SCOPE_LINK,
			   .rtm_type = RTN_UNICAST },
		.out = { .rta_len = RTA_LENGTH(sizeof(u32)), .rta_type = RTA_OIF },
		.ifindex = ifindex,
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		u8 rest[sizeof(ask)];
	} answer;

	if (k->route == ifindex)
		return 0;
	if (send(k->routing, &ask, sizeof(ask), 0) < 0 ||
	    recv(k->routing, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.header))
		return -errno;
	if (answer.header.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	k->route = answer.error.error ? 0 : ifindex;
	return answer.error.error;
}

/* The programs of accelerate: all, on the maps of the others. */
static int all_load(struct kernel *k)
{
	const struct bpf_map *map;
	struct bpf_map *same;

	k->all = all_bpf__open();
	if (!k->all)
		return -errno;
	k->all->rodata->virtual_time = 1;
	bpf_object__for_each_map(map, k->programs->obj)
	{
		same = bpf_map__is_internal(map)
			       ? NULL
			       : bpf_object__find_map_by_name(k->all->obj, bpf_map__name(map));
		int rc = same ? bpf_map__reuse_fd(same, bpf_map__fd(map)) : 0;
		if (rc)
			return rc;
	}
	return all_bpf__load(k->all);
}

static int xdp_attach(const struct kernel *k, const struct device *d)
{
	const struct bpf_program *in = k->all ? k->all->progs.all_in : k->programs->progs.xdp_in,
				 *out = k->all ? k->all->progs.all_out : k->programs->progs.xdp_out,
				 *program = d->role == ROLE_OUTSIDE ? in : out;
	int rc = bpf_xdp_attach((int)d->far, bpf_program__fd(k->shim->progs.take_frame), XDP_FLAGS_DRV_MODE,
				NULL);

	return rc ? rc : bpf_xdp_attach((int)d->ifindex, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL);
}

static int programs_attach(const struct kernel *k, const struct device *d)
{
	int rc = hook_make(d->ifindex);

	rc = rc ? rc : hook_make(d->far);
	rc = rc ? rc : program_attach(d->far, BPF_TC_INGRESS, k->shim->progs.stop_packet, 1);
	rc = rc ? rc : program_attach(d->ifindex, BPF_TC_INGRESS, k->shim->progs.pass_sentinel, 1);
	rc = rc ? rc : program_attach(d->ifindex, BPF_TC_EGRESS, k->shim->progs.pass_sentinel, 1);
	if (rc)
		return rc;
	const struct bpf_program *in = d->role == ROLE_OUTSIDE ? k->programs->progs.in_ethernet
							       : k->programs->progs.hairpin_ethernet,
				 *out = d->role == ROLE_OUTSIDE ? k->programs->progs.out_ethernet
								: k->programs->progs.learn_ethernet;
	rc = program_attach(d->ifindex, BPF_TC_INGRESS, in, 2);
	rc = rc ? rc : program_attach(d->ifindex, BPF_TC_EGRESS, out, 2);
	return rc || !k->fast ? rc : xdp_attach(k, d);
}

static int wire_device(struct way *way, const char *name, enum role role)
{
	struct kernel *k = way->own;
	char near[IFNAMSIZ], far[IFNAMSIZ], command[256];
	struct device *d;
	int rc = device_place(k, role, &d), mtu = k->fast ? MTU_XDP : MTU;

	(void)name;
	if (rc)
		return rc;
	snprintf(near, sizeof(near), "near%u", k->device_count);
	snprintf(far, sizeof(far), "far%u", k->device_count);
	snprintf(command, sizeof(command),
		 "ip link add %s address 02:02:02:02:02:02 mtu %d type veth peer name %s mtu %d && "
		 "ip link set %s arp off up && ip link set %s arp off up",
		 near, mtu, far, mtu, near, far);
	if (system(command))
		return -EIO;
	*d = (struct device){ .fd = -1,
			      .ifindex = if_nametoindex(near),
			      .far = if_nametoindex(far),
			      .role = role,
			      .used = true };
	rc = programs_attach(k, d);
	if (rc)
		return rc;
	k->device_count++;
	return (int)d->ifindex;
}

/*
 * Packets
 */

static int wire_send(const struct kernel *k, u32 ifindex, const void *frame, size_t length)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)ifindex,
				  .sll_protocol = htons(
					  (u16)(((const u8 *)frame)[12] << 8 | ((const u8 *)frame)[13])),
				  .sll_halen = 6 };

	memcpy(to.sll_addr, station, sizeof(station));
	return sendto(k->wire, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/* What was caught while a packet was on its way. */
struct caught {
	u8 frame[FRAME_ROOM];
	u32 length;
	int frames;
	bool entered; /* it was a packet of the device where it came in */
	bool sentinel;
};

/* One frame from the socket. 0; -errno: there is none. */
static int wire_receive(struct kernel *k, struct caught *c)
{
	static u8 frame[FRAME_ROOM];
	struct sockaddr_ll from = { 0 };
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(k->wire, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);

	if (got < 0)
		return -errno;
	if (got >= ETHERNET_HEADER && (frame[12] << 8 | frame[13]) == SENTINEL) {
		c->sentinel = true;
		return 0;
	}
	c->entered |= device_of(k, (u32)from.sll_ifindex) != NULL;
	for (u32 i = 0; i < k->device_count; i++)
		if (k->devices[i].far == (u32)from.sll_ifindex) {
			memcpy(c->frame, frame, (size_t)got);
			c->length = (u32)got;
			c->frames++;
		}
	return 0;
}

static void wire_drain(struct kernel *k)
{
	static struct caught nothing;

	while (!wire_receive(k, &nothing))
		;
}

/*
 * Wait until a packet that was sent by this device has got as far as it goes. All wait in one processor's queue, each hop at its
 * end: so a frame that is sent behind the packet says, when it arrives, that the packet has gone one hop further.
 */
static int wire_settle(struct kernel *k, u32 ifindex, struct caught *c)
{
	u8 sentinel[SENTINEL_BYTES] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, SENTINEL >> 8, SENTINEL & 0xff };
	struct pollfd pfd = { .fd = k->wire, .events = POLLIN };

	for (int hop = 0; hop < HOPS; hop++) {
		s64 until = milliseconds() + PATIENCE_MS;
		int rc = wire_send(k, ifindex, sentinel, sizeof(sentinel));
		if (rc)
			return rc;
		for (c->sentinel = false; !c->sentinel;) {
			if (milliseconds() > until)
				return -ETIMEDOUT;
			if (poll(&pfd, 1, PATIENCE_MS) > 0)
				(void)wire_receive(k, c);
		}
	}
	return 0;
}

/* Where a packet is sent for this hook, and by which device the kernel shall let it leave. 0 or -errno. */
static int wire_ends(struct kernel *k, enum native_hook hook, const struct native_frame *f, u32 *at, u32 *by)
{
	const struct device *d = device_of(k, f->ifindex), *from = device_of(k, f->ingress_ifindex);

	if (!d || f->ordered || (hook != NATIVE_OUT && hook != NATIVE_IN && hook != NATIVE_HAIRPIN))
		return -EOPNOTSUPP;
	*by = d->ifindex;
	*at = d->far;
	if (hook == NATIVE_OUT)
		*at = from ? from->far : d->ifindex;
	if (hook == NATIVE_IN) {
		*by = 0;
		for (u32 i = 0; i < k->device_count && !*by; i++)
			if (k->devices[i].used && k->devices[i].role == ROLE_INSIDE)
				*by = k->devices[i].ifindex;
	}
	return *by ? 0 : -ENODEV;
}

/* Or did the NAT send it by itself? */
static bool kernel_forwards(const struct native_result *result)
{
	switch (result->reason) {
	case REASON_hairpin:
	case REASON_hairpin_error:
	case REASON_hairpin_fragment:
	case REASON_out_fast:
	case REASON_in_fast:
		return false;
	default:
		return result->verdict != VERDICT_ANSWER;
	}
}

/* What became of it, by counters and frames. */
static int wire_judge(struct kernel *k, const struct caught *c, u32 at, const struct native_frame *f,
		      struct native_result *result)
{
	bool counted = result->reason < REASONS;

	result->verdict = counted     ? reason_verdicts[result->reason]
			  : c->frames ? (u32)VERDICT_PASS
				      : (u32)VERDICT_DROP;
	bool ours = result->reason == REASON_local_socket || result->reason == REASON_local_address;
	if (c->frames > 1 || (result->verdict == VERDICT_DROP && c->frames) ||
	    (result->verdict != VERDICT_DROP && !c->frames && !ours))
		return -EPROTO;
	if (!c->frames)
		return 0;
	if (c->length != f->length && result->verdict != VERDICT_ANSWER)
		return -EPROTO;
	result->length = c->length;
	memcpy(f->data + f->l3, c->frame + ETHERNET_HEADER, c->length - ETHERNET_HEADER);
	struct bytes b = { .data = f->data, .end = f->data + c->length };
	if (!device_of(k, at) && kernel_forwards(result))
		(void)rewrite_hops(&b, f->l3, 1);
	if (result->verdict == VERDICT_ANSWER && f->data[f->l3 + IPV4_PROTOCOL] == PROTOCOL_ICMP)
		(void)rewrite_hops(&b, f->l3 + ICMP_QUOTE, 1); /* the sum over both changes is the same */
	return 0;
}

/* What goes out was counted where it came in, too: that is not what the scenario asks for. */
static void entering_forget(const struct counters *now, struct counters *before)
{
	for (u32 i = MAX_OUTSIDE; i < MAX_INTERFACES; i++)
		before->by[i][REASON_inside_other] = now->by[i][REASON_inside_other];
}

/* What was decided at XDP without a lease was not counted where it came in, as it is by the other ways. */
static void entering_count(const struct way *way, const struct counters *before, const struct native_frame *f)
{
	const struct interface *at = interface_find(way->nat.config, f->ingress_ifindex);
	struct counter *counter = at && at->role == ROLE_INSIDE
					  ? &way->nat.counters->by[at->number][REASON_inside_other]
					  : NULL;

	if (!counter || counter->packets != before->by[at->number][REASON_inside_other].packets)
		return;
	counter->packets++;
	counter->bytes += f->length - f->l3;
}

static int wire_meet(struct way *way, enum native_hook hook, const struct native_frame *f,
		     struct native_result *result)
{
	static struct counters begin, before, after;
	static struct caught caught;
	struct kernel *k = way->own;
	u32 at, by;

	*result = (struct native_result){ .reason = REASONS, .length = f->length };
	caught.frames = 0;
	caught.entered = false;
	int rc = wire_ends(k, hook, f, &at, &by);
	rc = rc ? rc : route_set(k, by);
	if (rc)
		return rc;
	wire_drain(k);
	begin = before = *way->nat.counters;
	rc = wire_send(k, at, f->data, f->length);
	if (rc == -ENOBUFS) /* what the router itself sent was dropped at its egress */
		rc = 0;
	rc = rc ? rc : wire_settle(k, at, &caught);
	after = *way->nat.counters;
	if (hook == NATIVE_OUT)
		entering_forget(&after, &before);
	rc = rc ? rc : counters_moved(&before, &after, result);
	if (rc && rc != -EAGAIN)
		return rc;
	if (!rc && k->fast & FAST_ALL && hook == NATIVE_OUT && result->reason != REASON_out_fast)
		entering_count(way, &begin, f);
	way->redirected += caught.frames && !caught.entered && !device_of(k, at);
	return wire_judge(k, &caught, at, f, result);
}

struct way *way_wire(u8 fast)
{
	static const struct way_ops ops = { wire_device, bpf_socket, wire_meet, bpf_clear, bpf_free };
	struct way *way = way_bpf(fast & FAST_ALL ? "wire-all"
				  : fast	  ? "wire-xdp"
						  : "wire",
				  &ops, ETHERNET_HEADER, false);

	if (!way)
		return NULL;
	way->whole = true;
	((struct kernel *)way->own)->fast = fast;
	int rc = fast & FAST_ALL ? all_load(way->own) : 0;
	rc = rc ? rc : router_make();
	rc = rc ? rc : wire_open(way->own);
	if (!rc)
		return way;
	way_free(way);
	errno = -rc;
	return NULL;
}
