// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/host.h"
#include "core/ports.h"
#include "core/sweep.h"
#include "native/vacant.h"

enum { NOBODY = 0xffff, NO_PLACE = 0xffffffff };

union entry {
	u64 word;
	struct outside_address address;
};

struct pool {
	struct nat_instance *nat;
	bool applied;		       /* at least once */
	u32 clock;		       /* counts departures */
	u32 *left;		       /* of each place: when its address left; 0: before our time */
	__be32 *numbered[MAX_OUTSIDE]; /* addresses of interfaces whose buckets go by numbers; NULL: others */
	u32 numbers[MAX_OUTSIDE];
	u64 ended
		[ADDRESS_WORDS]; /* within pool_apply(): of addresses that had left before, no flow is there any more */
};

struct pool *pool_open(struct nat_instance *nat)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->nat = nat;
	pool->left = calloc((size_t)nat->config->address_mask + 1, sizeof(*pool->left));
	if (pool->left)
		return pool;
	free(pool);
	return NULL;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		free(pool->numbered[i]);
	free(pool->left);
	free(pool);
}

u32 pool_places(u32 addresses)
{
	u32 places = 64;

	while (places < 4 * addresses)
		places *= 2;
	return places;
}

void pool_generation_bump(struct nat_instance *nat, unsigned int interface, u32 tables)
{
	static const enum table kinds[] = { TABLE_FLOWS, TABLE_MAPPINGS, TABLE_HOSTS };
	u64 *at = &nat->config->generation[interface & (MAX_OUTSIDE - 1)], was, now;

	do {
		was = now = LOAD(at);
		for (unsigned int i = 0; i < 3; i++) {
			u32 shift = generation_shift(kinds[i]);
			u64 mask = (u64)GENERATION_MASK << shift;

			if (tables & 1u << kinds[i])
				now = (now & ~mask) | ((now + (1ull << shift)) & mask);
		}
	} while (!CAS(at, was, now));
}

/*
 * The address table.
 */

static union entry entry_at(const struct pool *pool, u32 place)
{
	union entry e = { .word = LOAD(&pool->nat->addresses[place]) };

	return e;
}

static u32 place_of(const struct pool *pool, __be32 addr, u32 probe)
{
	const struct config *c = pool->nat->config;

	return ((u32)hash_words(c, addr, 0) + probe) & c->address_mask;
}

/* The place of an address, or NO_PLACE. */
static u32 place_find(const struct pool *pool, __be32 addr)
{
	for (u32 i = 0; i < ADDRESS_PROBES; i++) {
		u32 place = place_of(pool, addr, i);
		union entry e = entry_at(pool, place);

		if (!e.word)
			break;
		if (e.address.addr == addr)
			return place;
	}
	return NO_PLACE;
}

/* A place for a newcomer: one never used, else that of the address which left longest ago. */
static u32 place_take(const struct pool *pool, __be32 addr)
{
	u32 best = NO_PLACE;

	for (u32 i = 0; i < ADDRESS_PROBES; i++) {
		u32 place = place_of(pool, addr, i);
		union entry e = entry_at(pool, place);

		if (!e.word)
			return place;
		if (!e.address.flags && (best == NO_PLACE || pool->left[place] < pool->left[best]))
			best = place;
	}
	return best;
}

/* Who has each set of port bitmaps: the place that serves, else the place that left last; NO_PLACE: nobody. */
static u32 *indexes_owners(const struct pool *pool)
{
	const struct config *c = pool->nat->config;
	u32 *owners = malloc(sizeof(*owners) * c->addresses);

	for (u32 i = 0; owners && i < c->addresses; i++)
		owners[i] = NO_PLACE;
	for (u32 place = 0; owners && place <= c->address_mask; place++) {
		union entry e = entry_at(pool, place);

		if (!e.word || e.address.index >= c->addresses)
			continue;
		u32 *owner = &owners[e.address.index];
		if (*owner == NO_PLACE || e.address.flags ||
		    (!entry_at(pool, *owner).address.flags && pool->left[place] > pool->left[*owner]))
			*owner = place;
	}
	return owners;
}

