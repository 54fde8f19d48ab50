/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping.pml - mappings above the table: create, use, mend, expire, reset (core/mapping.h, session.h, sweep.h).
 *
 * Two endpoints, two outside ports. The table is taken as proved (table.pml): insert-if-absent, find, touch and end are
 * atomic, each on one word (live, version, time, generation). A touch asks only that the entry is the same (slot_touch),
 * an end that the word is (slot_end).
 *
 *   I[e]         inside half: port. A mapping lives while I[e] lives and O[port] lives and names e
 *   O[p]         outside half: owner. Inserted if absent, it is the claim on the port
 *   taken[p]       where to look for a free port: a hint
 *   F[e]         what an endpoint's packets are translated by: its flows
 *   flows, maps  the interface's generations; a packet reads both at once, before all else
 *   here         the outside address is on the interface; when it leaves, the flows' generation follows
 *
 * Checked:
 *   M1  an endpoint never has flows of two ports at once
 *   M2  no packet is translated to a port that another endpoint owns or has a flow on
 *   M3  at rest, after some passes, bits, outside and inside halves agree
 *   M4  no flow of the present generation leads to an address that has left
 * Packets that a reset overtook are not held to these: their flows are stale when they are born.
 *
 * Assumed: a packet's run is shorter than SWEEP_PATIENCE (the clock waits for running packets).
 *
 * What runs beside one packet of endpoint 0, the sweep, the clock and a reset:
 *   (nothing) a second packet of it, -DOTHER one of endpoint 1, -DINBOUND one from outside, -DFAST one of a known flow and
 *   one of endpoint 1, -DSAME two more of endpoint 0, -DTHREE one more of each; -DWARM begins with an idle mapping, -DTORN
 *   with an inside half that has no outside half; -DLEAVES takes the address away; -DCRASH the sweep may die at any step
 *   and begins anew; -DTICKS, -DPASSES, -DRESETS how many
 *
 * Mutants, each of which must fail:
 *   -DGEN_AGAIN     generations are read again where they are needed
 *   -DTOUCH_LOWERS  a touch writes the packet's generation over a newer one
 *   -DNO_VERIFY     a packet that finds I does not look at O
 *   -DIN_BY_O       a packet from outside uses O without looking at I
 *   -DBIT_IS_CLAIM  the bit alone is the claim: O is written, not inserted if absent
 *   -DNO_MARK       the sweep does not mark the mappings of living flows
 *   -DNOW_MOVES     the sweep asks for the time at each entry, not once a pass
 *   -DNO_PATIENCE   the sweep ends lone outside halves however young
 */
#define E 2
#define P 2
#ifndef TICKS
#define TICKS 2
#endif
#ifndef PASSES
#define PASSES 1
#endif
#ifndef RESETS
#define RESETS 1
#endif
#define TIMEOUT 1	/* of flows and of mappings without any; also SWEEP_PATIENCE */

typedef half { bool live; byte ver, time, gen, to };
typedef flow { bool live; byte port, time, gen };
half I[E], O[P];
flow F[E];
bool taken[P], missed[P];
byte now, flows = 1, maps = 1;
bool here = true, left;
byte packets;

#define AGE(t)		(now_ > (t) -> now_ - (t) : 0)
#define EQUAL(h, v, t, g) (h.live && h.ver == v && h.time == t && h.gen == g)
#ifdef GEN_AGAIN
#define FG	flows
#define MG	maps
#else
#define FG	fg
#define MG	mg
#endif

inline look(h, l, v, t, g, o)
{
	d_step { l = h.live; v = h.ver; t = h.time; g = h.gen; o = h.to }
}

inline touch(h, v, t, g, ok)
{
	d_step {
		if
		:: h.live && h.ver == v -> h.time = t; h.gen = g; ok = true
		:: else -> ok = false
		fi
	}
}

inline end(h, v, t, g, ok)
{
	d_step {
		if
		:: EQUAL(h, v, t, g) -> h.live = false; ok = true
		:: else -> ok = false
		fi
	}
}

inline put(h, o, t, g, ok)
{
	d_step {
		if
		:: !h.live ->
			h.live = true; h.ver++; h.to = o; h.time = t; h.gen = g; ok = true
		:: else -> ok = false
		fi
	}
}

