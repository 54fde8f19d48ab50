/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping.pml - mappings above the table: create, use, mend, expire, rest, reset (core/mapping.h, session.h, sweep.h).
 *
 * Two endpoints, two outside ports. The table is taken as proved (table.pml): insert-if-absent, find with the value read
 * under its word, touch and end are atomic, each on one word (live, version, RESTING with time, generation). A touch and an
 * undo ask only that the entry is the same (slot_touch, slot_move), an end that the word is (slot_end). Each atomic { } does
 * one such step, then what follows from it without looking at shared memory.
 *
 *   I[e]         inside half: port. A mapping lives while I[e] lives and O[port] lives and names e
 *   O[p]         outside half: owner. Inserted if absent, it is the claim on the port
 *   taken        a bit a port, one word: where to look for a free port, a hint
 *   F[e]         what an endpoint's packets are translated by: its session, both flows as one
 *   flows, maps  the interface's generations, one word; a packet reads it once a try, before all else. Whether an entry is
 *                stale is asked of the word as it is at that moment
 *   here         the outside address is on the interface; when it leaves, the flows' generation follows
 *
 * Checked:
 *   M1  an endpoint never has flows of two ports at once
 *   M2  no packet is translated to a port that another endpoint owns or has a flow on
 *   M3  at rest, after some passes, bits, outside and inside halves agree: nothing idle is left
 *   M4  no flow of the present generation leads to an address that has left
 *   M5  a reset of flows leaves the mapping the time that its session had, if no packet uses it since (-DLEASE)
 *   M6  a port goes to another endpoint only when it has rested since its last mapping ended (-DHOLD)
 * Packets that a reset overtook are not held to these: their flows are stale when they are born. But a session whose flow such
 * a packet touches just as the sweep would end it keeps its mapping, too (M5).
 *
 * Assumed: a packet's run is shorter than SWEEP_PATIENCE (the clock waits for running packets). Not in here: marks by slot
 * and their distrust, the summary of port words, hosts.
 *
 * What runs beside one packet of endpoint 0, the sweep, the clock and a reset:
 *   -DSECOND one more packet of endpoint 0, -DTHIRD yet one more, -DOTHER one of endpoint 1, -DINBOUND one from outside,
 *   -DFAST one of a known flow; -DWARM begins with an idle mapping, -DTORN with an inside half that has no outside half;
 *   -DDIES the first packet may die between any two steps, -DCRASH the sweep may, and begins anew; -DREFUSE the table may
 *   refuse an insert; -DAUDIT the sweep does not ask each outside half; -DLEAVES takes the address away; -DLEASE=n a
 *   session lives n longer than its mapping without it would; -DHOLD=n how long a port rests, 0 the sweep finds that over at
 *   its next look, which is at once; -DTICKS=, -DPASSES=, -DRESETS= how many; -DBOTH a reset is of mappings too
 *
 * Mutants, each of which must fail:
 *   -DGEN_AGAIN     generations are read again where they are needed
 *   -DTOUCH_LOWERS  a touch writes the packet's generation over a newer one
 *   -DNO_VERIFY     a packet that finds I does not look at O
 *   -DIN_BY_O       a packet from outside uses O without looking at I
 *   -DBIT_IS_CLAIM  the bit alone is the claim: O is written, not inserted if absent
 *   -DKEEP_CLAIM    who lost the race for I leaves its O, and uses it
 *   -DNO_MARK       the sweep does not mark the mappings of living flows
 *   -DNOW_MOVES     the sweep asks for the time at each entry, not once a pass
 *   -DNO_PATIENCE   the sweep ends lone outside halves however young
 *   -DEND_BLIND     the sweep ends an inside half though a packet has touched it since it was judged
 *   -DRELEASE_BLIND the sweep ends the outside half that an ended inside half named, whosever and however young
 *   -DRELEASE_YOUNG ... its own, however young
 *   -DNO_LONE       the sweep does not look for lone outside halves
 *   -DNO_MISSED     the sweep does not clear lone bits
 *   -DNO_LEASE      a reset of flows leaves the mapping its own time
 *   -DNO_REST       the sweep ends an idle mapping without a rest
 *   -DNO_REST_LONE  ... a lone outside half
 *   -DREST_BLIND    the sweep lets a mapping rest though a packet has touched it since it was judged
 *   -DTOUCH_RESTS   a touch leaves a mapping at rest
 */