/* Bitmaps for the address that will stand in `place`: its own if no other has them now, unused ones, or the oldest's. */
static u32 index_take(const struct pool *pool, const u32 *owners, u32 place)
{
	const struct config *c = pool->nat->config;
	u32 own = entry_at(pool, place).address.index, best = NOBODY;

	if (entry_at(pool, place).word && own < c->addresses && owners[own] == place)
		return own;
	for (u32 i = 0; i < c->addresses; i++) {
		if (owners[i] == NO_PLACE)
			return i;
		if (entry_at(pool, owners[i]).address.flags)
			continue;
		if (best == NOBODY || pool->left[owners[i]] < pool->left[owners[best]])
			best = i;
	}
	return best;
}

/* Bits are hints: those of the address that had the bitmaps before would only hide ports. */
static void bitmaps_clear(const struct pool *pool, u32 index)
{
	u64 *area = &pool->nat->ports[(size_t)port_area(index, 0)];

	for (u32 i = 0; i < PORT_AREAS * PORT_AREA; i++)
		if (LOAD(&area[i]))
			STORE(&area[i], 0);
}

/* An address that left has its bitmaps no more: what is left of its mappings is not to take the ports of who has them now. */
static void bitmaps_lose(const struct pool *pool, u32 place)
{
	union entry e = entry_at(pool, place);

	e.address.index = NOBODY;
	STORE(&pool->nat->addresses[place], e.word);
}

/*
 * Flows of addresses that had left end, where their interface's are not to be renewed: where filters go by what hosts sent, a flow
 * that is only made anew by their next packet keeps out what is under way to them.
 */
static void left_end(struct pool *pool)
{
	struct nat_instance *nat = pool->nat;
	const struct config *c = nat->config;
	struct insert copy;
	u64 any = 0;

	memset(pool->ended, 0, sizeof(pool->ended));
	if (c->filtering[CLASS_UDP] == FILTERING_EIF && c->filtering[CLASS_TCP] == FILTERING_EIF)
		return;
	for (u32 i = 0; i < ADDRESS_WORDS; i++)
		any |= pool->ended[i] = LOAD(&c->left[i]);
	for (u32 at = 0; any && at <= c->flow_mask; at++) {
		struct slot *slot = env_slot(nat, TABLE_FLOWS, at);
		u64 w = LOAD(&slot->word);

		if (word_state(w) == LIVE && slot_read(nat, TABLE_FLOWS, at, w, &copy) &&
		    pool->ended[copy.flow.index / 64 % ADDRESS_WORDS] >> (copy.flow.index & 63) & 1)
			(void)slot_end(slot, w);
	}
}

/* All flows of an interface become older; the next packet of each makes it anew, if its mapping still stands. */
static void flows_renew(const struct pool *pool, u32 interface, struct pool_change *change)
{
	pool_generation_bump(pool->nat, interface, 1u << TABLE_FLOWS);
	change->renewed |= 1u << interface;
}

/* Whether the address with these bitmaps is gone: then no flow with it exists. */
static void left_set(const struct pool *pool, u32 index, bool left)
{
	u64 *at = &pool->nat->config->left[index / 64], bit = 1ull << (index & 63);

	STORE(at, left ? LOAD(at) | bit : LOAD(at) & ~bit);
}

static bool left_get(const struct pool *pool, u32 index)
{
	return LOAD(&pool->nat->config->left[index / 64]) >> (index & 63) & 1;
}

/*
 * An address that is new, or comes back. 0, or -ENOSPC. Flows of before, on these bitmaps, must not come back with it: their
 * hosts may have moved, their ports be another's. So the interface's flows become older first.
 */
static int address_enter(struct pool *pool, const struct pool_address *want, u32 *owners,
			 struct pool_change *change)
{
	u32 place = place_find(pool, want->addr), index;
	union entry e = { .word = 0 };
	bool known = place != NO_PLACE;

	if (!known)
		place = place_take(pool, want->addr);
	if (place == NO_PLACE)
		return -ENOSPC;
	/* A place that changes hands brings its bitmaps along, if nobody else has them. */
	index = index_take(pool, owners, place);
	if (index == NOBODY)
		return -ENOSPC;
	if (!known || entry_at(pool, place).address.index != index)
		bitmaps_clear(pool, index);
	if (left_get(pool, index)) {
		u32 former =
			owners[index] == NO_PLACE ? want->interface : entry_at(pool, owners[index]).address.interface;

		if (!(pool->ended[index / 64] >> (index & 63) & 1))
			flows_renew(pool, former, change);
		left_set(pool, index, false);
	}
	FAULT(pool_returning);
	if (owners[index] != NO_PLACE && owners[index] != place)
		bitmaps_lose(pool, owners[index]);
	owners[index] = place;
	e.address.addr = want->addr;
	e.address.index = (u16)index;
	e.address.interface = want->interface;
	e.address.flags = want->flags;
	STORE(&pool->nat->addresses[place], e.word);
	return 0;
}

