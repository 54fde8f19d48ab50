/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reset.pml - what a reset and the loss of an address end, and what they keep: the three generations of an interface and the
 * bit of an address (core/session.h, host.h, mapping.h, sweep.h, daemon/reset.c, daemon/pool.c).
 *
 * Two endpoints, each the only one of its host; two outside addresses of two ports each. The table is taken as proved
 * (table.pml), time is left out (mapping.pml has it): nothing is idle before all is. As there, each atomic { } does one step on
 * shared memory, then what follows from it without looking there.
 *
 *   word                the interface's generations, read by one load: flows, maps, hosts
 *   H[e]  I[e]  O[q]    host with its address, inside half with its outside endpoint, outside half with its owner
 *   F[e]                session, both flows as one, with its outside endpoint and the number of the address's bitmaps
 *   serves[a] index[a]  the address table; an entry is one word
 *   left[i]             the address with bitmaps i has left
 *   bucket              which address a new host gets, with its bitmaps; NONE
 *   taken[i]            port bits, a hint
 *
 * Checked:
 *   R1  a packet that began after a reset's store is translated by no flow, mapping or host that the reset ended
 *   R2  an endpoint keeps its outside endpoint until a reset ends mappings or its address leaves while another serves; its
 *       host keeps its address until a reset ends hosts or the address leaves
 *   R3  no packet is translated to an outside endpoint that another inside endpoint owns or has a flow on
 *   R4  a packet that began after an address left does not go by it before it is back; a flow from before it left is never
 *       found again
 *   R5  when all is idle, the sweep leaves nothing behind: no half, no bit, no host
 * R2 and R3 ask nothing of packets that a reset overtook: what they make is stale when it is born.
 *
 * What runs beside one packet of endpoint 0, that no flow knows:
 *   -DSECOND one more of these, -DOTHER one of endpoint 1, -DINBOUND one from outside, -DFAST one by the flow;
 *   -DRESETS= how many, of any kind; -DSWEEPS= passes beside the packets; -DWARM endpoint 0 has a session;
 *   -DELSEWHERE new hosts get address 1, by default address 0
 *   -DAWAY     address 0 leaves and comes back, with the bitmaps that it had; hosts move to address 1
 *   -DALONE    the same, and there is no other address: hosts wait
 *   -DREDIAL   address 0 leaves, and its bitmaps go to address 1
 *   -DAGAIN    ... and back to address 0
 *
 * Mutants, each of which must fail:
 *   -DFLOW_BLIND    packets do not ask for the generation of a flow
 *   -DMAP_BLIND     ... of a mapping
 *   -DHOST_BLIND    ... of a host
 *   -DGEN_AGAIN     a packet asks for the generations again when it makes an entry
 *   -DLEFT_BLIND    packets do not ask whether the address of a flow has left
 *   -DLEFT_LAST     packets ask for that after the generation
 *   -DNO_RENEW      an address comes back without a new generation of flows
 *   -DRENEW_LATE    ... and gets it after its bit was taken away
 *   -DBUCKETS_LATE  an address leaves before the buckets forget it
 *   -DMOVE_ALWAYS   hosts do not wait for their address when there is no other
 *   -DMOVE_BACK     ... when it is back since they looked
 *   -DENDS_ALL      a reset that is to keep mappings ends them
 *   -DSWEEP_YOUNG   the sweep ends lone outside halves however young
 *   -DNO_LONE       the sweep does not look for lone outside halves
 *   -DNO_MISSED     the sweep does not clear lone bits
 */
#define E 2
#define A 2
#define Q 4
#define NONE 7
#define ADDRESS(q)	((q) >> 1)
#define PORT(q)		((q) & 1)
#define BIT(p)		(1 << (p))
#ifndef RESETS
#define RESETS 1
#endif
#ifndef SWEEPS
#define SWEEPS 1
#endif
#ifdef ALONE
#define AWAY
#endif
#ifdef AGAIN
#define REDIAL
#endif

typedef entry { bool live, young; byte ver, gen, to };
entry H[E], I[E], O[Q], F[E];
byte flow_index[E];
byte flows = 1, maps = 1, hosts = 1;
bool serves[A], left[A];
byte index[A], bucket, bucket_index;
byte taken[A];
byte packets;
bool idle;

/* What the proofs remember. */
byte kept[E], host_kept[E];	/* 1 + what endpoint and host had last */
byte era[A];			/* how often the address came */
byte flow_era[E];
bool away[A];			/* its bit has been set, and it is not back */

