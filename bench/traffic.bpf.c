// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * traffic.bpf.c - the benchmark's programs in the kernel: generator, sink, accounting and the limit. See main.c.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bench/traffic.h"

enum { TCP_HEADER = 20 };

struct datagram {
	struct udphdr udp;
	__be32 magic;
	__be32 flow;
	__u32 due[2]; /* the lower half first; only we read it */
	__u8 zero[2];
} __attribute__((packed));

struct segment {
	__be16 source, dest;
	__be32 seq, ack;
	__be16 head; /* length and flags */
	__be16 window, check, urgent;
	__u8 zero[TRAFFIC_PAYLOAD]; /* or padding, which routers cut off */
} __attribute__((packed));

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	union {
		struct datagram datagram;
		struct segment segment;
	};
} __attribute__((packed));
_Static_assert(sizeof(struct frame) == TRAFFIC_FRAME, "the frame is as long as announced");

/* Only what is read; the offset comes from the running kernel's type information. */
struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

int generator(struct xdp_md *ctx);
int sink(struct xdp_md *ctx);
int account(__u64 *ctx);
int limit(struct xdp_md *ctx);

struct traffic_order order;
struct traffic_count seen[TRAFFIC_LINKS];
__u32 delays[TRAFFIC_DELAYS];
struct traffic_way ways[TRAFFIC_LINKS]; /* by the interface index in the limit's namespace */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_endpoint);
} learned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct traffic_time);
} cpu_times SEC(".maps");

static __always_inline __u32 sum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)((sum & 0xffff) + (sum >> 16));
}

/* Ports of a host's flows: distinct, spread over 32768-65535, and different for each host. */
static __always_inline __u16 flow_port(__u32 flow)
{
	__u32 host = flow / TRAFFIC_FLOWS_PER_HOST, nth = flow % TRAFFIC_FLOWS_PER_HOST;

	return (__u16)(0x8000 | (((host * 0x9e3779b1u >> 15) + nth * 509) & 0x7fff));
}

struct ends {
	__be32 saddr, daddr;
	__be16 sport, dport;
};

static __always_inline int ends_of_flow(__u32 flow, struct ends *ends)
{
	__be32 remote = bpf_htonl(TRAFFIC_FIRST_REMOTE + flow * 0x85ebca6bu % (order.remotes ?: 1));
	struct traffic_endpoint *outside;
	__u32 row = order.learned + flow;

	if (order.direction == TRAFFIC_OUT) {
		ends->saddr = bpf_htonl(TRAFFIC_FIRST_HOST + flow / TRAFFIC_FLOWS_PER_HOST);
		ends->sport = bpf_htons(flow_port(flow));
		ends->daddr = remote;
		ends->dport = bpf_htons(443);
		return 0;
	}
	outside = bpf_map_lookup_elem(&learned, &row);
	if (!outside || !outside->port)
		return -1;
	ends->saddr = remote;
	ends->sport = bpf_htons(443);
	ends->daddr = outside->addr;
	ends->dport = outside->port;
	return 0;
}

/* Ports, the pseudo header's addresses and protocol: what both checksums begin with. */
static __always_inline __u64 sum_begin(const struct ends *ends, __u32 length)
{
	return (__u64)ends->saddr + ends->daddr + ends->sport + ends->dport +
	       bpf_htons((__u16)order.protocol) + bpf_htons((__u16)length);
}

static __always_inline void datagram_write(struct datagram *datagram, __u32 flow, const struct ends *ends)
{
	__u64 sum = sum_begin(ends, sizeof(*datagram));

	datagram->udp.source = ends->sport;
	datagram->udp.dest = ends->dport;
	datagram->udp.len = bpf_htons(sizeof(*datagram));
	datagram->magic = bpf_htonl(TRAFFIC_MAGIC);
	datagram->flow = bpf_htonl(flow);
	datagram->due[0] = order.gap ? (__u32)order.due : 0;
	datagram->due[1] = order.gap ? (__u32)(order.due >> 32) : 0;
	sum += (__u64)datagram->udp.len + datagram->magic + datagram->flow + datagram->due[0] +
	       datagram->due[1];
	datagram->udp.check = (__u16)~sum_fold(sum) ?: 0xffff;
}

