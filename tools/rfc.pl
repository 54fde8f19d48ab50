#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tools/rfc.pl [LOGS] - hold doc/rfc.md to the tests. Prints file:line for each row that is wrong:
#
#	a verdict that is none, or "met" without a test, or one id twice
#	a test that does not exist; words after its colon that do not occur in it (smoke and unit need words)
#	a scenario whose "# proves:" names no row here, or a row whose verdict does not claim anything
#	with the folder of the tests' logs: a test that did not run, or of which no such case passed
use strict;
use warnings;

my $doc = 'doc/rfc.md';
my $verdicts = qr{^(met|in part|not yet|decided otherwise)(?:: \S.*)?$};
my $needs_words = qr{^(?:smoke|unit)$};
my ($logs) = @ARGV;
my (%rows, %texts, $wrong);

sub complain {
	print "$_[0]: $_[1]\n";
	$wrong = 1;
}

# The text of a file; undef if there is none.
sub text {
	my ($path) = @_;
	return $texts{$path} if exists $texts{$path};
	open my $in, '<', $path or return $texts{$path} = undef;
	local $/;
	return $texts{$path} = <$in> // '';
}

# The text that a test's name stands for. A model is a program of SPIN, a scenario a script of packets.
sub test_text {
	my ($group, $name) = @_;
	for my $kind (qw(scn test c pml)) {
		my $text = text("tests/$group/$name.$kind");
		return $text if defined $text;
	}
	return;
}

sub check_test {
	my ($at, $span) = @_;
	my ($group, $name, $words) = $span =~ m{^([a-z]+)/([a-z0-9_]+)(?:: ?(.+))?$};
	return complain($at, "\"$span\" is not GROUP/NAME or GROUP/NAME: WORDS") unless $name;
	my $text = test_text($group, $name);
	return complain($at, "there is no test tests/$group/$name") unless defined $text;
	return complain($at, "$span: words of the case are missing") if $group =~ $needs_words && !defined $words;
	return complain($at, "$group/$name: no case has the words \"$words\"") if defined $words && index($text, $words) < 0;
	check_ran($at, $group, $name, $words) if defined $logs;
}

# The lines of cases that passed, of the log that a test's name stands for: all models are run by one test, all scenarios by another.
sub passed {
	my ($group, $name) = @_;
	my %of = (scenarios => ['runner', "$name.scn "], model => ['model', $name], fuzz => ['fuzz', "$name: "]);
	my ($test, $begin) = @{ $of{$group} // [$name, ''] };
	return grep { /^ok \d+ - \Q$begin\E/ && !/# SKIP/i } split /\n/, text("$logs/$group-$test.tap") // '';
}

sub check_ran {
	my ($at, $group, $name, $words) = @_;
	my @passed = passed($group, $name);
	return complain($at, "$group/$name did not run, or nothing of it passed") unless @passed;
	return unless defined $words;
	my $pattern = join '.+', map { quotemeta } split /\{\w+\}/, $words, -1; # in a name that is put together
	return if grep { /$pattern/ } @passed;
	complain($at, "$group/$name: no case with the words \"$words\" passed");
}

sub check_row {
	my ($at, $id, $verdict, $tests) = @_;
	my ($word) = $verdict =~ $verdicts;
	my @spans = $tests =~ /`([^`]+)`/g;
	complain($at, "$id stands twice") if $rows{$id};
	$rows{$id} = $word // 'none';
	return complain($at, "$id: \"$verdict\" is no verdict") unless $word;
	complain($at, "$id: in part, without saying what is missing") if $verdict eq 'in part';
	complain($at, "$id: met, but no test is named") if $word eq 'met' && !@spans;
	check_test($at, $_) for @spans;
}

sub check_scenarios {
	for my $path (glob 'tests/scenarios/*.scn') {
		my ($proves) = (text($path) // '') =~ /^# proves: (.+)$/m;
		for my $id (split /, */, $proves // '') {
			my $word = $rows{$id};
			complain($path, "proves $id, which is no row of $doc") unless $word;
			complain($path, "proves $id, which $doc calls \"$word\"") if ($word // '') eq 'not yet';
		}
	}
}

open my $in, '<', $doc or die "$doc: $!\n";
while (my $line = <$in>) {
	next unless $line =~ /^\| /;
	chomp $line;
	my @cells = map { s/^\s+|\s+$//gr } split /\|/, $line, -1;
	next unless @cells == 7;	# five cells between six bars; the table of verdicts has two
	next if $cells[1] eq 'id' || $cells[1] =~ /^-+$/;
	check_row("$doc:$.", @cells[1, 4, 5]);
}
complain($doc, 'no rows') unless %rows;
check_scenarios();
exit($wrong ? 1 : 0);
