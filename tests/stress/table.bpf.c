/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table.bpf.c - the kernel's side of the table's stress: what a worker of table.c does, on the same flow table.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/state.h"
#include "core/table.h"
#include "tests/stress/table_work.h"

/* Written by the test, read here. */
volatile __u32 now = 0;
volatile __u32 keys = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct table_work);
} works SEC(".maps"); /* an element a processor */

static __always_inline void count_insert(struct table_work *w, u32 result)
{
	w->made += result == INSERT_NEW;
	w->found += result == INSERT_FOUND;
	w->full += result == INSERT_FULL;
	w->busy += result == INSERT_BUSY;
}

static __always_inline void insert_one(struct __sk_buff *skb, const struct config *c, struct work *work,
				       struct table_work *w, u64 key)
{
	struct insert *ins = &work->ins;
	u32 interface = work_interface(key);
	u64 head;

	work_prepare(c, TABLE_FLOWS, ins, key, bpf_get_prandom_u32(), interface, now);
	u32 result = flows_insert(skb, ins);
	count_insert(w, result);
	struct slot *s = result <= INSERT_FOUND ? env_slot(skb, TABLE_FLOWS, ins->slot) : 0;
	if (s)
		(void)work_read(TABLE_FLOWS, s, ins->found, key, interface, w, &head);
}

SEC("tc") int table_step(struct __sk_buff *skb)
{
	u32 cpu = bpf_get_smp_processor_id();
	const struct config *c = env_config(skb);
	struct work *work = env_scratch(skb);
	struct table_work *w = bpf_map_lookup_elem(&works, &cpu);
	u64 word, head, key[2] = { bpf_get_prandom_u32() % (keys ?: 1) };
	u32 dice = bpf_get_prandom_u32() % 100, number;

	if (!c || !work || !w)
		return 0;
	key[1] = key[0] ^ 0x5555;
	if (dice < 40) {
		insert_one(skb, c, work, w, key[0]);
		return 0;
	}
	struct slot *s =
		table_find(skb, c, TABLE_FLOWS, table_hash(c, TABLE_FLOWS, key), key, &word, &number);
	u32 interface = work_interface(key[0]);
	if (!s || !work_read(TABLE_FLOWS, s, word, key[0], interface, w, &head))
		return 0;
	w->hits++;
	if (dice >= 75)
		w->ended += (u64)slot_end(s, word);
	else
		w->touched +=
			(u64)slot_touch(s, word, now & TIME, generation_now(c, TABLE_FLOWS, interface), 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