static __always_inline void segment_write(struct segment *segment, __u32 flow, const struct ends *ends)
{
	__be16 head = bpf_htons((__u16)(TCP_HEADER / 4 << 12 | order.segment.flags));
	__u32 first = flow << TRAFFIC_FLOW_SHIFT;
	__u64 sum = sum_begin(ends, TCP_HEADER + order.segment.payload);

	segment->source = ends->sport;
	segment->dest = ends->dport;
	segment->seq = bpf_htonl(first + order.segment.seq);
	segment->ack = order.segment.ack ? bpf_htonl(first + order.segment.ack) : 0;
	segment->head = head;
	segment->window = bpf_htons(TRAFFIC_WINDOW);
	segment->urgent = 0;
	sum += (__u64)segment->seq + segment->ack + head + segment->window;
	segment->check = (__u16)~sum_fold(sum);
}

/*
 * The whole frame is written each time: the page comes back from the sink as the router left it. Only the zero
 * bytes at its end stay as user space made them.
 */
static __always_inline void frame_write(struct frame *frame, __u32 flow, const struct ends *ends)
{
	__u32 udp = order.protocol == IPPROTO_UDP;
	__u32 length = udp ? sizeof(frame->datagram) : TCP_HEADER + order.segment.payload;
	__u64 sum;

	__builtin_memcpy(frame->eth.h_dest, order.router, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, order.end, ETH_ALEN);
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tos = 0;
	frame->ip.tot_len = bpf_htons((__u16)(sizeof(frame->ip) + length));
	frame->ip.id = 0;
	frame->ip.frag_off = bpf_htons(0x4000);
	frame->ip.ttl = 64;
	frame->ip.protocol = (__u8)order.protocol;
	frame->ip.saddr = ends->saddr;
	frame->ip.daddr = ends->daddr;
	sum = (__u64)ends->saddr + ends->daddr + bpf_htons(0x4500) + frame->ip.tot_len + bpf_htons(0x4000) +
	      bpf_htons((__u16)(0x4000 | order.protocol));
	frame->ip.check = (__u16)~sum_fold(sum);
	if (udp)
		datagram_write(&frame->datagram, flow, ends);
	else
		segment_write(&frame->segment, flow, ends);
}

static int due_look(__u32 i, void *context)
{
	(void)i;
	(void)context;
	return bpf_ktime_get_ns() >= order.due;
}

/*
 * Waits until the next burst is due. All that was sent before has passed by then, or this would not run; and nobody else
 * gets the CPU while it waits, so that what comes then finds the router as warm as a driver that polls would.
 */
static __always_inline void due_wait(void)
{
	enum { LOOKS = 1 << 17 }; /* some milliseconds: it ends in any case */

	if (!order.due)
		order.due = bpf_ktime_get_ns();
	order.noise = order.noise * 1664525 + 1013904223;
	order.due += order.gap / 2 + ((__u64)order.noise * order.gap >> 32);
	bpf_loop(LOOKS, due_look, (void *)0, 0);
}

SEC("xdp")
int generator(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 flow = order.first + ((__u32)order.counter * order.odd & order.mask) * order.stride;
	struct ends ends;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (order.gap && !(order.counter & (order.burst - 1)))
		due_wait();
	order.counter++;
	if (ends_of_flow(flow, &ends))
		return XDP_DROP;
	frame_write(frame, flow, &ends);
	return (int)bpf_redirect(order.ifindex, 0);
}

