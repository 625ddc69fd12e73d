#!/bin/sh
# posternctl check prints the full object for any message, however broken.
# SPDX-License-Identifier: BSD-2-Clause
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 bad=0

# ok NAME COMMAND...: one test, passed when the command succeeds.
ok() {
	name=$1
	shift
	n=$((n + 1))
	if "$@" >"$dir/diag" 2>&1; then
		echo "ok $n - $name"
	else
		bad=$((bad + 1))
		echo "not ok $n - $name"
		sed 's/^/# /' "$dir/diag" "$dir/out" "$dir/err"
	fi
}
# check ARGS...: run it; its output goes to out and err, its code to code.
check() {
	"$POSTERNCTL" check "$@" >"$dir/out" 2>"$dir/err" <"$dir/in"
	code=$?
}
: >"$dir/in"

mkdir "$dir/mails"
printf 'From: a@example.org\nSubject: one\n\nbody\n' >"$dir/mails/a.eml"
printf 'From x@y Thu\r\nFrom: a@example.org\r\n\r\n' >"$dir/mails/b.eml"
printf '\377\376\000 no header\n' >"$dir/mails/c.eml"
cp "$dir/mails/a.eml" "$dir/mails/.hidden.eml"
echo 'SoftwareHeader yes' >"$dir/conf"

check -x "$dir/conf" "$dir/mails"
ok 'a directory: exit code' test $code -eq 0
ok 'a directory: one object a message, in name order' \
	python3 -c '
import json, sys
d = sys.argv[1]
got = [json.loads(l) for l in open(d + "/out", encoding="utf-8")]
assert [g["file"] for g in got] == [f"{d}/mails/{x}.eml" for x in "abc"], got
keys = {"file", "direction", "spf", "spf_helo", "dkim", "dmarc", "rdns",
        "symbols", "score", "verdict", "decided_by", "reply", "edits"}
for g in got:
    assert keys <= set(g), g
    assert g["direction"] == "inbound" and g["verdict"] == "accept", g
    assert [(e["op"], e["name"]) for e in g["edits"]] == [
        ("insert", "Authentication-Results"), ("insert", "DKIM-Filter")], g
' "$dir"

printf 'A: b\n\nx\n' >"$dir/in"
check --auth bob --from bob@example.org --rcpt x@y
ok 'standard input and a login: outbound' \
	grep -q '"direction":"outbound"' "$dir/out"
check -x "$dir/conf" --output message
ok 'the message with its edits' \
	test "$(head -c 12 "$dir/out")" = 'DKIM-Filter:'
ok 'the message itself, with CRLF' python3 -c '
import sys
assert open(sys.argv[1], "rb").read().endswith(b"\r\nA: b\r\n\r\nx\r\n")
' "$dir/out"
printf '' >"$dir/in"
check
ok 'an empty message gets its object' \
	grep -q '"verdict":"accept"' "$dir/out"
check "$dir/absent"
ok 'a file that is not there: 66' test $code -eq 66
for bad_use in '--no-such-option' '--time 0' '--time 1x' \
	'--time 99999999999999999999' '--time 9223372036854775807' \
	'--client-ip 300.1.1.1' '--client-ip 192.0.2.1 --client-ip x' \
	'--output xml' '--from'; do
	# shellcheck disable=SC2086
	check $bad_use
	ok "usage: 64: $bad_use" test $code -eq 64
done
"$POSTERNCTL" check <"$dir/in" >/dev/full 2>"$dir/err"
code=$?
ok 'output that can not be written: 74' test $code -eq 74

printf 'From: a@x.org\nA: b\n c\n\nx\n' >"$dir/in"
check --output message
ok 'folds with CRLF too' python3 -c '
import sys
assert open(sys.argv[1], "rb").read().endswith(b"\r\nA: b\r\n c\r\n\r\nx\r\n")
' "$dir/out"
check --output text
ok 'as text' grep -q '^-: inbound, accept' "$dir/out"

# says WORDS ARGS...: the object has these words.
says() {
	words=$1
	shift
	check -x "$dir/conf" "$@"
	ok "$words: $*" grep -qF "$words" "$dir/out"
}
cat >"$dir/conf" <<-END
	Mode s
	MTA submission
	KeyTable csl:k=x.org:s:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=
	SigningTable x.org=k
