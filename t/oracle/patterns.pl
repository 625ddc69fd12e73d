# SPDX-License-Identifier: BSD-2-Clause
# usage: patterns.pl < CASES
#
# A case is one line, a pattern as a rule has it, a tab, and a text, to which a
# line end is added as fields have it. Printed is what Perl makes of it, as
# SpamAssassin has it compiled (Util.pm, compile_regexp): `refused`, or whether
# it matches, `yes` or `no`; `died` when that has no end.

use strict;
use warnings;

binmode STDIN;
$| = 1;

sub compile {
	my ($text) = @_;
	my ($re, $mods);

	if ($text =~ m{\A/(.*)/([a-df-z]*)\z}s) {
		($re, $mods) = ($1, $2);
	} else {
		return;
	}
	return if $re eq '' || $re =~ /\(\?\??\{/;
	(my $bare = $re) =~ s{\\\\}{}g;
	return if $bare =~ m{(?<!\\)/};
	$re = "(?$mods)$re" if $mods ne '';
	return eval {
		local $SIG{__WARN__} = sub {
			die $_[0] unless $_[0] =~ /deprecated/i;
		};
		qr/$re/aa;
	};
}

while (my $line = <STDIN>) {
	chomp $line;
	my ($pattern, $text) = split /\t/, $line, 2;
	my $re = compile($pattern);

	if (!defined $re) {
		print "refused\n";
		next;
	}
	my $hit = eval { "$text\n" =~ $re ? 'yes' : 'no' };

	print $hit // 'died', "\n";
}
