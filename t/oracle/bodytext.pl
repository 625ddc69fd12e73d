#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# usage: t/oracle/bodytext.pl FILE ... (or names on standard input, one a line)
#
# What SpamAssassin, as installed, shows to its body, rawbody, full and uri
# rules: a JSON object a line, {"file", "body": [], "rawbody": [], "full": [],
# "uri": []}, where each octet is one character. The redirector patterns of its rules are left out.
use strict;
use warnings;
use Mail::SpamAssassin;

my $sa = Mail::SpamAssassin->new({ local_tests_only => 1,
	dont_copy_prefs => 1, userprefs_filename => '/dev/null',
	site_rules_filename => '/dev/null' });
$sa->init(0);
$sa->{conf}->{redirector_patterns} = [];
binmode(STDOUT, ':raw');

sub quoted {
	my $s = "$_[0]";
	utf8::encode($s) if utf8::is_utf8($s);
	$s =~ s/([^ !#-\[\]-~])/sprintf '\\u%04x', ord $1/ge;
	return '"' . $s . '"';
}

sub array {
	return '[' . join(',', map { quoted($_) } @_) . ']';
}

while (defined(my $file = @ARGV ? shift @ARGV : <STDIN>)) {
	chomp $file;
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $bytes = do { local $/; <$in> };
	my $mail = $sa->parse($bytes, 0);
	my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $mail);

	print '{"file":', quoted($file),
	    ',"body":', array(@{$status->get_decoded_stripped_body_text_array()}),
	    ',"rawbody":', array(@{$status->get_decoded_body_text_array()}),
	    ',"full":', array($mail->get_pristine()),
	    ',"uri":', array(sort $status->get_uri_list()), "}\n";
	$status->finish();
	$mail->finish();
	last if !@ARGV && eof(STDIN);
}
