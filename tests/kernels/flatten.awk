# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Makes one TAP stream of what inside.sh printed, "@machine" before each machine's. Cases are numbered anew and carry the name of their test. A test
# that broke its plan, or failed with no failed case, counts as one more failed case; so does a guest that ended early.
# What else a test printed becomes a note, so that nothing is taken for a case twice.

function result(word, name) { printf "%s %d - %s\n", word, ++total, name; fflush() }

function finish(status, seconds) {
	if (planned != count)
		result("not ok", test ": planned " (planned < 0 ? "nothing" : planned) ", ran " count)
	else if (status != 0 && !failed)
		result("not ok", test ": exit status " status (status == 124 ? ", out of time" : ""))
	printf "# %s: %d cases in %d s\n", test, count, seconds
	test = ""
}

# A machine that has not come to its end.
function leave_machine() {
	if (test != "")
		result("not ok", test ": the machine ended in the middle of it")
	else if (!complete)
		result("not ok", "machine " machines ": it ended early")
	test = ""
}

$1 == "@machine" {
	if (machines++)
		leave_machine()
	complete = 0
	next
}

$1 == "@begin" {
	test = substr($0, 8)
	count = failed = 0
	planned = -1
	next
}

$1 == "@end" {
	finish($2, $3)
	next
}

$1 == "@done" {
	complete = 1
	next
}

test != "" && /^(not )?ok [0-9]+/ {
	word = /^not/ ? "not ok" : "ok"
	sub(/^(not )?ok [0-9]+ *-? */, "")
	count++
	failed += word == "not ok"
	result(word, test ": " $0)
	next
}

test != "" && /^1\.\.0/ {
	planned = 0
	sub(/^1\.\.0 *#? */, "")
	result("ok", test " # " $0)
	next
}

test != "" && /^1\.\.[0-9]+/ {
	planned = substr($1, 4) + 0
	next
}

/^#/ {
	print
	next
}

{ print "# " $0 }

END {
	leave_machine()
	print "1.." total + 0
}
