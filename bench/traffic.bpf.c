// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * traffic.bpf.c - the benchmark's three programs in the kernel: generator, sink and accounting. See main.c.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bench/traffic.h"

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be32 magic;
	__be32 flow;
	__u8 zero[10];
} __attribute__((packed));
_Static_assert(sizeof(struct frame) == TRAFFIC_FRAME, "the frame is as long as announced");

/* Only what is read; the offset comes from the running kernel's type information. */
struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

int generator(struct xdp_md *ctx);
int sink(struct xdp_md *ctx);
int account(__u64 *ctx);

struct traffic_order order;
struct traffic_count seen[TRAFFIC_LINKS];

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

/*
 * The whole frame is written each time: the page comes back from the sink as the router left it. Only the zero
 * bytes at its end stay as user space made them.
 */
static __always_inline void frame_write(struct frame *frame, __u32 flow, const struct ends *ends)
{
	__u64 addresses = (__u64)ends->saddr + ends->daddr;
	__u64 sum;

	__builtin_memcpy(frame->eth.h_dest, order.router, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, order.end, ETH_ALEN);
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tos = 0;
	frame->ip.tot_len = bpf_htons(sizeof(*frame) - sizeof(frame->eth));
	frame->ip.id = 0;
	frame->ip.frag_off = bpf_htons(0x4000);
	frame->ip.ttl = 64;
	frame->ip.protocol = 17;
	frame->ip.saddr = ends->saddr;
	frame->ip.daddr = ends->daddr;
	sum = addresses + bpf_htons(0x4500) + frame->ip.tot_len + bpf_htons(0x4000) + bpf_htons(0x4011);
	frame->ip.check = (__u16)~sum_fold(sum);
	frame->udp.source = ends->sport;
	frame->udp.dest = ends->dport;
	frame->udp.len = bpf_htons(sizeof(*frame) - sizeof(frame->eth) - sizeof(frame->ip));
	frame->magic = bpf_htonl(TRAFFIC_MAGIC);
	frame->flow = bpf_htonl(flow);
	sum = addresses + bpf_htons(17) + 2 * (__u64)frame->udp.len + ends->sport + ends->dport;
	sum += (__u64)frame->magic + frame->flow;
	frame->udp.check = (__u16)~sum_fold(sum) ?: 0xffff;
}

SEC("xdp")
int generator(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 flow = order.first + ((__u32)order.counter * order.odd & order.mask) * order.stride;
	struct ends ends;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	order.counter++;
	if (ends_of_flow(flow, &ends))
		return XDP_DROP;
	frame_write(frame, flow, &ends);
	return (int)bpf_redirect(order.ifindex, 0);
}

static __always_inline void endpoint_learn(const struct frame *frame)
{
	__u32 row = order.learned + bpf_ntohl(frame->flow);
	struct traffic_endpoint *outside = bpf_map_lookup_elem(&learned, &row);

	if (!outside)
		return;
	outside->addr = frame->ip.saddr;
	outside->port = frame->udp.source;
}

static __always_inline int frame_is_translated(const struct frame *frame)
{
	__u32 source = bpf_ntohl(frame->ip.saddr);

	if (order.direction == TRAFFIC_IN)
		return (bpf_ntohl(frame->ip.daddr) & TRAFFIC_INSIDE_MASK) == TRAFFIC_INSIDE;
	return source >= order.pool_first && source <= order.pool_last;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 i = ctx->ingress_ifindex;
	struct traffic_count *count;

	if (i >= TRAFFIC_LINKS || (void *)(&frame->eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	count = &seen[i];
	if (frame->eth.h_proto == bpf_htons(ETH_P_ARP))
		return XDP_PASS; /* the kernel answers the router */
	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    frame->ip.protocol != 17 || frame->magic != bpf_htonl(TRAFFIC_MAGIC)) {
		count->other++;
		return XDP_DROP;
	}
	count->packets++;
	if (frame_is_translated(frame))
		count->translated++;
	if (order.learn)
		endpoint_learn(frame);
	return XDP_DROP;
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