#ifdef GEN_AGAIN
#define FG	flows
#define MG	maps
#define HG	hosts
#else
#define FG	fg
#define MG	mg
#define HG	hg
#endif

inline look(x, l, v, g, o) { l = x.live; v = x.ver; g = x.gen; o = x.to }

inline touch(x, v, ok)
{
	if
	:: x.live && x.ver == v -> x.young = true; ok = true
	:: else -> ok = false
	fi
}

inline free(x) { x.live = false; x.young = false; x.gen = 0; x.to = 0 }

/* By its word: a touch in between shows in its time. */
inline end(x, v, y, ok)
{
	if
	:: x.live && x.ver == v && x.young == y -> free(x); ok = true
	:: else -> ok = false
	fi
}

inline put(x, o, g, ok)
{
	if
	:: !x.live -> x.live = true; x.ver++; x.to = o; x.gen = g; x.young = true; ok = true
	:: else -> ok = false
	fi
}

#define STANDS(x)	(F[x].live && F[x].gen == flows && !left[flow_index[x]])
#define BACK_AT_BEGIN(a)	(began_era[a] + (began_lost & BIT(a) -> 1 : 0))

/* A packet of endpoint x leaves, or comes in, by q. */
inline translated(x, q)
{
	assert(!(began_lost & BIT(ADDRESS(q))) || era[ADDRESS(q)] > began_era[ADDRESS(q)]);	/* R4 */
	if
	:: fg == flows && serves[ADDRESS(q)] ->
		assert(!(O[q].live && O[q].to != x));			/* R3 */
		assert(!(STANDS(1 - x) && F[1 - x].to == q));
		assert(!kept[x] || kept[x] == 1 + q);			/* R2 */
		kept[x] = 1 + q
	:: else
	fi
}

/* host_can_move(): there is no address, or no other than the one that did not serve when we looked. */
#ifdef MOVE_ALWAYS
#define STAYS(a)	false
#elif defined(MOVE_BACK)
#define STAYS(a)	(bucket == NONE)
#else
#define STAYS(a)	(bucket == NONE || bucket == a)
#endif

inline began(lost0, lost1)
{
	packets++;
	began_f = flows; began_m = maps; began_h = hosts;
	began_era[0] = era[0]; began_era[1] = era[1];
	began_lost = (lost0 -> 1 : 0) | (lost1 -> 2 : 0)
}

/* session_publish(): a flow that stands and says the same stays, any other gives way. */
inline publish(x, q, i)
{
	if
	:: F[x].live && F[x].gen >= flows && F[x].to == q
	:: else ->
		F[x].live = true; F[x].ver++; F[x].young = true;
		F[x].gen = FG; F[x].to = q; flow_index[x] = i; flow_era[x] = era[ADDRESS(q)]
	fi
}