#define E 2
#define P 2
#ifndef TICKS
#define TICKS 1
#endif
#ifndef PASSES
#define PASSES 1
#endif
#ifndef RESETS
#define RESETS 1
#endif
#define TIMEOUT 1	/* of mappings without sessions; also SWEEP_PATIENCE */
#ifdef LEASE
#define FLOW_TIMEOUT (TIMEOUT + LEASE)
#else
#define FLOW_TIMEOUT TIMEOUT
#endif

#ifndef HOLD
#define HOLD 0
#endif

typedef half { bool live; byte ver, time, gen, to };
typedef flow { bool live; byte port, time, gen };
half I[E], O[P];
flow F[E];
byte taken, missed;
byte now, flows = 1, maps = 1;
bool here = true, left;
byte packets;
#ifdef LEASE
byte used[E];	/* 1 + when the session was last used whose time the mapping is promised, or 0 */
#define PROMISE_OVER(x) used[x] = 0
#else
#define PROMISE_OVER(x) skip
#endif

#if HOLD
byte parted[P];	/* 1 + when the mapping that had the port ended, or 0; whose it was */
byte whose[P];
#define GONE(x, p, rested) \
	if \
	:: O[p].live && O[p].to == x && !(rested) -> parted[p] = now + 1; whose[p] = x \
	:: else \
	fi
#define BACK(p) parted[p] = 0
#define GIVEN(x, p) \
	assert(!parted[p] || whose[p] == x || now >= parted[p] - 1 + HOLD);	/* M6 */ \
	parted[p] = 0
#else
#define GONE(x, p, rested) skip
#define BACK(p) skip
#define GIVEN(x, p) skip
#endif

#define RESTING		128	/* a flag beside the time */
#define TIME(t)		((t) & 127)
#define RESTS(t)	((t) & RESTING)
#define AGE(t)		(now_ > TIME(t) -> now_ - TIME(t) : 0)
#define AHEAD(t)	(TIME(t) > now_ -> TIME(t) - now_ : 0)
#define BIT(p)		(1 << (p))
#ifdef GEN_AGAIN
#define FG	flows
#define MG	maps
#else
#define FG	fg
#define MG	mg
#endif
#ifdef TOUCH_LOWERS
#define KEEP(g)	MG
#else
#define KEEP(g)	g
#endif

inline look(h, l, v, t, g, o)
{
	l = h.live; v = h.ver; t = h.time; g = h.gen; o = h.to
}

#ifdef TOUCH_RESTS
#define TOUCHED(h, t) (t | RESTS(h.time))
#else
#define TOUCHED(h, t) t
#endif

inline touch(h, v, t, g, ok)
{
	if
	:: h.live && h.ver == v -> h.time = TOUCHED(h, t); h.gen = g; ok = true
	:: else -> ok = false
	fi
}

inline free(h)
{
	h.live = false; h.time = 0; h.gen = 0; h.to = 0
}

inline end(h, v, t, g, ok)
{
	if
	:: h.live && h.ver == v && h.time == t && h.gen == g -> free(h); ok = true
	:: else -> ok = false
	fi
}

inline put(h, o, t, g, ok)
{
	if
	:: !h.live -> h.live = true; h.ver++; h.to = o; h.time = t; h.gen = g; ok = true
	:: else -> ok = false
	fi
}

/* Is the word as it was read? Then it rests from now on. */
inline rest(h, v, t, g, ok)
{
	if
#ifdef REST_BLIND
	:: h.live && h.ver == v -> h.time = now | RESTING; ok = true
#else
	:: h.live && h.ver == v && h.time == t && h.gen == g -> h.time = now | RESTING; ok = true
#endif
	:: else -> ok = false
	fi
}

