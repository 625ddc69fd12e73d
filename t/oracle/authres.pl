#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# usage: t/oracle/authres.pl ID < VALUES
#
# Which Authentication-Results fields the installed SpamAssassin trusts when it
# trusts that id: a line of hexadecimal digits is a field's value, a line comes
# back with 1 or 0.

use strict;
use warnings;
use File::Temp qw(tempdir);
use Mail::SpamAssassin;
use Mail::SpamAssassin::PerMsgStatus;

my $id = shift;
my $sa = Mail::SpamAssassin->new({
	config_text => "loadplugin Mail::SpamAssassin::Plugin::AuthRes\n" .
	    "util_rb_tld com net org\n" .
	    "authres_networks all\nauthres_trusted_authserv $id\n",
	local_tests_only => 1,
	dont_copy_prefs => 1,
	userprefs_filename => '/dev/null',
	site_rules_filename => tempdir(CLEANUP => 1),
	rules_filename => '/dev/null',
	home_dir_for_helpers => tempdir(CLEANUP => 1),
});
$sa->init(0);
$SIG{__WARN__} = sub {}; # its own, about each field that is odd
$| = 1;
while (my $line = <STDIN>) {
	chomp($line);
	my $value = pack('H*', $line);
	my $mail = $sa->parse("Authentication-Results: $value\n" .
	    "From: a\@example.org\nSubject: x\n\nx\n");
	my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $mail);
	$status->extract_message_metadata();
	print %{$status->{authres_result} // {}} ? 1 : 0, "\n";
	$status->finish();
	$mail->finish();
}