/* A packet of endpoint x leaves, or comes in, by port q; its flows are made or kept. */
inline translate(x, q)
{
	d_step {
		if
		:: FG == flows ->
			assert(!left);							/* M4 */
			assert(!(O[q].live && O[q].to != x));				/* M2 */
			assert(!(F[1 - x].live && F[1 - x].gen == flows && F[1 - x].port == q));
			assert(!(F[x].live && F[x].gen == flows && F[x].port != q));	/* M1 */
			F[x].live = true; F[x].port = q; F[x].time = t; F[x].gen = FG
		:: else
		fi
	}
}

#ifdef TOUCH_LOWERS
#define KEEP(g) MG
#else
#define KEEP(g) g
#endif

/* A packet from inside: mapping_out(), then session_publish(). */
proctype packet(byte e)
{
	byte p, v, ti, ge, t, fg, mg, try = 0, ow, ov, ot, og;
	bool ok, l, create, done = false;

	d_step { t = now; fg = flows; mg = maps };
	do
	:: done || try == 2 -> break
	:: !done && try < 2 ->
		try++;
		create = false;
		/* mapping_known() */
		look(I[e], l, v, ti, ge, p);
		if
		:: !l -> create = true
		:: l && (ge < MG || !here) -> end(I[e], v, ti, ge, create)
		:: else ->
			touch(I[e], v, t, KEEP(ge), ok);
			if
			:: !ok -> goto next
			:: else
			fi;
#ifndef NO_VERIFY
			look(O[p], l, ov, ot, og, ow);
			if
			:: l && ow == e -> touch(O[p], ov, t, KEEP(ge), ok)
			:: l && ow != e ->
				d_step {	/* our half is wrong */
					if
					:: I[e].live && I[e].ver == v -> I[e].live = false; create = true
					:: else
					fi;
					ok = false
				}
			:: !l ->
				put(O[p], e, t, KEEP(ge), ok);	/* mend */
				if
				:: ok -> taken[p] = true
				:: else
				fi
			fi;
#endif
			if
			:: ok -> translate(e, p); done = true
			:: else
			fi
		fi;
		if
		:: !create -> goto next
		:: create && !here -> break	/* no address: dropped */
		:: else
		fi;
		/* port_claim() */
		p = 0; ok = false;
		do
		:: p == P || ok -> break
		:: p < P && !ok ->
			d_step { l = taken[p]; taken[p] = true };
			if
			:: !l ->
#ifdef BIT_IS_CLAIM
				d_step { O[p].live = true; O[p].ver++; O[p].to = e; O[p].time = t; O[p].gen = MG; ok = true };
#else
				put(O[p], e, t, MG, ok);
#endif
			:: else
			fi;
			if
			:: !ok -> p++
			:: ok -> d_step { ov = O[p].ver; og = O[p].gen }
			fi
		od;
		if
		:: !ok -> break			/* no port: dropped */
		:: else
		fi;
		/* mapping_join() */
		put(I[e], p, t, MG, ok);
		if
		:: ok -> translate(e, p); done = true
		:: !ok ->			/* lost the race: give the port back, then use the winner's */
			end(O[p], ov, t, og, ok);
			if
			:: ok -> taken[p] = false
			:: else
			fi
		fi;
next:		skip
	od;
	packets--
}

/* A packet from outside to port p: session_in(), endpoint-independent filtering. */
proctype inbound(byte p)
{
	byte v, ti, ge, t, fg, mg, ow, ov, ot, og, q;
	bool ok = true, l, ol;

	d_step { t = now; fg = flows; mg = maps };
	look(O[p], ol, ov, ot, og, ow);
	if
	:: ol && og >= MG ->
#ifndef IN_BY_O
		look(I[ow], l, v, ti, ge, q);
		if
		:: l && q == p && ge >= MG && here -> touch(I[ow], v, t, KEEP(ge), ok)
		:: else -> ok = false
		fi;
#endif
		if
		:: ok -> touch(O[p], ov, t, KEEP(og), ok)
		:: else
		fi;
		if
		:: ok -> translate(ow, p)
		:: else
		fi
	:: else
	fi;
	packets--
}