/* A packet of endpoint x leaves, or comes in, by port q; its flows are made or kept. */
inline translate(x, q)
{
	if
	:: FG == flows ->
		assert(!left);							/* M4 */
		assert(!(O[q].live && O[q].to != x));				/* M2 */
		assert(!(F[1 - x].live && F[1 - x].gen == flows && F[1 - x].port == q));
		assert(!(F[x].live && F[x].gen == flows && F[x].port != q));	/* M1 */
		F[x].live = true; F[x].port = q; F[x].time = t; F[x].gen = FG
#ifdef LEASE
		;
		used[x] = t + 1
#endif
	:: else
	fi
}

#ifdef DIES
#define MORTAL	if :: dies -> goto gone :: true fi
#else
#define MORTAL	skip
#endif
#ifdef REFUSE
#define REFUSED(to) if :: goto to :: true fi
#else
#define REFUSED(to) skip
#endif
#ifdef LEAVES
#define ADDRESS_OR(to) atomic { if :: !here -> goto to :: else fi }
#else
#define ADDRESS_OR(to) skip
#endif

/* A packet from inside: mapping_out(), then session_publish(). */
proctype packet(byte e; bool dies)
{
	byte p, v, ti, ge, t, fg, mg, try, w, ov;
	bool l, ok;

	atomic { packets++; t = now };
known:	/* mapping_known() */
	atomic { fg = flows; mg = maps };
	atomic {
		look(I[e], l, v, ti, ge, p);
		if
		:: !l -> goto create
		:: l && ge < maps -> goto stale
		:: else
		fi
	};
	ADDRESS_OR(stale);
	atomic {
		touch(I[e], v, t, KEEP(ge), ok);
		PROMISE_OVER(e);
		ti = 0;
		if
		:: !ok -> goto again
		:: else -> BACK(p)
		fi
	};
	/* mapping_confirm() */
#ifdef NO_VERIFY
	goto use;
#endif
	atomic {
		l = O[p].live; ov = O[p].ver; w = O[p].to;
		if
		:: !l -> goto mend
		:: l && w != e -> goto overruled
		:: else
		fi
	};
	atomic {
		touch(O[p], ov, t, KEEP(ge), ok);
		if
		:: !ok -> goto again
		:: else -> goto use
		fi
	};
mend:	atomic {
		REFUSED(again);
		put(O[p], e, t, MG, ok);
		if
		:: !ok -> goto again
		:: else -> GIVEN(e, p); MORTAL
		fi
	};
	atomic { taken = taken | BIT(p); goto use };
overruled:
	atomic {
		look(I[e], l, w, ti, ge, ov);
		if
		:: !l || w != v -> goto again
		:: else
		fi
	};
stale:	atomic {
		end(I[e], v, ti, ge, ok);
		if
		:: !ok -> goto again
		:: else -> GONE(e, p, RESTS(ti)); MORTAL
		fi
	};
create:	atomic { l = false; v = 0; ti = 0; ge = 0; w = 0; ov = 0; p = 0 };
	ADDRESS_OR(gone);
	/* port_claim() */
claim:	atomic {
		l = (taken & BIT(p)) != 0;
		taken = taken | BIT(p);
		if
		:: l -> goto taken_already
		:: else -> MORTAL
		fi
	};
	atomic {
		REFUSED(give);
#ifdef BIT_IS_CLAIM
		O[p].live = true; O[p].ver++; O[p].to = e; O[p].time = t; O[p].gen = MG;
#else
		put(O[p], e, t, MG, ok);
		if
		:: !ok -> goto taken_already
		:: else -> GIVEN(e, p)
		fi;
#endif
		ov = O[p].ver;
		MORTAL;
		goto join
	};
taken_already:
	atomic {
		l = false;
		p++;
		if
		:: p == P -> goto gone	/* no port: dropped */
		:: else -> goto claim
		fi
	};
join:	/* mapping_join() */
	atomic {
		REFUSED(undo);
		put(I[e], p, t, MG, ok);
		if
		:: ok -> MORTAL; goto use
		:: else
#ifdef KEEP_CLAIM
			-> goto use
#endif
		fi
	};
undo:	atomic {		/* claim_undo() */
		if
		:: O[p].live && O[p].ver == ov -> free(O[p])
		:: else -> goto again
		fi;
		MORTAL
	};
give:	atomic { taken = taken & (255 - BIT(p)) };
again:	atomic {
		l = false; v = 0; ti = 0; ge = 0; w = 0; ov = 0; p = 0; fg = 0; mg = 0; ok = false;
		try++;
		if
		:: try < 2 -> goto known
		:: else -> goto gone
		fi
	};
use:	atomic { translate(e, p) };
gone:	atomic {
		p = 0; v = 0; ti = 0; ge = 0; t = 0; fg = 0; mg = 0; try = 0; w = 0; ov = 0; l = false; ok = false;
		packets--
	}
}

