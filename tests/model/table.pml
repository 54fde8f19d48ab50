/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table.pml - insert-if-absent of core/table.h: one key X, three candidate slots, other keys come and go.
 *
 * Each atomic or d_step is one memory operation of table.h. The word of a slot is (st, ver, dead): dead stands for a
 * generation or a time by which slot_dead() gives a LIVE entry up. Reach and fresh are those of the home, slot 0.
 *
 * Checked: never two LIVE slots of X, none that its home does not reach; a reader acts only on a value of the entry that
 * it found; an entry that a packet touched is not taken; what a dead process left half-made is taken over by the next
 * insert (OFFER) or freed by the sweep (BUSY).
 *
 * What runs beside the first inserter of X:
 *   (nothing)   another inserter, a process that ends entries, a key that takes slots
 *   -DREADER    another inserter, a reader, a process that ends entries
 *   -DRECYCLE   another inserter that takes dead slots; entries die; a packet touches them back to life
 *   -DTIDY      another inserter, an end, the sweep clearing reach (core/sweep.h)
 *   -DTHREE     two more inserters and an end
 *   -DDIES      it may die in BUSY or OFFER; then another inserter, which must succeed
 *   -DMEND      it may die; beside it another inserter and the sweep that frees what stood half-made for a pass
 *   -DENDS=, -DEXPIRES= how many, instead of two; -DTURNS= of the sweep, instead of three
 *
 * Mutants, each of which must fail:
 *   -DNO_RESCAN     no second scan
 *   -DREACH_LATE    the reach bit after the second scan
 *   -DNO_STRIKE     offers are neither struck nor deferred to
 *   -DKEY_AGAIN     a reader compares the key again, not the word
 *   -DTIDY_BLIND    the sweep clears reach whether fresh came back or not
 *   -DTIDY_NO_OFFER the sweep does not see keys that are only offered
 *   -DTAKE_BLIND    a dead slot is taken without looking whether a packet has touched it meanwhile
 *   -DMEND_EARLY    the sweep frees half-made slots without waiting for the pass to be over
 */
#ifndef ENDS
#define ENDS 2
#endif
#ifndef EXPIRES
#define EXPIRES 2
#endif
#ifndef TURNS
#define TURNS 3
#endif
#define N 3
#define NONE 9
#if defined(TIDY_BLIND) || defined(TIDY_NO_OFFER)
#define TIDY
#endif
#ifdef KEY_AGAIN
#define READER
#endif
#ifdef TAKE_BLIND
#define RECYCLE
#endif
#ifdef MEND_EARLY
#define MEND
#endif
#ifdef DIES
#define TRIES 4
#else
#define TRIES 2
#endif

mtype = { FREE, BUSY, OFFER, LIVE };
mtype st[N] = FREE;
byte ver[N];
bool dead[N];
byte val[N];	/* the version that the value was written for */
bool key[N];	/* is it X? */
bool reach[N], fresh;
bool died;
byte running;	/* a bit an inserter */

#define IS(i, s, v, d)	(st[i] == s && ver[i] == v && dead[i] == d)
#define SEEN(i)		(i == 0 || (i == 1 && r1) || (i == 2 && r2))
#define PATIENT		(try * 2 < TRIES)

inline word(i)
{
	d_step {
		ws = st[i]; wv = ver[i]; wd = dead[i];
		if
		:: i == 0 -> r1 = reach[1]; r2 = reach[2]
		:: else
		fi
	}
}

inline cas_free(i, s, v, d, ok)
{
	d_step {
		if
		:: IS(i, s, v, d) -> st[i] = FREE; dead[i] = false; ok = true
		:: else -> ok = false
		fi
	}
}

