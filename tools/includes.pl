#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tools/includes.pl FILE... - hold the include arrows of CONTRIBUTING.md. Prints file:line for each that is broken.
#
#	core    its own files and the kernel's UAPI headers; only env.h reaches out, and only there is an #if
#	bpf     core and itself, UAPI and libbpf's BPF-side headers
#	native  core and itself
#	daemon  of core: types, reasons, sweep, and env.h with the home below it; itself; only loader*.c know libbpf
#	cli     of core: types and reasons; itself
#	tests and bench may look into everything.
use strict;
use warnings;
use File::Basename qw(dirname);

my $uapi = qr{^(?:linux|asm|asm-generic)/};
my $libbpf = qr{^bpf/|\.skel\.h$};	# <bpf/...> and our own bpf/ alike
# For each room: what it may include of the project, and which of the system's headers it may not (or only).
my %rooms = (
	core => { ours => qr{^core/}, system => $uapi },
	bpf => { ours => qr{^(?:core|bpf)/}, system => qr{$uapi|^bpf/bpf_(?:helpers|endian|core_read|tracing)\.h$} },
	native => { ours => qr{^(?:core|native)/|^version\.h$}, not => $libbpf },
	daemon => { ours => qr{^(?:daemon|native)/|^core/(?:types\.h|env\.h|sweep\.h|reasons\.def)$|^version\.h$}, not => $libbpf },
	cli => { ours => qr{^cli/|^core/(?:types\.h|reasons\.def)$|^version\.h$}, not => $libbpf },
);
# The doors, each with its reason.
my %doors = (
	'core/env.h' => qr{^(?:bpf/env_bpf|native/env_native)\.h$},	# the seam between the core and its homes
	'daemon/loader.c' => qr{$libbpf|^(?:all|keepnat)\.skel\.h$},		# what is behind loader.h knows libbpf, and nobody else
	'daemon/loader_arrays.c' => $libbpf,
	'daemon/loader_hooks.c' => $libbpf,
	'daemon/loader_pins.c' => $libbpf,
	'daemon/loader_sockets.c' => $libbpf,
	'daemon/clients.c' => qr{^core/clients\.h$},			# it writes what this reads
	'daemon/pool.c' => qr{^core/(?:host|ports)\.h$},			# it writes what these read
	'daemon/deterministic.c' => qr{^core/shares\.h$},		# the arithmetic of RFC 7422, in both homes and here
	'daemon/config_deterministic.c' => qr{^core/shares\.h$},
	'cli/lookup.c' => qr{^daemon/deterministic\.h$},		# `lookup` answers from the configuration alone
	'cli/import/draft.h' => qr{^daemon/config\.h$},		# what it prints, the reader of configurations has read
	'cli/import/netsh.c' => qr{^daemon/config_report\.h$},
	'cli/import/text.c' => qr{^daemon/address\.h$},
	'cli/config.c' => qr{^daemon/config\.h$},			# `check` reads as the daemon does
	'cli/complete.c' => qr{^daemon/events\.def$},		# names of events
);
my $broken = 0;

sub complain {
	my ($file, $line, $what) = @_;
	print "$file:$line: $what\n";
	$broken = 1;
}

# A quoted name is looked for beside the file, then from the root; a name that is in neither is made by the build.
sub resolve {
	my ($file, $name) = @_;
	my $beside = dirname($file) . "/$name";
	1 while $beside =~ s{[^/]+/\.\./}{};
	$beside =~ s{^\./}{};
	return -e $beside || $name =~ m{^\.} ? $beside : $name;
}

for my $file (@ARGV) {
	my ($room) = $file =~ m{^(\w+)/} or next;
	my $rule = $rooms{$room} or next;
	my $door = $doors{$file} // qr{^\b$};
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>) {
		complain($file, $., "an #if in core/ outside env.h: ask the seam instead")
			if $room eq 'core' && $file ne 'core/env.h' && /^\s*#\s*(?:if|ifdef|ifndef)\b/;
		my ($quote, $name) = /^\s*#\s*include\s+([<"])([^>"]+)[>"]/ or next;
		my $target = $quote eq '"' ? resolve($file, $name) : $name;
		next if $target =~ $door;
		if ($quote eq '<' ? $rule->{system} && $target !~ $rule->{system} : $target !~ $rule->{ours}) {
			complain($file, $., "$room/ may not include $target");
		} elsif ($rule->{not} && $target =~ $rule->{not}) {
			complain($file, $., "$room/ may not include $target: that is for daemon/loader*.c");
		}
	}
}
exit $broken;