END
says '"direction":"inbound"' --client-ip 192.0.2.1 --daemon smtpd
says '"direction":"outbound"' --client-ip 127.0.0.1
says '"direction":"outbound"' --client-ip ::ffff:127.0.0.1
says '"direction":"outbound"' --client-ip 192.0.2.1 --daemon submission
says 't=1700000000' --client-ip 127.0.0.1 --time 1700000000
echo 'SenderLogins @x.org=al' >>"$dir/conf"
says '"verdict":"reject","decided_by":"login","reply":"550 5.7.1 The' \
	--auth bob
says '  reply 550 5.7.1 The' --auth bob --output text
says '  why It is refused by login for the symbol FROM_NOT_OWNED, because '\
'SenderLogins does not give a@x.org to the account bob.' --auth bob --output text
ok 'and nothing beside it' test ! -s "$dir/err"
says '  why It is accepted: nothing refuses or holds it; it leaves signed with '\
'x.org/s/ed25519-sha256.' --auth al --output text
says '  insert DKIM-Signature: v=1; a=' --auth al --output text
says ' unsigned="no key is configured"' -x /dev/null --client-ip 127.0.0.1 --output text
echo "QuotaTable $dir/quota" >>"$dir/conf"
printf 'Quota default {\n Recipients = {1/hour}\n}\n' >>"$dir/conf"
says '"verdict":"accept"' --auth al --rcpt a@y.org
says '"verdict":"accept"' --auth al --rcpt a@y.org --rcpt b@y.org
printf 'Quota al {\n Recipients = {0/hour}\n}\n' >>"$dir/conf"
says '"verdict":"tempfail","decided_by":"quota","reply":"450 4.7.1 ' \
	--auth al --rcpt a@y.org --rcpt b@y.org
says '  why It is refused for now by quota, because the account al would be '\
'over its limit of 0 recipients in 1 hour, of which 0 are used; it alone is more than '\
'the limit.' \
	--auth al --rcpt a@y.org --output text
says '  rcpt a@y.org is refused for now by quota, because the account al ' \
	--auth al --rcpt a@y.org --output text
says ', tempfail by quota account=al quota=recipients/1h:0/0' \
	--auth al --rcpt a@y.org --output text
says '  reply 450 4.7.1 ' --auth al --rcpt a@y.org --output text
ok 'makes no table' test ! -e "$dir/quota"
# What is listed, what rules say and what becomes of the header, for people.
printf '192.0.2.9 ask the postmaster\n' >"$dir/blocked"
printf 'header PILLS Subject =~ /pills/\ndescribe PILLS Of pills\n' \
	>"$dir/rules.cf"
cat >"$dir/conf" <<-END
	TestDNSData csl:x=y
	AuthservID mx.x.org
	BlockList file:$dir/blocked
	RuleFile $dir/rules.cf
	QuarantineScore 0.5
END
printf 'Authentication-Results: mx.x.org; spf=pass\nSubject: pills\n\nx\n' \
	>"$dir/in"
for words in ', reject by blocklist account=- block=client/192.0.2.9 ' \
	'  why It is refused by blocklist for the symbol USER_IN_BLOCKLIST, '\
'because the client is in BlockList, by its entry 192.0.2.9.' \
	'  reply 550 5.7.1 ask the postmaster' \
	'  symbol USER_IN_BLOCKLIST 100.000' '  rule PILLS 1.000 Of pills'; do
	says "$words" --client-ip 192.0.2.9 --output text
done
for words in '  why It is held by rules, because the score ' \
	'  delete Authentication-Results 1' \
	'  insert Authentication-Results: mx.x.org;'; do
	says "$words" --client-ip 192.0.2.8 --output text
done
: >"$dir/in"
printf 'Mode q\n' >"$dir/conf"
check -x "$dir/conf"
ok 'a bad configuration: 78' test $code -eq 78
ok 'and says file, line, keyword' \
	grep -q "^$dir/conf:1: Mode: expected" "$dir/err"
echo "1..$n"
exit $((bad > 0))