/* A packet from inside that no flow knows: mapping_out(), then session_publish(). */
proctype packet(byte e)
{
	byte q, a, i, v, g, fg, mg, hg, w, ov, try, hv;
	byte began_f, began_m, began_h, began_era[A], began_lost;
	bool l, y, ok;

	atomic { began(!serves[0], !serves[1]) };
known:	/* mapping_known() */
	atomic { fg = flows; mg = maps; hg = hosts };
	atomic {
		look(I[e], l, v, g, q); y = I[e].young;
		if
		:: !l -> goto host
#ifndef MAP_BLIND
		:: l && g < maps -> goto over
#endif
		:: else -> a = ADDRESS(q)
		fi
	};
	atomic {	/* mapping_use() */
		i = index[a];
		if
		:: serves[a] -> goto use
		:: else
		fi
	};
	atomic {	/* host_can_move() */
		if
		:: STAYS(a) -> goto gone
		:: else -> goto over
		fi
	};
use:	atomic {
		touch(I[e], v, ok);
		if
		:: !ok -> goto again
		:: else -> y = true
		fi
	};
	atomic {	/* mapping_confirm() */
		if
		:: !O[q].live -> goto mend
		:: O[q].live && O[q].to == e -> ov = O[q].ver
		:: else -> goto over
		fi
	};
	atomic {
		touch(O[q], ov, ok);
		if
		:: !ok -> goto again
		:: else -> goto leave_by
		fi
	};
mend:	atomic {
		put(O[q], e, MG, ok);
		if
		:: !ok -> goto again
		:: else
		fi
	};
	atomic { taken[i] = taken[i] | BIT(PORT(q)); goto leave_by };
over:	atomic {
		end(I[e], v, y, ok);
		if
		:: !ok -> goto again
		:: else
		fi
	};
host:	/* host_get() */
	atomic {
		look(H[e], l, hv, g, a); y = H[e].young;
		if
		:: !l -> goto choose
		:: else -> w = g
		fi
	};
	atomic {
		i = index[a];
		if
		:: serves[a] -> goto host_stands
		:: else
		fi
	};
	atomic {
		if
		:: STAYS(a) -> goto gone
		:: else -> goto host_over
		fi
	};
host_stands:
#ifndef HOST_BLIND
	atomic {
		if
		:: g < hosts -> goto host_over
		:: else
		fi
	};
#endif
	atomic {
		touch(H[e], hv, ok);
		if
		:: !ok -> goto again
		:: else -> goto claim
		fi
	};
host_over:
	atomic { end(H[e], hv, y, ok) };
choose:	atomic {
		a = bucket; i = bucket_index; w = HG;
		if
		:: a == NONE -> goto gone
		:: else
		fi
	};
	atomic {
		put(H[e], a, HG, ok);
		if
		:: !ok -> goto again
		:: else
		fi
	};
claim:	/* port_claim() */
	atomic {
		assert(w >= began_h);						/* R1 */
		if
		:: hg == hosts && serves[a] ->
			assert(!host_kept[e] || host_kept[e] == 1 + a);		/* R2 */
			host_kept[e] = 1 + a
		:: else
		fi;
		w = 0; hv = 0; q = 2 * a
	};
port:	atomic {
		l = (taken[i] & BIT(PORT(q))) != 0;
		taken[i] = taken[i] | BIT(PORT(q));
		if
		:: l -> goto next
		:: else
		fi
	};
	atomic {
		put(O[q], e, MG, ok);
		if
		:: !ok -> goto next
		:: else -> ov = O[q].ver; goto join
		fi
	};
next:	atomic {
		if
		:: PORT(q) == 1 -> goto gone
		:: else -> q++; goto port
		fi
	};
join:	/* mapping_join() */
	atomic {
		put(I[e], q, MG, ok);
		if
		:: ok -> g = MG; goto leave_by
		:: else
		fi
	};
	atomic {	/* claim_undo() */
		if
		:: O[q].live && O[q].ver == ov -> free(O[q])
		:: else -> goto again
		fi
	};
	atomic { taken[i] = taken[i] & (3 - BIT(PORT(q))) };
again:	atomic {
		q = 0; a = 0; i = 0; v = 0; g = 0; fg = 0; mg = 0; hg = 0; w = 0; ov = 0; hv = 0; l = false; y = false;
		try++;
		if
		:: try < 2 -> goto known
		:: else -> goto gone
		fi
	};
leave_by:
	atomic { publish(e, q, i); assert(g >= began_m) /* R1 */; translated(e, q) };
gone:	atomic {
		packets--;
		q = 0; a = 0; i = 0; v = 0; g = 0; fg = 0; mg = 0; hg = 0; w = 0; ov = 0; hv = 0; l = false; y = false; ok = false;
		try = 0; began_f = 0; began_m = 0; began_h = 0; began_era[0] = 0; began_era[1] = 0; began_lost = 0
	}
}

/* A packet from outside to q, that no flow knows: session_in(). */
proctype inbound(byte q)
{
	byte e, i, v, g, ov, fg, mg, p;
	byte began_f, began_m, began_h, began_era[A], began_lost;
	bool l, ok;

	atomic { began(!serves[0], !serves[1]) };
	atomic { fg = flows; mg = maps };
	atomic {
		look(O[q], l, ov, g, e);
		if
		:: !l || g < maps -> goto gone
		:: else
		fi
	};
	atomic {
		look(I[e], l, v, g, p);
		if
		:: !l || g < maps || p != q -> goto gone
		:: else
		fi
	};
	atomic {
		i = index[ADDRESS(q)];
		if
		:: !serves[ADDRESS(q)] -> goto gone
		:: else
		fi
	};
	atomic { touch(I[e], v, ok); if :: !ok -> goto gone :: else fi };
	atomic { touch(O[q], ov, ok); if :: !ok -> goto gone :: else fi };
	atomic { publish(e, q, i); assert(g >= began_m) /* R1 */; translated(e, q) };
gone:	atomic {
		packets--;
		e = 0; i = 0; v = 0; g = 0; ov = 0; fg = 0; mg = 0; p = 0; l = false; ok = false;
		began_f = 0; began_m = 0; began_h = 0; began_era[0] = 0; began_era[1] = 0; began_lost = 0
	}
}