/* A packet from outside to port p: session_in(), endpoint-independent filtering. */
proctype inbound(byte p)
{
	byte v, ti, ge, t, fg, mg, ow, ov, ot, og, q;
	bool ok, l;

	atomic { packets++; t = now; fg = flows; mg = maps };
	atomic {
		look(O[p], l, ov, ot, og, ow);
		if
		:: !l || og < maps || RESTS(ot) -> goto gone
		:: else -> ot = 0
		fi
	};
#ifndef IN_BY_O
	atomic {
		look(I[ow], l, v, ti, ge, q);
		if
		:: !l || q != p || ge < maps || RESTS(ti) -> goto gone
		:: else -> ti = 0
		fi
	};
	ADDRESS_OR(gone);
	atomic {
		touch(I[ow], v, t, KEEP(ge), ok);
		PROMISE_OVER(ow);
		if
		:: !ok -> goto gone
		:: else -> BACK(p)
		fi
	};
#endif
	atomic {
		touch(O[p], ov, t, KEEP(og), ok);
		if
		:: !ok -> goto gone
		:: else
		fi
	};
	atomic { translate(ow, p) };
gone:	atomic {
		v = 0; ti = 0; ge = 0; t = 0; fg = 0; mg = 0; ow = 0; ov = 0; ot = 0; og = 0; q = 0; ok = false; l = false;
		packets--
	}
}

/* A packet of a known flow: touches its flow, nothing else. */
proctype fast(byte e)
{
	byte p, t, g;

	atomic {
		packets++;
		t = now; p = F[e].port; g = F[e].gen;
		if
		:: !F[e].live || g != flows -> goto gone
		:: else
		fi
	};
	atomic {
		if
		:: F[e].live && F[e].port == p && F[e].gen == g ->
			F[e].time = t;
			if
			:: g == flows ->
				assert(!(O[p].live && O[p].to != e))	/* M2 */
#ifdef LEASE
				;
				used[e] = t + 1
#endif
			:: else
			fi
		:: else
		fi
	};
gone:	atomic { p = 0; t = 0; g = 0; packets-- }
}

#ifdef CRASH
#define MAYDIE	if :: deaths > 0 -> deaths--; goto reborn :: true fi
#else
#define MAYDIE	skip
#endif
#ifdef NOW_MOVES
#define TIME_GOES now_ = now
#else
#define TIME_GOES skip
#endif
#ifdef AUDIT
#define ASKED(go_on) if :: !sure -> claimed = claimed | BIT(x); goto go_on :: true fi
#else
#define ASKED(go_on) skip
#endif

