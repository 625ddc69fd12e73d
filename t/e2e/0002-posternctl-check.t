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
    assert g["edits"][0]["op"] == "insert", g
    assert g["edits"][0]["name"] == "DKIM-Filter", g
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
check --no-such-option
ok 'usage: 64' test $code -eq 64
printf 'Mode q\n' >"$dir/conf"
check -x "$dir/conf"
ok 'a bad configuration: 78' test $code -eq 78
ok 'and says file, line, keyword' \
	grep -q "^$dir/conf:1: Mode: expected" "$dir/err"
echo "1..$n"
exit $((bad > 0))
