#!/bin/sh
# etc/packages.sh leaves the machine's own policy-rc.d as it was, also when it
# is killed, and knows what is installed from what is only known to dpkg.
# SPDX-License-Identifier: BSD-2-Clause
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/../../etc/packages.sh"
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
		sed 's/^/# /' "$dir/diag"
		tail -n 20 "$dir"/sbin/* "$dir/out" | sed 's/^/# /'
	fi
}

# stub NAME: a program found before the real one, from standard input.
stub() {
	{ echo '#!/bin/sh'; cat; } >"$dir/bin/$1"
	chmod 755 "$dir/bin/$1"
}

# Nothing here is real but the functions under test.
mkdir "$dir/sbin" "$dir/bin"
PATH=$dir/bin:$PATH
status=not-installed apt=
export dir status apt
packages_policy=$dir/sbin/policy-rc.d
packages_saved=$packages_policy.saved
stub id <<'END'
echo 0
END
stub dpkg-query <<'END'
printf '%s ' "$status"
END
stub apt-get <<'END'
"$dir/sbin/policy-rc.d" foo start
echo $? >"$dir/answer"
case $apt in
killed) kill -9 $PPID ;;
terminated) kill $PPID ;;
fails) exit 100 ;;
esac
END

# install APT: one run, in which apt-get does what APT says.
install() {
	apt=$1
	rm -f "$dir/answer"
	(packages_install foo; exit $?) >"$dir/out" 2>&1
}
own_policy() {
	printf '#!/bin/sh\nexit 104\n' >"$packages_policy"
	chmod 755 "$packages_policy"
}
nothing_left() { [ -z "$(ls -A "$dir/sbin")" ]; }
only_own() {
	[ "$(ls -A "$dir/sbin")" = policy-rc.d ] &&
	    grep -q 'exit 104' "$packages_policy"
}
answer() { [ "$(cat "$dir/answer")" = "$1" ]; }

ok 'known but not installed: missing' test "$(packages_missing a)" = 'a '
status=half-installed
ok 'half installed: missing' test "$(packages_missing a)" = 'a '
status=installed
ok 'installed: not missing' test -z "$(packages_missing a)"
install well
ok 'nothing to install: apt-get not asked' test ! -e "$dir/answer"
status=not-installed

install well
ok 'no policy before: services refused' answer 101
ok 'no policy before: none afterwards' nothing_left
install fails
ok 'apt-get failed: none afterwards' nothing_left
install terminated
ok 'terminated: none afterwards' nothing_left
install killed
ok 'killed: ours is left' grep -qxF "$packages_mark" "$packages_policy"
ok 'but stops no service' "$packages_policy" foo start
install well
ok 'the next run removes it' nothing_left
install killed
status=installed
install well
ok 'also when it has nothing to install' nothing_left
status=not-installed

own_policy
install well
ok 'a policy before: services refused' answer 101
ok 'a policy before: it is back' only_own
install fails
ok 'apt-get failed: it is back' only_own
install killed
ok 'killed: it is kept' test -e "$packages_saved"
"$packages_policy" foo start
ok 'and asked' test $? -eq 104
install well
ok 'the next run puts it back' only_own
install killed
own_policy
install well
ok 'killed, and a new policy made: neither is lost' \
	test -e "$packages_policy" -a -e "$packages_saved"
ok 'nothing is installed' test ! -e "$dir/answer"
ok 'and what to do is said' grep -q 'remove one' "$dir/out"
echo "1..$n"
exit $((bad > 0))