proctype inserter(byte me; bool mortal)
{
	byte i, best, bv, wv, try = 0;
	mtype ws, bs;
	bool wd, bd, k, ok, r1, r2, rival, done = false;

	do
	:: try == TRIES || done -> break
	:: else ->
		/* First scan: the key, or a slot to claim. */
		best = NONE; rival = false; i = 0;
		do
		:: i == N || done || rival -> break
		:: i < N && !done && !rival && best != NONE && !SEEN(i) -> i++
		:: i < N && !done && !rival && (best == NONE || SEEN(i)) ->
			word(i);
			k = false;
			if
			:: (ws == OFFER || ws == LIVE) && SEEN(i) -> k = key[i]
			:: else
			fi;
			if
			:: k && ws == LIVE && !wd ->
				d_step {
					if
					:: st[i] == LIVE && ver[i] == wv -> done = true
					:: else -> rival = true
					fi
				}
			:: k && (ws == OFFER || wd) ->
				rival = true;
				if
				:: ws == LIVE || !PATIENT -> cas_free(i, ws, wv, wd, ok)
				:: else
				fi
			:: !k ->
				if
				:: best == NONE && (ws == FREE || (ws == LIVE && wd)) -> best = i; bs = ws; bv = wv; bd = wd
				:: else
				fi;
				i++
			fi
		od;
		if
		:: done -> break
		:: !done && rival -> try++; goto next
		:: !done && !rival && best == NONE -> break	/* full */
		:: else
		fi;
		/* Claim, write, offer. */
		d_step {
			if
#ifdef TAKE_BLIND
			:: st[best] == bs && ver[best] == bv ->
#else
			:: IS(best, bs, bv, bd) ->
#endif
				assert(st[best] == FREE || dead[best]);	/* whoever touched it first keeps it */
				st[best] = BUSY; bv++; ver[best] = bv; dead[best] = false; ok = true
			:: else -> ok = false
			fi
		}
		if
		:: !ok -> try++; goto next
		:: else
		fi;
		key[best] = true;
		val[best] = bv;
		if
		:: mortal -> goto dying
		:: true
		fi;
		d_step {
			assert(st[best] == BUSY && ver[best] == bv);
			st[best] = OFFER
		}
#ifndef REACH_LATE
		if
		:: best > 0 -> d_step { reach[best] = true; fresh = true }
		:: else
		fi;
#endif
		if
		:: mortal -> goto dying
		:: true
		fi;
		/* Second scan: ours alone? */
#ifndef NO_RESCAN
		i = 0;
		do
		:: i == N || rival -> break
		:: i < N && !rival && !SEEN(i) && i > 0 -> i++
		:: i < N && !rival && (i == 0 || SEEN(i)) ->
			word(i);
			k = false;
			if
			:: i != best && (ws == OFFER || ws == LIVE) -> k = key[i]
			:: else
			fi;
			if
			:: !k -> i++
			:: k && ws == LIVE && !wd -> rival = true
#ifdef NO_STRIKE
			:: k && ws == OFFER -> i++
			:: k && ws == LIVE && wd ->
#else
			:: k && ws == OFFER && i < best && PATIENT -> rival = true
			:: k && ((ws == OFFER && !(i < best && PATIENT)) || (ws == LIVE && wd)) ->
#endif
				cas_free(i, ws, wv, wd, ok);
				if
				:: ok -> i++
				:: else -> rival = true
				fi
			fi
		od;
#endif
#ifdef REACH_LATE
		if
		:: best > 0 -> reach[best] = true
		:: else
		fi;
#endif
		/* Withdraw, or win. */
		atomic {
			i = 0; r1 = false; r2 = false; k = false; ok = false; wv = 0; wd = false; ws = FREE;
			if
			:: st[best] == OFFER && ver[best] == bv ->
				if
				:: rival -> st[best] = FREE; try++
				:: else ->
					st[best] = LIVE; done = true;
					assert(best == 0 || reach[best]);
					assert(best == 0 || !(st[0] == LIVE && key[0] && !dead[0]));
					assert(best == 1 || !(st[1] == LIVE && key[1] && !dead[1]));
					assert(best == 2 || !(st[2] == LIVE && key[2] && !dead[2]))
				fi
			:: else -> try++
			fi
		}
next:		skip
	od;
#ifdef DIES
	assert(mortal || done);
#endif
	goto end;
dying:	died = true;
end:	running = running & (255 - (1 << me))
}

inline any(i) { if :: i = 0 :: i = 1 :: i = 2 fi }

/* Sweep, removal: any LIVE entry, by CAS. */
proctype ender(byte n)
{
	byte i;

	do
	:: n == 0 -> break
	:: n > 0 ->
		n--;
		any(i);
		d_step {
			if
			:: st[i] == LIVE -> st[i] = FREE; dead[i] = false
			:: else
			fi
		}
	od
}

/* Another key takes a slot. */
proctype other()
{
	byte i, v;
	bool ok;

	any(i);
	d_step {
		if
		:: st[i] == FREE -> st[i] = BUSY; ver[i]++; v = ver[i]; ok = true
		:: else -> ok = false
		fi
	}
	if
	:: ok ->
		key[i] = false;
		val[i] = v;
		st[i] = OFFER;
		d_step {
			if
			:: st[i] == OFFER && ver[i] == v -> st[i] = LIVE
			:: else
			fi
		}
	:: else
	fi
}

proctype reader()
{
	byte i, wv, v;
	mtype ws;
	bool k;

	if :: i = 0 :: i = 1 fi;
	d_step { ws = st[i]; wv = ver[i] };
	if
	:: ws == LIVE -> k = key[i]
	:: else -> k = false
	fi;
	if
	:: k ->
		v = val[i];
#ifdef KEY_AGAIN
		if
		:: key[i] -> assert(v == wv)
		:: else
		fi
#else
		d_step {
			if
			:: st[i] == LIVE && ver[i] == wv -> assert(v == wv)
			:: else
			fi
		}
#endif
	:: else
	fi
}