/* core/sweep.h: flows, inside halves, outside halves, ports. */
proctype sweeper(byte passes; bool sure)
{
	byte x, p, v, ti, ge, ow, now_, marks, claimed, deaths = 1;
	bool l, ok, stale;

pass:	atomic {
		if
		:: passes == 0 -> goto done
		:: else -> passes--; now_ = now
		fi
	};
session:
	atomic {	/* sweep_flow_read(), sweep_session() */
		TIME_GOES;
		MAYDIE;
		p = F[x].port; ti = F[x].time; ge = F[x].gen;
		stale = ge < flows;
		if
		:: !F[x].live -> goto session_next
		:: F[x].live && !stale && AGE(ti) < FLOW_TIMEOUT ->
#ifndef NO_MARK
			marks = marks | BIT(x);
#endif
			goto session_next
		:: else
		fi
	};
	atomic {
		MAYDIE;
		if
		:: F[x].live && F[x].port == p && F[x].time == ti && F[x].gen == ge ->
			F[x].live = false; F[x].port = 0; F[x].time = 0; F[x].gen = 0;
			if
			:: !stale || AGE(ti) >= FLOW_TIMEOUT -> goto session_next
			:: else
			fi
		:: else ->
			if
#ifndef NO_MARK_TOUCHED
			:: true -> marks = marks | BIT(x)
#else
			:: !stale -> marks = marks | BIT(x)
			:: else
#endif
			fi;
			goto session_next
		fi
	};
	atomic {	/* mapping_lease() */
		MAYDIE;
		ti = ti + FLOW_TIMEOUT - TIMEOUT;
#ifndef NO_LEASE
		if
		:: I[x].live && I[x].to == p && TIME(I[x].time) < ti -> I[x].time = ti | RESTS(I[x].time)
		:: else
		fi
#endif
	};
session_next:
	atomic {
		p = 0; ti = 0; ge = 0; stale = false;
		x++;
		if
		:: x < E -> goto session
		:: else -> x = 0
		fi
	};
inside:	atomic {	/* sweep_inside() */
		TIME_GOES;
		MAYDIE;
		look(I[x], l, v, ti, ge, p);
		stale = ge < maps;
		if
		:: l && stale && (AGE(ti) >= TIMEOUT || AHEAD(ti) >= TIMEOUT)
		:: l && !stale && RESTS(ti) && AGE(ti) >= HOLD && !(marks & BIT(x))
#ifdef NO_REST
		:: l && !stale && AGE(ti) >= TIMEOUT && !(marks & BIT(x))
#else
		:: l && !stale && !RESTS(ti) && AGE(ti) >= TIMEOUT && !(marks & BIT(x)) -> goto idle
#endif
		:: else -> goto inside_next
		fi
	};
	atomic {
		MAYDIE;
#ifdef END_BLIND
		if
		:: I[x].live && I[x].ver == v -> free(I[x])
		:: else -> goto inside_next
		fi;
#else
		end(I[x], v, ti, ge, ok);
		if
		:: !ok -> goto inside_next
		:: else
		fi;
#endif
#ifdef LEASE
		assert(stale || !used[x] || AGE(used[x] - 1) >= FLOW_TIMEOUT);	/* M5 */
#endif
		GONE(x, p, RESTS(ti));
		if
		:: stale -> goto inside_next
		:: else
		fi
	};
	atomic {	/* sweep_release(): the half that it named, if that names it */
		MAYDIE;
		look(O[p], l, v, ti, ge, ow);
		if
#if defined(RELEASE_BLIND)
		:: l
#elif defined(RELEASE_YOUNG)
		:: l && ow == x
#else
		:: l && ow == x && AGE(ti) >= TIMEOUT
#endif
		:: else -> goto inside_next
		fi
	};
	atomic {
		MAYDIE;
		end(O[p], v, ti, ge, ok);
		if
		:: !ok -> goto inside_next
		:: else
		fi
	};
	atomic { MAYDIE; taken = taken & (255 - BIT(p)); goto inside_next };
idle:	atomic {	/* half_rest() */
		MAYDIE;
		rest(I[x], v, ti, ge, ok);
		if
		:: !ok -> goto inside_next
		:: else -> GONE(x, p, false)
		fi;
#ifdef LEASE
		assert(!used[x] || AGE(used[x] - 1) >= FLOW_TIMEOUT);	/* M5 */
#endif
#if !HOLD
		goto inside
#endif
	};
inside_next:
	atomic {
		l = false; v = 0; ti = 0; ge = 0; p = 0; ow = 0; stale = false; ok = false;
		x++;
		if
		:: x < E -> goto inside
		:: else -> x = 0; marks = 0
		fi
	};
outside:
	atomic {	/* sweep_outside() */
		TIME_GOES;
		MAYDIE;
		look(O[x], l, v, ti, ge, ow);
		if
		:: !l -> goto outside_next
#ifdef NO_LONE
		:: l ->
#elif defined(NO_PATIENCE)
		:: l -> ASKED(outside_next); goto agrees
#else
		:: l && RESTS(ti) && AGE(ti) >= HOLD -> goto agrees
		:: l && !RESTS(ti) && AGE(ti) >= TIMEOUT -> ASKED(outside_next); goto agrees
		:: l && AGE(ti) < (RESTS(ti) -> HOLD : TIMEOUT) ->
#endif
#ifndef NO_PATIENCE
			claimed = claimed | BIT(x); goto outside_next
#endif
		fi
	};
agrees:	atomic {	/* half_agrees() */
		MAYDIE;
		if
		:: I[ow].live && I[ow].to == x -> claimed = claimed | BIT(x); goto outside_next
		:: else
		fi
	};
#ifndef NO_REST_LONE
	atomic {
		if
		:: RESTS(ti) -> goto over
		:: else
		fi;
		MAYDIE;
		rest(O[x], v, ti, ge, ok);
#if !HOLD
		if
		:: ok -> goto outside
		:: else
		fi;
#endif
		claimed = claimed | BIT(x);
		goto outside_next
	};
#endif
over:	atomic {
		MAYDIE;
		end(O[x], v, ti, ge, ok);
		if
		:: !ok -> claimed = claimed | BIT(x); goto outside_next
		:: else
		fi
	};
	atomic { MAYDIE; taken = taken & (255 - BIT(x)) };
outside_next:
	atomic {
		l = false; v = 0; ti = 0; ge = 0; ow = 0; ok = false;
		x++;
		if
		:: x < P -> goto outside
		:: else -> x = 0
		fi
	};
	atomic {	/* sweep_port_word(): v missing, p left */
		MAYDIE;
		v = claimed & (255 - taken);
		p = taken & (255 - claimed) & missed;
		missed = taken & (255 - claimed) & (255 - p)
	};
	atomic { MAYDIE; taken = taken | v };
#ifndef NO_MISSED
	atomic { MAYDIE; taken = taken & (255 - p) };
#endif
	atomic { v = 0; p = 0; claimed = 0; now_ = 0; goto pass };
#ifdef CRASH
reborn:	atomic {	/* its memory died with it */
		missed = 0; passes++;
		x = 0; p = 0; v = 0; ti = 0; ge = 0; ow = 0; marks = 0; claimed = 0; l = false; ok = false; stale = false;
		goto pass
	};
#endif
done:	atomic { now_ = 0; deaths = 0 }
}