/* No bucket names the address any more: those that did name none until they are filled again. */
static void buckets_forget(const struct pool *pool, union entry e)
{
	u64 *bucket = &pool->nat->pools[(size_t)e.address.interface * POOL_BUCKETS];

	for (u32 i = 0; i < POOL_BUCKETS; i++) {
		union entry named = { .word = LOAD(&bucket[i]) };

		if (named.address.addr == e.address.addr)
			STORE(&bucket[i], 0);
	}
}

/* Buckets come first: who finds that his address does not serve any more must not be given it anew. */
static void address_leave(struct pool *pool, u32 place)
{
	union entry e = entry_at(pool, place);

	buckets_forget(pool, e);
	FAULT(pool_forgotten);
	e.address.flags = 0;
	pool->left[place] = ++pool->clock;
	STORE(&pool->nat->addresses[place], e.word);
	FAULT(pool_off);
	left_set(pool, e.address.index, true);
}

static int want_order(const void *a, const void *b)
{
	__be32 x = ((const struct pool_address *)a)->addr, y = ((const struct pool_address *)b)->addr;

	return x < y ? -1 : x > y;
}

static const struct pool_address *want_find(const struct pool_address *sorted, unsigned int count,
					    __be32 addr)
{
	struct pool_address key = { .addr = addr };

	return bsearch(&key, sorted, count, sizeof(key), want_order);
}

/* Those that are no longer wanted leave; those that move to another interface do, too. Bits of interfaces touched. */
static u32 addresses_leave(struct pool *pool, const struct pool_address *sorted, unsigned int count,
			   struct pool_change *change)
{
	u32 touched = 0;

	for (u32 place = 0; place <= pool->nat->config->address_mask; place++) {
		union entry e = entry_at(pool, place);
		const struct pool_address *want;

		if (!e.address.flags)
			continue;
		want = want_find(sorted, count, e.address.addr);
		if (want && want->interface == e.address.interface)
			continue;
		address_leave(pool, place);
		if (!change->left++)
			change->first_left = (struct pool_address){ e.address.addr, e.address.interface, 0 };
		touched |= 1u << e.address.interface;
	}
	return touched;
}

/*
 * Those that are wanted come; those that serve in another way from now on are changed in place. Bits of interfaces touched;
 * *renew: of those whose flows must be renewed when the buckets are filled.
 */
static u32 addresses_enter(struct pool *pool, const struct pool_address *sorted, unsigned int count,
			   u32 *owners, u32 *renew, struct pool_change *change)
{
	u32 touched = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct pool_address *want = &sorted[i];
		u32 place = place_find(pool, want->addr);
		union entry e = { .word = 0 };

		if (place != NO_PLACE)
			e = entry_at(pool, place);
		if (e.address.flags == want->flags)
			continue;
		touched |= 1u << want->interface;
		if (e.address.flags) {
			u32 lost = e.address.flags & ~want->flags & ADDRESS_POOL;

			e.address.flags = want->flags;
			STORE(&pool->nat->addresses[place], e.word);
			FAULT(pool_changed);
			if (lost) /* the router's own may stay, the hosts' must not */
				*renew |= 1u << want->interface;
		} else if (address_enter(pool, want, owners, change)) {
			change->refused++;
		} else {
			if (!change->came++)
				change->first_came = *want;
		}
	}
	return touched;
}

/*
 * The buckets.
 */

