#!/bin/sh
# posternctl key generate makes a key that is safe where it lies, never over
# another, and prints the record that belongs to it; key check compares it with
# what the DNS has.
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
# key ARGS...: run it; its output goes to out and err, its code to code.
key() {
	"$POSTERNCTL" key "$@" >"$dir/out" 2>"$dir/err"
	code=$?
}
# field NAME: of the JSON object.
field() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
		"$dir/out" "$1"
}
# The public half of a private key, as it stands in p=.
public() {
	openssl pkey -in "$1" -pubout -outform DER |
		if [ "$2" = ed25519 ]; then tail -c 32; else cat; fi |
		base64 -w0
}

month=$(date -u +%Y%m)
mkdir "$dir/keys"
key generate Example.ORG. --directory "$dir/keys"
ok 'rsa: exit code' test $code -eq 0
pem=$dir/keys/example.org/$month-rsa.private
ok 'rsa: 2048 bits' sh -c "openssl pkey -in '$pem' -noout -text |
	grep -q '(2048 bit'"
ok 'rsa: only its owner gets at it' test "$(stat -c %a "$pem")" = 600
ok 'rsa: nor into its directory' \
	test "$(stat -c %a "$dir/keys/example.org")" = 700
ok 'rsa: the record is that of the key' \
	grep -qxF "v=DKIM1; h=sha256; k=rsa; p=$(public "$pem" rsa)" "$dir/out"
ok 'rsa: the KeyTable line' grep -qxF \
	"$month-rsa._domainkey.example.org example.org:$month-rsa:$(realpath "$pem")" \
	"$dir/out"
ok 'rsa: the SigningTable line' grep -qxF \
	"*@example.org $month-rsa._domainkey.example.org" "$dir/out"
ok 'rsa: who may read it is said' grep -qxF \
	"The file: mode 0600, owner $(stat -c %U:%G "$pem")" "$dir/out"
ok 'rsa: and who may enter the directory' grep -qxF \
	"Its directory: mode 0700, owner $(stat -c %U:%G "$dir/keys/example.org")" \
	"$dir/out"
ok 'rsa: where the selector is from' grep -q \
	"^The selector, $month-rsa, is made of this month and the type;" "$dir/out"
# What is printed for postern.conf, as it stands.
{
	grep -E '^(Domain|Selector|KeyFile) ' "$dir/out"
	echo 'RequireSafeKeys no'
} >"$dir/pasted"
printf 'From: a@example.org\n\nx\n' >"$dir/mail"
"$POSTERNCTL" check -x "$dir/pasted" --auth a --output text "$dir/mail" \
	>"$dir/signed" 2>"$dir/err"
ok 'rsa: the lines for postern.conf sign' grep -q \
	" dkim=example.org/$month-rsa/" "$dir/signed"
ok 'rsa: zone text in strings of at most 255 octets' python3 -c '
import re, sys
zone = open(sys.argv[1]).read()
assert zone in open(sys.argv[2]).read()
head = re.match(r"(\S+) IN TXT \( ", zone)
assert head[1] == sys.argv[3] + "-rsa._domainkey.example.org.", zone
strings = re.findall(r"\"([^\"]*)\"", zone)
assert len(strings) > 1 and all(len(s) <= 255 for s in strings), strings
assert "".join(strings) in open(sys.argv[2]).read().splitlines(), strings
' "${pem%private}txt" "$dir/out" "$month"

sum=$(cksum <"$pem")
key generate example.org --directory "$dir/keys"
ok 'never over a key that is there: exit code' test $code -eq 73
ok 'never over a key that is there: which, and the cure' grep -q \
	"^posternctl: $dir/keys/example.org/$month-rsa.private: .* --selector" \
	"$dir/err"
ok 'never over a key that is there' test "$(cksum <"$pem")" = "$sum"

key generate example.org --type ed25519 --directory "$dir/keys" --json
ok 'ed25519: exit code' test $code -eq 0
pem=$(field file)
ok 'ed25519: the file' test "$pem" = \
	"$(realpath "$dir/keys")/example.org/$month-ed25519.private"
ok 'ed25519: the record is that of the key' test "$(field record)" = \
	"v=DKIM1; h=sha256; k=ed25519; p=$(public "$pem" ed25519)"
ok 'ed25519: its name in the DNS' \
	test "$(field name)" = "$month-ed25519._domainkey.example.org"
ok 'ed25519: bits' test "$(field bits)" = 256

key generate --selector a.b --bits 1024 example.org --directory "$dir/keys"
ok 'a selector that is given is not explained' sh -c \
	"! grep -q '^The selector' '$dir/out'"
ok 'another selector, other bits' sh -c "openssl pkey -noout -text \
	-in '$dir/keys/example.org/a.b.private' | grep -q '(1024 bit'"

# A message signed with the key verifies with the record.
printf 'a.b._domainkey.example.org example.org:a.b:%s\n' \
	"$dir/keys/example.org/a.b.private" >"$dir/table"