static __always_inline void endpoint_learn(const struct frame *frame, __u32 flow)
{
	__u32 row = order.learned + flow;
	struct traffic_endpoint *outside = bpf_map_lookup_elem(&learned, &row);

	if (!outside)
		return;
	outside->addr = frame->ip.saddr;
	outside->port = frame->datagram.udp.source; /* where TCP has it, too */
}

static __always_inline int frame_is_translated(const struct frame *frame)
{
	__u32 source = bpf_ntohl(frame->ip.saddr);

	if (order.direction == TRAFFIC_IN)
		return (bpf_ntohl(frame->ip.daddr) & TRAFFIC_INSIDE_MASK) == TRAFFIC_INSIDE;
	return source >= order.pool_first && source <= order.pool_last;
}

/* Is it a packet of the generator's, and of which flow? A segment may end before the frame does. */
static __always_inline int frame_is_ours(const struct frame *frame, const void *end, __u32 *flow)
{
	if ((const void *)frame->segment.zero > end || frame->eth.h_proto != bpf_htons(ETH_P_IP))
		return 0;
	if (frame->ip.protocol == IPPROTO_TCP) {
		*flow = bpf_ntohl(frame->segment.seq) >> TRAFFIC_FLOW_SHIFT;
		return frame->segment.window == bpf_htons(TRAFFIC_WINDOW);
	}
	if ((const void *)(frame + 1) > end || frame->ip.protocol != IPPROTO_UDP)
		return 0;
	*flow = bpf_ntohl(frame->datagram.flow);
	return frame->datagram.magic == bpf_htonl(TRAFFIC_MAGIC);
}

static __always_inline void delay_count(const struct frame *frame, const void *end)
{
	__u64 due, step;

	if ((const void *)(frame + 1) > end)
		return;
	due = frame->datagram.due[0] | (__u64)frame->datagram.due[1] << 32;
	step = (bpf_ktime_get_ns() - due) / TRAFFIC_DELAY_NS;
	step = step < TRAFFIC_DELAYS ? step : TRAFFIC_DELAYS - 1;
	delays[step & (TRAFFIC_DELAYS - 1)]++;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 i = ctx->ingress_ifindex, flow;
	struct traffic_count *count;

	if (i >= TRAFFIC_LINKS || (void *)(&frame->eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	count = &seen[i];
	if (frame->eth.h_proto == bpf_htons(ETH_P_ARP))
		return XDP_PASS; /* the kernel answers the router */
	if (!frame_is_ours(frame, (void *)(long)ctx->data_end, &flow)) {
		count->other++;
		return XDP_DROP;
	}
	count->packets++;
	if (frame_is_translated(frame))
		count->translated++;
	if (order.learn)
		endpoint_learn(frame, flow);
	if (order.gap)
		delay_count(frame, (void *)(long)ctx->data_end);
	return XDP_DROP;
}

/* What no router at XDP can pass: new MAC addresses, a redirect, and neither a look at the packet nor any state. */
SEC("xdp")
int limit(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u32 i = ctx->ingress_ifindex;

	if (i >= TRAFFIC_LINKS || (void *)(eth + 1) > (void *)(long)ctx->data_end || !ways[i].ifindex ||
	    eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	__builtin_memcpy(eth->h_dest, ways[i].dest, ETH_ALEN);
	__builtin_memcpy(eth->h_source, ways[i].source, ETH_ALEN);
	return (int)bpf_redirect(ways[i].ifindex, 0);
}

/* Arguments of sched_switch: preempted or not, the thread that goes off the CPU, the one that comes on. */
SEC("tp_btf/sched_switch")
int account(__u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	__u32 off = (__u32)prev->pid, on = (__u32)next->pid;
	__u64 now = bpf_ktime_get_ns();
	struct traffic_time *time;

	time = bpf_map_lookup_elem(&cpu_times, &off);
	if (time && time->since) {
		time->ns += now - time->since;
		time->since = 0;
	}
	time = bpf_map_lookup_elem(&cpu_times, &on);
	if (time)
		time->since = now;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
