#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tools/tidy.pl BUILD FILE... - clang-tidy on these sources, as compile_commands.json in the folder BUILD compiles them. Prints what
# it finds, each finding once; the exit status is 0 if it finds nothing.
#
# All of them take minutes. So as many run at once as there are processors, a file that is compiled for several programs is read
# once, and what was found clean is remembered in BUILD/tidy, by all that the answer depends on: the file and what it includes,
# the command, the configuration, clang-tidy itself.
use strict;
use warnings;
use Cwd qw(getcwd);
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use JSON::PP;

my ($build, @files) = @ARGV;
my ($root, $cache) = (getcwd(), "$build/tidy");
my $jobs = qx(nproc) || 1;
my (%digests, %used, %command, %running);
my $failed = 0;

make_path($cache);
for my $entry (@{ decode_json(slurp("$build/compile_commands.json")) }) {
	my $file = $entry->{file} =~ s{^\.\./}{}r;
	$command{$file} //= $entry;
}
spill("$cache/compile_commands.json", JSON::PP->new->canonical->encode([ map { $command{$_} } sort keys %command ]));
my $common = join "\0", slurp('.clang-tidy'), scalar qx(clang-tidy --version);

# One file at a time: clang-tidy 14 loses track of va_start in the second.
for my $file (grep { $command{$_} } @files) {
	wait_for_one() while keys %running >= $jobs;
	my $pid = fork // die "fork: $!\n";
	$running{$pid} = $file, next if $pid;
	exit check($file);
}
wait_for_one() while %running;
for my $file (glob "$cache/*.clean") {
	unlink $file unless -M $file < 30;	# days; a look makes it young
}
exit($failed ? 1 : 0);

sub wait_for_one {
	my $pid = wait;
	$failed = 1 if $?;
	delete $running{$pid};
}

sub slurp {
	my ($path) = @_;
	open my $in, '<', $path or return '';
	local $/;
	return <$in> // '';
}

sub spill {
	my ($path, $text) = @_;
	open my $out, '>', "$path.$$" or die "$path: $!\n";
	print $out $text;
	close $out or die "$path: $!\n";
	rename "$path.$$", $path or die "$path: $!\n";
}

# The status: 0 if nothing is wrong with the file.
sub check {
	my ($file) = @_;
	my $clean = "$cache/" . digest($file) . '.clean';

	if (-e $clean) {
		utime undef, undef, $clean;
		return 0;
	}
	my $said = qx(clang-tidy --quiet -p '$cache' '$file' 2>'$cache/$$.err');
	my $status = $?;
	my $complaint = slurp("$cache/$$.err");
	unlink "$cache/$$.err";
	# The notes that lead to a finding are left out.
	my %found = map { $_ => 1 } map { from_root($_) } grep { /^\S+:\d+:\d+: (error|warning):/ } split /\n/, $said;
	print map { "$_\n" } sort keys %found;
	print "$file: clang-tidy failed: $complaint\n" if $status && !%found;
	return 1 if $status || %found;
	spill($clean, '');
	return 0;
}

sub from_root {
	my ($line) = @_;
	my $directory = (values %command)[0]{directory};
	return $line =~ s{^\Q$directory\E/}{}r =~ s{^\.\./}{}r =~ s{^\Q$root\E/}{}r;
}

# Of all that clang-tidy's answer depends on. What cannot be preprocessed is not clean, whatever it depends on.
sub digest {
	my ($file) = @_;
	my $entry = $command{$file};
	my $command = $entry->{command} =~ s{ -M(?:D|[QFT] \S+)}{}gr =~ s{ -o \S+}{}r =~ s{ -c (?=\S+$)}{ -M }r;
	my $rule = qx(cd '$entry->{directory}' && $command 2>/dev/null);
	my @read = grep { !/:$|^\\$/ } split ' ', $rule;
	@read = map { m{^/} ? $_ : "$entry->{directory}/$_" } @read;
	return sha256_hex(join "\0", $common, $entry->{command}, map { sha256_hex(slurp($_)) } @read);
}