printf '*@example.org a.b._domainkey.example.org\n' >"$dir/signing"
cat >"$dir/conf" <<END
Mode s
KeyTable file:$dir/table
SigningTable refile:$dir/signing
RequireSafeKeys no
END
printf 'From: a@example.org\nSubject: x\n\nbody\n' >"$dir/mail"
"$POSTERNCTL" check -x "$dir/conf" --auth a --from a@example.org \
	--output message "$dir/mail" >"$dir/signed" 2>"$dir/err"
ok 'what it signs verifies with its record' /usr/bin/python3 -c '
import re, sys
import dkim
text = open(sys.argv[2]).read()
record = "".join(re.findall(r"\"([^\"]*)\"", text)).encode()
mail = open(sys.argv[1], "rb").read()
assert dkim.verify(mail, dnsfunc=lambda n, timeout=5: record
                   if n == b"a.b._domainkey.example.org." else None)
' "$dir/signed" "$dir/keys/example.org/a.b.txt"

# key check: each thing that can be wrong with what the DNS publishes is told
# apart, with the record's name, the key's file, what was expected and found.
checked=a.b._domainkey.example.org
file=$dir/keys/example.org/a.b.private
good="v=DKIM1; h=sha256; k=rsa; p=$(public "$file" rsa)"
other=$(public "$dir/keys/example.org/$month-rsa.private" rsa)
ed=$(public "$dir/keys/example.org/$month-ed25519.private" ed25519)
{ cat "$dir/conf"; echo "TestDNSData file:$dir/zone"; } >"$dir/check.conf"
cure='publish the expected record'
# published STATUS CODE NAME RECORD...: the zone has these records.
published() {
	want=$1 exit=$2 what=$3
	shift 3
	: >"$dir/zone"
	for record; do
		echo "$checked TXT $record" >>"$dir/zone"
	done
	key check -x "$dir/check.conf" example.org
	ok "key check, $what: exit code" test $code -eq "$exit"
	ok "key check, $what: what and which record" \
		grep -q "^$checked: $want: " "$dir/out"
	[ "$exit" -eq 0 ] && return
	ok "key check, $what: the file" grep -qxF "  key:      $file" "$dir/out"
	ok "key check, $what: what was expected" \
		grep -qxF "  expected: $good" "$dir/out"
	ok "key check, $what: what to do" \
		grep -q "^  cure:     .*$cure" "$dir/out"
	sed -n "s/^  expected: /$checked TXT /p" "$dir/out" >"$dir/zone"
	ok "key check, $what: that mends it" \
		"$POSTERNCTL" key check -x "$dir/check.conf" example.org
}
published ok 0 'the right record' "$good"
published missing 1 'no record'
ok 'key check, no record: nothing was found' \
	grep -qxF '  found:    nothing' "$dir/out"
published mismatch 1 'another key' "v=DKIM1; k=rsa; p=$other"
ok 'key check, another key: the one found' \
	grep -qxF "  found:    v=DKIM1; k=rsa; p=$other" "$dir/out"
published revoked 1 'revoked' 'v=DKIM1; k=rsa; p='
published type 1 'another type' "v=DKIM1; k=ed25519; p=$ed"
ok 'key check, another type: both' \
	grep -q 'expected k=rsa, found k=ed25519' "$dir/out"
published testing 1 'test mode' "v=DKIM1; t=y; k=rsa; p=${good##*p=}"
cure='take all away but the expected one'
published several 1 'two records' "$good" "v=DKIM1; k=rsa; p=$other"
cure='publish the expected record'
published syntax 1 'no base64' 'v=DKIM1; k=rsa; p=***'
for len in 101 200; do
	cut=$(printf %s "$good" | cut -c "1-$len")
	published syntax 1 "cut at $len octets" "$cut"
	key=${cut##*p=}
	printf '%s TXT %s\n' "$checked" "$cut" >"$dir/zone"
	key check -x "$dir/check.conf" example.org
	ok "key check, cut at $len octets: where it ends" grep -q \
		"p= has ${#key} octets of base64 and ends within the key: is" \
		"$dir/out"
done
published syntax 1 'another thing' "v=DKIM1; k=rsa; p=$(printf '0\202\001\042' |
	cat - /dev/zero | head -c 294 | base64 -w 0)"
printf '%s TXT v=DKIM1; p=MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n' \
	"$checked" >"$dir/zone"
key check -x "$dir/check.conf" example.org
ok 'key check, a key of another kind: no word of a second string' \
	grep -q 'syntax: nobody can use the record: the key is not one for RSA' \
	"$dir/out"
published syntax 1 'no tags' 'hello'
published syntax 1 'a tag twice' "$good; k=rsa"
published syntax 1 'not for SHA-256' "v=DKIM1; h=sha1; p=${good##*p=}"
printf '%s TXT v=DKIM1; p=\302\233\n' "$checked" >"$dir/zone"
key check -x "$dir/check.conf" example.org
ok 'key check, no letters: they are shown as numbers' \
	grep -qxF '  found:    v=DKIM1; p=\xc2\x9b' "$dir/out"
