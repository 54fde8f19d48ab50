/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdlib.h>

#include "core/sweep.h"
#include "native/sweep_memory.h"

static void *array(size_t count, size_t size, int *missing)
{
	void *memory = calloc(count, size);

	*missing |= !memory;
	return memory;
}

struct sweep *sweep_memory_new(struct nat_instance *nat)
{
	const struct config *c = nat->config;
	size_t flows = c->flow_mask + 1, mappings = c->mapping_mask + 1, hosts = c->host_mask + 1;
	size_t ports = (size_t)c->addresses * PORT_AREAS * PORT_AREA;
	struct sweep *s = calloc(1, sizeof(*s));
	int missing = 0;

	if (!s)
		return NULL;
	s->nat = nat;
	s->marks = array(mappings, sizeof(*s->marks), &missing);
	s->host_mappings = array(hosts, sizeof(u32), &missing);
	s->host_sessions = array(hosts, sizeof(u32), &missing);
	s->last_host_mappings = array(hosts, sizeof(u32), &missing);
	s->last_host_sessions = array(hosts, sizeof(u32), &missing);
	s->accounts = array(hosts, sizeof(*s->accounts), &missing);
	s->inbound = array((flows + 63) / 64, sizeof(u64), &missing);
	s->aged = array((flows + 63) / 64, sizeof(u64), &missing);
	s->paired = array((flows + 63) / 64, sizeof(u64), &missing);
	for (u32 t = 0; t < SWEEP_TABLES; t++)
		s->wanted[t] = array((size_t)table_mask(c, (enum table)t) + 1, 1, &missing);
	s->claimed = array(ports, sizeof(u64), &missing);
	s->missed = array(ports, sizeof(u64), &missing);
	s->block_used = array((size_t)c->addresses * BLOCK_WORDS, sizeof(u64), &missing);
	s->last_block_used = array((size_t)c->addresses * BLOCK_WORDS, sizeof(u64), &missing);
	s->block_told = array((size_t)c->addresses * BLOCK_WORDS * 64, sizeof(__be32), &missing);
	if (!missing)
		return s;
	sweep_memory_free(s);
	return NULL;
}

void sweep_memory_free(struct sweep *s)
{
	if (!s)
		return;
	free(s->marks);
	free(s->host_mappings);
	free(s->host_sessions);
	free(s->last_host_mappings);
	free(s->last_host_sessions);
	free(s->accounts);
	free(s->inbound);
	free(s->aged);
	free(s->paired);
	for (u32 t = 0; t < SWEEP_TABLES; t++)
		free(s->wanted[t]);
	free(s->claimed);
	free(s->missed);
	free(s->block_used);
	free(s->last_block_used);
	free(s->block_told);
	free(s);
}