/* A packet of a known flow: touches its flow, nothing else. */
proctype fast(byte e)
{
	byte p, t;
	bool l;

	d_step { t = now; l = F[e].live && F[e].gen == flows; p = F[e].port };
	if
	:: l ->
		d_step {
			l = F[e].live && F[e].gen == flows && F[e].port == p;
			if
			:: l -> F[e].time = t; assert(!(O[p].live && O[p].to != e))	/* M2 */
			:: else
			fi
		}
	:: else
	fi;
	packets--
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

/* core/sweep.h: flows, inside halves, outside halves, ports. */
proctype sweeper(byte passes)
{
	byte x, p, v, ti, ge, ow, now_, marks, claimed;
	byte deaths = 1;
	bool l, ok;

	do
	:: passes == 0 -> break
	:: passes > 0 ->
		passes--;
		d_step { now_ = now; marks = 0; claimed = 0; x = 0 };
		do
		:: x == E -> break
		:: x < E ->
			TIME_GOES;
			d_step {
				if
				:: F[x].live && (AGE(F[x].time) >= TIMEOUT || F[x].gen < flows) ->
					F[x].live = false; F[x].port = 0; F[x].time = 0; F[x].gen = 0
				:: F[x].live && !(AGE(F[x].time) >= TIMEOUT || F[x].gen < flows) ->
#ifndef NO_MARK
					marks = marks | (1 << x)
#endif
				:: else
				fi
			};
			MAYDIE;
			x++
		od;
		x = 0;
		do
		:: x == E -> break
		:: x < E ->
			TIME_GOES;
			look(I[x], l, v, ti, ge, p);
			if
			:: l && AGE(ti) >= TIMEOUT && (ge < maps || !(marks >> x & 1)) -> end(I[x], v, ti, ge, ok)
			:: else -> ok = false
			fi;
			MAYDIE;
			if
			:: ok ->	/* sweep_release(): the half that it named, if that names it */
				look(O[p], l, v, ti, ge, ow);
				if
				:: l && ow == x && AGE(ti) >= TIMEOUT -> end(O[p], v, ti, ge, ok)
				:: else -> ok = false
				fi;
				MAYDIE;
				if
				:: ok -> taken[p] = false
				:: else
				fi
			:: else
			fi;
			MAYDIE;
			x++
		od;
		x = 0;
		do
		:: x == P -> break
		:: x < P ->
			TIME_GOES;
			look(O[x], l, v, ti, ge, ow);
			ok = false;
			if
#ifdef NO_PATIENCE
			:: l && !(I[ow].live && I[ow].to == x) -> end(O[x], v, ti, ge, ok)
#else
			:: l && AGE(ti) >= TIMEOUT && !(I[ow].live && I[ow].to == x) -> end(O[x], v, ti, ge, ok)
#endif
			:: else
			fi;
			MAYDIE;
			if
			:: ok -> taken[x] = false
			:: !ok && l -> claimed = claimed | (1 << x)
			:: else
			fi;
			MAYDIE;
			x++
		od;
		x = 0;
		do
		:: x == P -> break
		:: x < P ->
			d_step {
				if
				:: claimed >> x & 1 -> taken[x] = true; missed[x] = false
				:: !(claimed >> x & 1) && taken[x] && missed[x] -> taken[x] = false; missed[x] = false
				:: else -> missed[x] = taken[x] && !(claimed >> x & 1)
				fi
			};
			MAYDIE;
			x++
		od;
		goto alive;
reborn:		atomic { missed[0] = false; missed[1] = false; passes++ };	/* its memory died with it */
alive:		x = 0
	od
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
	:: n > 0 ->
		n--;
		if
		:: flows++				/* keep=mappings */
		:: d_step { flows++; maps++ }		/* keep=hosts: one store */
		fi
	od
}

proctype leave()
{
	here = false;
	d_step { flows++; left = true }
}

#define START(x) atomic { packets++; run x }

proctype traffic()
{
	START(packet(0));
#if defined(INBOUND)
	START(inbound(0))
#elif defined(FAST)
	START(fast(0)); START(packet(1))
#elif defined(OTHER)
	START(packet(1))
#elif defined(THREE)
	START(packet(0)); START(packet(1))
#elif defined(SAME)
	START(packet(0)); START(packet(0))
#else
	START(packet(0))
#endif
}

init {
	atomic {
#ifdef WARM
		d_step {
			taken[0] = true; now = 1;
			I[0].live = true; I[0].gen = 1;
			O[0].live = true; O[0].gen = 1
		}
#endif
#ifdef TORN
		I[0].live = true; I[0].gen = 1;
#endif
		run traffic(); run sweeper(PASSES); run clock(); run reset(RESETS);
#ifdef LEAVES
		run leave()
#endif
	}
	atomic { _nr_pr == 1 -> now = now + 2; run sweeper(4) }
	_nr_pr == 1;
	d_step {	/* M3: all was idle */
		assert(!I[0].live && !I[1].live && !O[0].live && !O[1].live);
		assert(!taken[0] && !taken[1])
	}
}