/* Time or a reset: entries die. */
proctype expire(byte n)
{
	byte i;

	do
	:: n == 0 -> break
	:: n > 0 ->
		n--;
		any(i);
		d_step {
			if
			:: st[i] == LIVE -> dead[i] = true
			:: else
			fi
		}
	od
}

/* A packet of X that finds its entry keeps it, dead by its time or not. Then it is X's one entry. */
proctype toucher()
{
	byte i, wv;
	mtype ws;
	bool k;

	any(i);
	d_step { ws = st[i]; wv = ver[i] };
	if
	:: ws == LIVE && (i == 0 || reach[i]) -> k = key[i]
	:: else -> k = false
	fi;
	d_step {
		if
		:: k && st[i] == LIVE && ver[i] == wv ->
			dead[i] = false;
			assert(i == 0 || !(st[0] == LIVE && key[0] && !dead[0]));
			assert(i == 1 || !(st[1] == LIVE && key[1] && !dead[1]));
			assert(i == 2 || !(st[2] == LIVE && key[2] && !dead[2]))
		:: else
		fi
	}
}

/* Turns of the sweep at the home, and between two turns its look at slot i. */
proctype tidy(byte i)
{
	byte turns = 0, wv;
	mtype ws;
	bool k, want = true;

	do
	:: turns == TURNS -> break
	:: turns < TURNS ->
		turns++;
		d_step {
			if
#ifndef TIDY_BLIND
			:: fresh -> fresh = false
			:: !fresh && !want ->
#else
			:: !want ->
#endif
				assert(!(st[i] == LIVE && key[i]));
				reach[i] = false
			:: else
			fi
		}
		want = false;
		d_step { ws = st[i]; wv = ver[i] };
		if
#ifdef TIDY_NO_OFFER
		:: ws == LIVE ->
#else
		:: ws == OFFER || ws == LIVE ->
#endif
			k = key[i];
			d_step { want = k && (ws == OFFER || (st[i] == LIVE && ver[i] == wv)) }
		:: else
		fi
	od
}

/* The sweep and what stands half-made: a pass is longer than any insert that was running when it began. */
proctype mender(byte passes)
{
	byte i, wv, mask;
	mtype ws;

	do
	:: passes == 0 -> break
	:: passes > 0 ->
		passes--;
		any(i);
		d_step { ws = st[i]; wv = ver[i]; mask = running };
		if
		:: ws == BUSY || ws == OFFER ->
#ifndef MEND_EARLY
			(running & mask) == 0;
#endif
			d_step {
				if
				:: st[i] == ws && ver[i] == wv -> st[i] = FREE
				:: else
				fi
			}
		:: else
		fi
	od
}

#define INSERTER(n, mortal) running = running | (1 << n); run inserter(n, mortal)

init {
	atomic {
		st[0] = LIVE; ver[0] = 1; val[0] = 1;	/* the home starts taken by another key */
#if defined(DIES) || defined(MEND)
		INSERTER(0, true);
#else
		INSERTER(0, false);
#endif
#if defined(READER)
		run ender(2); run reader(); INSERTER(1, false)
#elif defined(RECYCLE)
		run expire(EXPIRES); run toucher(); INSERTER(1, false)
#elif defined(TIDY)
		run ender(1); run tidy(1); INSERTER(1, false)
#elif defined(THREE)
		run ender(1); INSERTER(1, false); INSERTER(2, false)
#elif defined(MEND)
		run mender(2); INSERTER(1, false)
#elif !defined(DIES)
		run ender(ENDS); run other(); INSERTER(1, false)
#endif
	}
#ifdef DIES
	(running == 0);
	atomic { INSERTER(1, false) }	/* whatever the dead one left, the next insert succeeds */
#endif
#ifdef MEND
	(_nr_pr == 1);
	d_step {	/* two more passes over all slots, with nobody left: nothing stays half-made */
		if :: st[0] == BUSY || st[0] == OFFER -> st[0] = FREE :: else fi;
		if :: st[1] == BUSY || st[1] == OFFER -> st[1] = FREE :: else fi;
		if :: st[2] == BUSY || st[2] == OFFER -> st[2] = FREE :: else fi
	}
	atomic { INSERTER(2, false) }
	(_nr_pr == 1);
	assert((st[0] == LIVE && key[0]) || (st[1] == LIVE && key[1]) || (st[2] == LIVE && key[2]))
#endif
}