proctype clock()
{
	do
	:: now == TICKS -> break
	:: atomic { now < TICKS && packets == 0 -> now++ }
	od
}

proctype reset(byte n)
{
	do
	:: n == 0 -> break
	:: n > 0 -> atomic {
			n--;
			if
#ifndef BOTH
			:: flows++			/* keep=mappings */
#endif
			:: flows++; maps++		/* keep=hosts: one store */
#ifdef LEASE
				;
				used[0] = 0; used[1] = 0
#endif
			fi
		}
	od
}

proctype leave()
{
	here = false;
	atomic { flows++; left = true }
}

#ifdef DIES
#define FIRST packet(0, true)
#else
#define FIRST packet(0, false)
#endif

init {
	atomic {
#ifdef WARM
		taken = BIT(0); now = 1;
		I[0].live = true; I[0].gen = 1;
		O[0].live = true; O[0].gen = 1;
#endif
#ifdef TORN
		I[0].live = true; I[0].gen = 1;
#endif
		run FIRST; run sweeper(PASSES, false); run clock(); run reset(RESETS);
#ifdef SECOND
		run packet(0, false);
#endif
#ifdef THIRD
		run packet(0, false);
#endif
#ifdef OTHER
		run packet(1, false);
#endif
#ifdef INBOUND
		run inbound(0);
#endif
#ifdef FAST
		run fast(0);
#endif
#ifdef LEAVES
		run leave();
#endif
	}
	atomic { _nr_pr == 1 -> now = now + TIMEOUT + FLOW_TIMEOUT; run sweeper(4, true) }
#if HOLD
	atomic { _nr_pr == 1 -> now = now + HOLD; run sweeper(4, true) }
	atomic { _nr_pr == 1 -> now = now + HOLD; run sweeper(4, true) }	/* what a crash in that left alone */
#endif
	_nr_pr == 1;
	atomic {	/* M3: all was idle */
		assert(!I[0].live && !I[1].live && !O[0].live && !O[1].live);
		assert(!taken)
	}
}