key check -x "$dir/check.conf" example.org --json
ok 'key check --json' test "$(field status),$(field selector),$(field file)" = \
	"syntax,a.b,$file"
ok 'key check --json: the cure' test "$(field cure)" = \
	'publish the expected record in its place, as it stands here'
{ cat "$dir/conf"; echo 'Nameservers 127.0.0.1@1'; echo 'DNSTimeout 2'; } \
	>"$dir/dead.conf"
key check -x "$dir/dead.conf" example.org
ok 'key check, a dead resolver: exit code' test $code -eq 1
ok 'key check, a dead resolver: that the DNS is to blame' \
	grep -q "^$checked: dns: the DNS " "$dir/out"
ok 'key check, a dead resolver: what to do' \
	grep -q '^  cure:     ask again; .*Nameservers' "$dir/out"
key check -x "$dir/check.conf" example.com
ok 'key check, no key for the domain: exit code' test $code -eq 1
ok 'key check, no key for the domain: which' \
	grep -q 'example.com: the configuration has no key' "$dir/err"
key check -x "$dir/check.conf" --selector x example.org
ok 'key check, no such selector' test $code -eq 1
printf 'Domain example.org\nSelector a.b\nKeyFile %s\n%s\n%s\n' "$file" \
	'RequireSafeKeys no' "TestDNSData file:$dir/zone" >"$dir/single.conf"
echo "$checked TXT $good" >"$dir/zone"
key check -x "$dir/single.conf" Example.ORG.
ok 'key check, with KeyFile' test $code -eq 0
printf 'Frobnicate 1\nKeyTable file:%s/none\nSigningTable csl:a\n' "$dir" \
	>"$dir/bad.conf"
key check -x "$dir/bad.conf" example.org
ok 'key check, a bad configuration: all of it' grep -q KeyTable "$dir/err"
ok 'key check, a bad configuration' test $code -eq 78

chmod 777 "$dir/keys"
key generate --selector open example.org --directory "$dir/keys"
ok 'an unsafe place is warned of' grep -q 'warning.*lets every user' "$dir/err"
chmod 755 "$dir/keys"

if [ "$(id -u)" -eq 0 ]; then
	echo 'UserID nobody' >"$dir/user"
	key generate -x "$dir/user" example.net --directory "$dir/keys"
	ok 'as root: that is said' grep -q '^The owner is UserID of' "$dir/out"
	ok 'as root: the files are for UserID' test \
		"$(stat -c %U "$dir"/keys/example.net "$dir"/keys/example.net/* |
		sort -u)" = nobody
	# What UserID can't read is no key that signs, whoever looks.
	chmod 755 "$dir"
	key generate --selector mine example.net --directory "$dir/keys"
	file=$dir/keys/example.net/mine.private
	printf '%s\n' 'UserID nobody' 'Domain example.net' 'Selector mine' \
		"KeyFile $file" "TestDNSData file:$dir/zone" \
		'RequireSafeKeys no' >"$dir/mine.conf"
	echo "mine._domainkey.example.net TXT $(tr -d '\n\t' \
		<"${file%private}txt" | sed 's/^[^"]*"//; s/" *"//g; s/".*//')" \
		>"$dir/zone"
	key check -x "$dir/mine.conf" example.net
	ok 'as root: a key that UserID may not read' test $code -eq 78
	ok 'as root: which, why and the cure' grep -q \
		"KeyFile: $file: user nobody may not read it .*; mend it with" \
		"$dir/err"
	chown nobody "$file"
	key check -x "$dir/mine.conf" example.net
	ok 'as root: one that it may read' test $code -eq 0
	echo 'Nonsense 1' >"$dir/user"
	key generate -x "$dir/user" example.com --directory "$dir/keys"
	ok 'as root: a bad configuration' test $code -eq 78
	ok 'as root: and no key' test ! -e "$dir/keys/example.com"
fi

for args in '' 'generate' 'generate a b' 'list x' 'generate ../x' \
	'generate x --bits 512' 'generate x --bits 2k' 'generate x --type dsa' \
	'generate x --selector a/b' 'generate .' 'generate x --nonsense'; do
	# shellcheck disable=SC2086
	key $args
	ok "refused: key $args" test $code -eq 64
done
key generate x --type dsa
ok 'refused: says what was expected' \
	grep -qF 'posternctl: --type: expected rsa or ed25519' "$dir/err"
key generate example.org --directory /proc
ok 'nothing can be made there: exit code' test $code -eq 73
ok 'nothing can be made there: where' grep -q '/proc: ' "$dir/err"
key generate example.org --directory "$dir/none"
ok 'no such directory: exit code' test $code -eq 73
ok 'no such directory: which' grep -qF "$dir/none" "$dir/err"
"$POSTERNCTL" key --help >"$dir/out"
ok 'help' grep -q 'key generate|check' "$dir/out"
ok 'help, after other words' "$POSTERNCTL" key generate --help

echo "1..$n"
exit $((bad > 0))