/* A packet by its flow: flow_find(), flow_pass(). */
proctype fast(byte e)
{
	byte q, i, v, g, born;
	byte began_f, began_m, began_h, began_era[A], began_lost;
	bool l;

	atomic { began(away[0], away[1]) };
	atomic {
		look(F[e], l, v, g, q); i = flow_index[e]; born = flow_era[e];
		if
		:: !l -> goto gone
		:: else
		fi
	};
#if !defined(LEFT_BLIND) && !defined(LEFT_LAST)
	atomic { if :: left[i] -> goto gone :: else fi };
#endif
#ifndef FLOW_BLIND
	atomic { if :: g < flows -> goto gone :: else fi };
#endif
#ifdef LEFT_LAST
	atomic { if :: left[i] -> goto gone :: else fi };
#endif
	atomic {
		if
		:: F[e].live && F[e].ver == v ->
			F[e].young = true;
			assert(g >= began_f);						/* R1 */
			assert(born >= BACK_AT_BEGIN(ADDRESS(q)));			/* R4 */
			if
			:: STANDS(e) -> assert(!(O[q].live && O[q].to != e))		/* R3 */
			:: else
			fi
		:: else
		fi
	};
gone:	atomic {
		packets--;
		q = 0; i = 0; v = 0; g = 0; born = 0; l = false;
		began_f = 0; began_m = 0; began_h = 0; began_era[0] = 0; began_era[1] = 0; began_lost = 0
	}
}

/* core/sweep.h. What it may end was touched before the pass began, by packets that are through. */
proctype sweeper(byte passes)
{
	byte x, v, g, o, claimed[A], missed[A], lone;
	bool l, ok, y;

pass:	atomic {
		if
		:: passes == 0 -> goto done
		:: else -> passes--
		fi;
		if
		:: packets == 0 ->
			x = 0;
			do
			:: x < E -> H[x].young = false; I[x].young = false; F[x].young = false; x++
			:: else -> break
			od;
			x = 0;
			do
			:: x < Q -> O[x].young = false; x++
			:: else -> break
			od
		:: else
		fi;
		x = 0
	};
flow:	atomic {
		l = F[x].live; v = F[x].ver; y = F[x].young;
		if
		:: l && (F[x].gen < flows || idle)
		:: l && left[flow_index[x]] && bucket != NONE
		:: else -> goto inside
		fi
	};
	atomic { if :: F[x].live && F[x].ver == v && F[x].young == y -> free(F[x]); flow_index[x] = 0; flow_era[x] = 0 :: else fi };
inside:	atomic {
		look(I[x], l, v, g, o); y = I[x].young;
		if
		:: l && !y && (g < maps || idle)
		:: else -> goto inside_next
		fi
	};
	atomic { end(I[x], v, y, ok) };
inside_next:
	atomic {
		v = 0; g = 0; o = 0; l = false; y = false; ok = false;
		x++;
		if
		:: x < E -> goto flow
		:: else -> x = 0
		fi
	};
outside:
	atomic {
		look(O[x], l, v, g, o); y = O[x].young;
		if
		:: !l -> goto outside_next
#ifndef SWEEP_YOUNG
		:: l && y -> goto claims
#endif
#ifdef NO_LONE
		:: l -> goto claims
#endif
		:: else
		fi
	};
	atomic {	/* half_agrees() */
		if
		:: I[o].live && I[o].to == x -> goto claims
		:: else
		fi
	};
	atomic {
		end(O[x], v, y, ok);
		if
		:: !ok -> goto claims
		:: else
		fi
	};
	atomic { taken[index[ADDRESS(x)]] = taken[index[ADDRESS(x)]] & (3 - BIT(PORT(x))); goto outside_next };
claims:	atomic { claimed[index[ADDRESS(x)]] = claimed[index[ADDRESS(x)]] | BIT(PORT(x)) };
outside_next:
	atomic {
		v = 0; g = 0; o = 0; l = false; y = false; ok = false;
		x++;
		if
		:: x < Q -> goto outside
		:: else -> x = 0
		fi
	};
ports:	atomic {	/* sweep_port_word() */
		lone = taken[x] & (3 - claimed[x]) & missed[x];
		missed[x] = taken[x] & (3 - claimed[x]) & (3 - lone);
		g = claimed[x] & (3 - taken[x]);
		claimed[x] = 0
	};
	atomic { taken[x] = taken[x] | g };
#ifndef NO_MISSED
	atomic { taken[x] = taken[x] & (3 - lone) };
#endif
	atomic {
		g = 0; lone = 0;
		x++;
		if
		:: x < A -> goto ports
		:: else -> x = 0
		fi
	};
host:	atomic {
		look(H[x], l, v, g, o); y = H[x].young;
		if
		:: l && !y && (g < hosts || idle)
		:: else -> goto host_next
		fi
	};
	atomic { end(H[x], v, y, ok) };
host_next:
	atomic {
		v = 0; g = 0; o = 0; l = false; y = false; ok = false;
		x++;
		if
		:: x < E -> goto host
		:: else -> x = 0; goto pass
		fi
	};
done:	atomic { missed[0] = 0; missed[1] = 0 }
}

