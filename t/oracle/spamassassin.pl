#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# usage: t/oracle/spamassassin.pl RULES MAIL ...
#
# What the installed SpamAssassin finds by that rules file alone, without a
# network: a line a mail, in the form of t/support/drivers/rules_cli.c.

use strict;
use warnings;
use File::Temp qw(tempdir);
use Mail::SpamAssassin;

my $rules = shift;
my $site = tempdir(CLEANUP => 1);
open(my $pre, '>', "$site/init.pre") or die;
print $pre "loadplugin Mail::SpamAssassin::Plugin::$_\n"
    for qw(Check HeaderEval RelayEval WLBLEval ReplaceTags
           WelcomeListSubject FreeMail MIMEHeader MIMEEval BodyEval HTMLEval
           URIEval DKIM);
close($pre);
my $tlds = 'util_rb_tld com net org edu gov uk ie de fr';
if (open(my $f, '<', '/usr/share/spamassassin/20_aux_tlds.cf')) {
	$tlds = join('', <$f>);
}
open(my $in, '<', $rules) or die "$rules: $!\n";
my $text = join('', <$in>);
close($in);

my $sa = Mail::SpamAssassin->new({
	config_text => join('', map { "loadplugin Mail::SpamAssassin::Plugin::$_\n" }
	    qw(Check HeaderEval RelayEval WLBLEval ReplaceTags
	       WelcomeListSubject FreeMail MIMEHeader MIMEEval BodyEval HTMLEval
	       URIEval DKIM)) . "$tlds\n" . $text,
	local_tests_only => 1,
	dont_copy_prefs => 1,
	userprefs_filename => '/dev/null',
	home_dir_for_helpers => $site,
});
for my $path (@ARGV) {
	open(my $f, '<:raw', $path) or die "$path: $!\n";
	my $mail = $sa->parse([<$f>]);
	close($f);
	my $status = $sa->check($mail);
	my %n;
	$n{$_}++ for split(/,/, $status->get_names_of_tests_hit());
	my %sub = map { $_ => 1 }
	    map { s/\(.*//r =~ s/\s+//gr }
	    split(/,/, $status->get_names_of_subtests_hit('scalar') // '');
	print join("\t", $path,
	    join(' ', map { "$_:$n{$_}:0" } sort keys %n),
	    join(' ', map { "$_:1:0" } sort grep { /^__/ } keys %sub)), "\n";
	$status->finish();
	$mail->finish();
}
