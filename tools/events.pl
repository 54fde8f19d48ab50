#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tools/events.pl - doc/events.md, from daemon/events.def, on stdout. With --check: is that what stands there, and is each name
# and each identifier there once?
use strict;
use warnings;

sub slurp {
	open my $file, '<', $_[0] or return '';
	local $/;
	return <$file>;
}

my $text = slurp('daemon/events.def');
$text =~ s{/\*.*?\*/}{}gs;
$text =~ s{"\s*\n\s*"}{}g;	# a string in two pieces
my (@events, %seen, $broken);
while ($text =~ /^EVENT\((\w+),\s*(\w+),\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\)$/gm) {
	my ($name, $severity, $id, $numbers, $meaning, $mend) = ($1, $2, $3, $4, $5, $6);
	push @events, [$name, lc $severity, $meaning, $mend, $numbers, $id];
	$broken = print "daemon/events.def: $_ stands twice\n" for grep { $seen{$_}++ } $name, $id;
	$broken = print "daemon/events.def: $name: \"$id\" is no identifier of 32 digits\n" if $id !~ /^[0-9a-f]{32}$/;
}
my $entries = () = $text =~ /^EVENT\(/gm;
$broken = print "daemon/events.def: $entries entries, but only " . @events . " can be read\n" if $entries != @events;

my $page = <<'END';
<!-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause -->
# Events

What keepnatd tells people. `keepnat events` lists the last 512, `GET /v1/events` gives them to programs, and under systemd each one is
in the journal with its `MESSAGE_ID`: `journalctl MESSAGE_ID=...` finds it in any version. Fields there: `KEEPNAT_EVENT`,
`KEEPNAT_SUBJECT` (interface, address, table), `KEEPNAT_INSTANCE`, `KEEPNAT_NUMBER`, `KEEPNAT_DROPPED`.

As they come: `keepnat monitor`, or `curl -N --unix-socket /run/keepnat/default/api.sock -H 'Accept: text/event-stream'
http://keepnat/v1/events`. A stream goes on behind `Last-Event-ID`, also after a restart; an event `lost` says how many were told faster
than they were read.

Of each kind, 64 may come at once and one in a second after that; `KEEPNAT_DROPPED` (`dropped` in JSON) counts those that were left out
before one.

The fifth column has the number of Windows' event that says the same: System Error (1003), BugCheck (1001), and IPNATHLP of
RRAS (32001 to 32007). This page is made from `daemon/events.def` by `tools/events.pl`.

| event | severity | meaning | what to do | Windows | MESSAGE_ID |
| --- | --- | --- | --- | --- | --- |
END
$page .= "| `$_->[0]` | $_->[1] | $_->[2] | " . ($_->[3] || '-') . ' | ' . ($_->[4] || '-') . " | `$_->[5]` |\n" for @events;

if (!@ARGV) {
	print $page;
} elsif (slurp('doc/events.md') ne $page) {
	$broken = print "doc/events.md: not what tools/events.pl makes of daemon/events.def; run tools/events.pl >doc/events.md\n";
}
exit($broken ? 1 : 0);