/* daemon/reset.c: one store. */
proctype resets(byte n)
{
	do
	:: n == 0 -> break
	:: n > 0 -> atomic {
			n--;
			flows++;
			if
#ifdef ENDS_ALL
			:: maps++
#else
			:: true							/* keep=mappings */
#endif
			:: maps++; kept[0] = 0; kept[1] = 0			/* keep=hosts */
			:: maps++; kept[0] = 0; kept[1] = 0;			/* keep=none */
				hosts++; host_kept[0] = 0; host_kept[1] = 0
			fi
		}
	od
}

/* daemon/pool.c, address_leave(); then the buckets are filled again. */
inline leave(a, to, to_index)
{
#ifndef BUCKETS_LATE
	atomic { if :: bucket == a -> bucket = NONE :: else fi };
#endif
	atomic {
		serves[a] = false;
		if
		:: to != NONE ->
			if :: kept[0] && ADDRESS(kept[0] - 1) == a -> kept[0] = 0 :: else fi;
			if :: kept[1] && ADDRESS(kept[1] - 1) == a -> kept[1] = 0 :: else fi;
			if :: host_kept[0] == 1 + a -> host_kept[0] = 0 :: else fi;
			if :: host_kept[1] == 1 + a -> host_kept[1] = 0 :: else fi
		:: else
		fi
	};
	atomic { left[index[a]] = true; away[a] = true };
	atomic { bucket = to; bucket_index = to_index }
}

/* address_enter(). */
inline enter(a, i)
{
	if
	:: index[a] != i -> taken[i] = 0
	:: else
	fi;
#ifdef RENEW_LATE
	left[i] = false;
	flows++;
#elif defined(NO_RENEW)
	left[i] = false;
#else
	flows++;
	left[i] = false;
#endif
	atomic { serves[a] = true; index[a] = i; era[a]++; away[a] = false };
	atomic { bucket = a; bucket_index = i }
}

proctype daemon()
{
#ifdef REDIAL
	leave(0, NONE, 0);
	atomic { kept[0] = 0; kept[1] = 0; host_kept[0] = 0; host_kept[1] = 0 };
	enter(1, 0);
#ifdef AGAIN
	leave(1, NONE, 0);
	atomic { kept[0] = 0; kept[1] = 0; host_kept[0] = 0; host_kept[1] = 0 };
	enter(0, 0)
#endif
#elif defined(ALONE)
	leave(0, NONE, 0);
	enter(0, 0)
#else
	leave(0, 1, 1);
	enter(0, 0)
#endif
}

init {
	atomic {
		index[1] = 1;
		serves[0] = true;
#if !defined(ALONE) && !defined(REDIAL)
		serves[1] = true;
#endif
#ifdef ELSEWHERE
		bucket = 1; bucket_index = 1;
#endif
#ifdef WARM
		H[0].live = true; H[0].gen = 1; host_kept[0] = 1;
		I[0].live = true; I[0].gen = 1; kept[0] = 1;
		O[0].live = true; O[0].gen = 1;
		F[0].live = true; F[0].gen = 1;
		taken[0] = 1;
#endif
		run packet(0);
		run sweeper(SWEEPS);
		run resets(RESETS);
#ifdef SECOND
		run packet(0);
#endif
#ifdef OTHER
		run packet(1);
#endif
#ifdef INBOUND
		run inbound(0);
#endif
#ifdef FAST
		run fast(0);
#endif
#if defined(AWAY) || defined(REDIAL)
		run daemon();
#endif
	}
	atomic { _nr_pr == 1 -> idle = true; run sweeper(3) }
	_nr_pr == 1;
	atomic {	/* R5 */
		assert(!H[0].live && !H[1].live && !I[0].live && !I[1].live && !F[0].live && !F[1].live);
		assert(!O[0].live && !O[1].live && !O[2].live && !O[3].live);
		assert(!taken[0] && !taken[1])
	}
}