/* What a bucket thinks of an address: splitmix64 of both, so never the same for two addresses. Never 0 in practice. */
static u64 score(u32 bucket, __be32 addr)
{
	u64 x = ((u64)bucket << 32 | addr) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

struct matching {
	union entry *addresses;
	unsigned int count;
	u32 *first; /* of each address: the bucket that it took last, a list by next[] */
	u32 *room;  /* how many buckets it may still take */
	u32 next[POOL_BUCKETS];
	u64 last[POOL_BUCKETS]; /* score of the address that the bucket has, or asked last; 0: none yet */
};

/* The address that a bucket likes best of those that it has not asked. */
static unsigned int bucket_choose(struct matching *m, u32 bucket)
{
	u64 limit = m->last[bucket] ? m->last[bucket] : ~0ull, best = 0;
	unsigned int chosen = 0;

	for (unsigned int i = 0; i < m->count; i++) {
		u64 s = score(bucket, m->addresses[i].address.addr);

		if (s < limit && s > best) {
			best = s;
			chosen = i;
		}
	}
	m->last[bucket] = best;
	return chosen;
}

/* Take the bucket that an address likes least out of its list. */
static u32 address_drop(struct matching *m, unsigned int address)
{
	u32 *worst = &m->first[address];

	for (u32 *at = worst; *at != NO_PLACE; at = &m->next[*at])
		if (m->last[*at] < m->last[*worst])
			worst = at;
	u32 bucket = *worst;
	*worst = m->next[bucket];
	return bucket;
}

/*
 * Place one bucket; what it displaces is placed in turn. It ends: each step asks an address that the bucket has not asked
 * before, and together the addresses have room for all.
 */
static void bucket_place(struct matching *m, u32 bucket)
{
	for (;;) {
		unsigned int address = bucket_choose(m, bucket);

		m->next[bucket] = m->first[address];
		m->first[address] = bucket;
		if (m->room[address]) {
			m->room[address]--;
			return;
		}
		bucket = address_drop(m, address);
	}
}

/* Each may have the same number of buckets; what is over goes to those that a score of their own chooses, one each. */
static void rooms_share(struct matching *m)
{
	u32 over = POOL_BUCKETS % m->count;

	for (unsigned int i = 0; i < m->count; i++) {
		m->first[i] = NO_PLACE;
		m->room[i] = POOL_BUCKETS / m->count;
	}
	for (u64 below = ~0ull; over; over--) {
		u64 best = 0;
		unsigned int chosen = 0;

		for (unsigned int i = 0; i < m->count; i++) {
			u64 s = score(POOL_BUCKETS, m->addresses[i].address.addr);

			if (s < below && s >= best) {
				best = s;
				chosen = i;
			}
		}
		m->room[chosen]++;
		below = best;
	}
}

/* The addresses of an interface that hosts may have. 0 or -ENOMEM. */
static int matching_open(struct matching *m, const struct pool *pool, u32 interface)
{
	u32 places = pool->nat->config->address_mask + 1;

	memset(m, 0, sizeof(*m));
	m->addresses = malloc(sizeof(*m->addresses) * places);
	m->first = malloc(sizeof(*m->first) * places);
	m->room = malloc(sizeof(*m->room) * places);
	if (!m->addresses || !m->first || !m->room)
		return -ENOMEM;
	for (u32 place = 0; place < places && m->count < POOL_BUCKETS; place++) {
		union entry e = entry_at(pool, place);

		if (e.address.interface == interface && e.address.flags & ADDRESS_POOL)
			m->addresses[m->count++] = e;
	}
	return 0;
}

static void matching_close(struct matching *m)
{
	free(m->addresses);
	free(m->first);
	free(m->room);
}

static void bucket_store(const struct pool *pool, u32 interface, u32 bucket, u64 word)
{
	u64 *at = &pool->nat->pools[(size_t)interface * POOL_BUCKETS + bucket];

	if (LOAD(at) != word)
		STORE(at, word);
}

/* Each bucket has the pool's address of its number, if that serves. */
static void buckets_number(const struct pool *pool, u32 interface)
{
	for (u32 bucket = 0; bucket < POOL_BUCKETS; bucket++) {
		union entry e = { .word = 0 };
		u32 place = NO_PLACE;

		if (bucket < pool->numbers[interface])
			place = place_find(pool, pool->numbered[interface][bucket]);
		if (place != NO_PLACE)
			e = entry_at(pool, place);
		if (e.address.interface != interface || !(e.address.flags & ADDRESS_POOL))
			e.word = 0;
		bucket_store(pool, interface, bucket, e.word);
	}
}

/* Fill the buckets of an interface from the address table. 0 or -ENOMEM. */
static int buckets_fill(const struct pool *pool, u32 interface)
{
	if (pool->numbered[interface]) {
		buckets_number(pool, interface);
		return 0;
	}
	struct matching *m = malloc(sizeof(*m));
	int error = m ? matching_open(m, pool, interface) : -ENOMEM;

	if (error)
		goto out;
	if (m->count)
		rooms_share(m);
	for (u32 bucket = 0; m->count && bucket < POOL_BUCKETS; bucket++)
		bucket_place(m, bucket);
	for (unsigned int i = 0; i < m->count; i++)
		for (u32 bucket = m->first[i]; bucket != NO_PLACE; bucket = m->next[bucket])
			bucket_store(pool, interface, bucket, m->addresses[i].word);
	for (u32 bucket = 0; !m->count && bucket < POOL_BUCKETS; bucket++)
		bucket_store(pool, interface, bucket, 0);
out:
	if (m)
		matching_close(m);
	free(m);
	return error;
}

int pool_number(struct pool *pool, unsigned int interface, const __be32 *addresses, u32 count)
{
	__be32 *copy = count ? malloc(count * sizeof(*copy)) : NULL;

	if (count && !copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, addresses, count * sizeof(*copy));
	free(pool->numbered[interface]);
	pool->numbered[interface] = copy;
	pool->numbers[interface] = count;
	return buckets_fill(pool, interface);
}

/* Where an address is one host's alone, packets ask for vacant ones by number. */
static void vacant_fill_all(const struct pool *pool)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		vacant_fill(pool->nat, i);
}

/* A copy in the order of the addresses, each of them once: the first that was named. */
static struct pool_address *want_sort(const struct pool_address *want, unsigned int *count)
{
	struct pool_address *sorted = malloc(sizeof(*sorted) * (*count + 1));
	unsigned int kept = 0;

	if (!sorted)
		return NULL;
	if (*count)
		memcpy(sorted, want, sizeof(*sorted) * *count);
	qsort(sorted, *count, sizeof(*sorted), want_order);
	for (unsigned int i = 0; i < *count; i++)
		if (!kept || sorted[kept - 1].addr != sorted[i].addr)
			sorted[kept++] = sorted[i];
	*count = kept;
	return sorted;
}

/* Fill the buckets of each of these interfaces. 0 or -ENOMEM. */
static int buckets_fill_all(const struct pool *pool, u32 interfaces)
{
	int error = 0;

	for (u32 i = 0; i < MAX_OUTSIDE && !error; i++)
		if (interfaces & 1u << i)
			error = buckets_fill(pool, i);
	return error;
}

/*
 * A daemon before us may have died anywhere below. Of an address that serves nobody any more, but did not come to be said to
 * have left, no flow may be found when it is back.
 */
static void departures_finish(const struct pool *pool, const u32 *owners)
{
	for (u32 index = 0; index < pool->nat->config->addresses; index++)
		if (owners[index] != NO_PLACE && !entry_at(pool, owners[index]).address.flags)
			left_set(pool, index, true);
}

static bool some_come(const struct pool *pool, const struct pool_address *want, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		u32 place = place_find(pool, want[i].addr);

		if (place == NO_PLACE || !entry_at(pool, place).address.flags)
			return true;
	}
	return false;
}

/*
 * Buckets tell a packet which address a new host gets, and with which bitmaps. So none may name an address that left when its
 * bitmaps go to another: what a packet made by it would stand as a flow of the other. And flows that must go are renewed when no
 * bucket lets any more be made.
 */
int pool_apply(struct pool *pool, const struct pool_address *want, unsigned int count,
	       struct pool_change *change)
{
	struct pool_address *sorted = want_sort(want, &count);
	u32 *owners = indexes_owners(pool), renew = 0, touched = 0;
	u32 first = pool->applied ? 0 : (1u << MAX_OUTSIDE) - 1; /* buckets are filled, whatever they were */
	int error = sorted && owners ? 0 : -ENOMEM;

	memset(change, 0, sizeof(*change));
	if (!error && first)
		departures_finish(pool, owners);
	if (!error && some_come(pool, sorted, count))
		left_end(pool);
	if (!error)
		touched = addresses_leave(pool, sorted, count, change);
	if (touched)
		FAULT(pool_left);
	if (!error)
		error = buckets_fill_all(pool, touched);
	vacant_fill_all(pool);
	if (!error)
		touched = addresses_enter(pool, sorted, count, owners, &renew, change);
	if (touched)
		FAULT(pool_came);
	if (!error)
		error = buckets_fill_all(pool, touched | first);
	vacant_fill_all(pool);
	if (touched)
		FAULT(pool_filled);
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		if (renew & 1u << i)
			flows_renew(pool, i, change);
	pool->applied |= !error;
	free(sorted);
	free(owners);
	return error;
}
