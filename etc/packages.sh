# SPDX-License-Identifier: BSD-2-Clause
# Debian package names that postern needs, in one place, and how they are
# installed. Sourced by t/run, t/support/rig/unpack and etc/quickstart (POSIX sh).

# To build the daemon and its unit tests.
PACKAGES_BUILD="gcc libc6-dev cmake ninja-build pkg-config libmilter-dev
	libopendkim-dev libspf2-dev libconfuse-dev libunbound-dev liblmdb-dev
	libssl-dev libjansson-dev libcmocka-dev libidn2-dev libpsl-dev
	libpcre2-dev libmicrohttpd-dev libncurses-dev"

# To run what stands on the rig (t/support). No mail server is among them: the
# rig unpacks those without installing, so that the machine's own stays as it
# is.
PACKAGES_RIG="python3 python3-dkim libsasl2-modules libsasl2-modules-db"

# To run the tests.
PACKAGES_TEST="$PACKAGES_RIG python3-nacl python3-yaml opendkim-tools openssl mandoc
	lmdb-utils m4 make python3-spf publicsuffix xz-utils"

# packages_missing NAME...: prints those that are not installed.
packages_missing() {
	for p_name in "$@"; do
		# The spaces matter: "not-installed" is a status as well.
		case " $(dpkg-query -W -f '${db:Status-Status} ' "$p_name" \
		    2>/dev/null)" in
		*" installed "*) ;;
		*) printf '%s ' "$p_name" ;;
		esac
	done
}

# While packages are installed, Debian asks this program whether a service may
# be started. An admin's own is put aside for that time.
packages_policy=/usr/sbin/policy-rc.d
packages_saved=$packages_policy.postern-saved
packages_mark='# Written by postern while it installs packages.'

# Puts things back as they were, also after a run that was killed: what that
# left is known by its mark. Idempotent; the caller holds the lock.
packages_policy_restore() {
	rm -f "$packages_policy.postern-new"
	if grep -qsxF "$packages_mark" "$packages_policy"; then
		rm -f "$packages_policy"
	fi
	[ -e "$packages_saved" ] || return 0
	if [ -e "$packages_policy" ]; then
		echo "$packages_saved was put aside by a run that was killed," \
		    "and there is a new $packages_policy: remove one" >&2
		return 1
	fi
	mv "$packages_saved" "$packages_policy"
}

# A policy that starts nothing. Left behind by a run that was killed, and so
# lost its lock, it does no harm: it hands the question on.
packages_policy_set() {
	cat >"$packages_policy.postern-new" <<-EOF
		#!/bin/sh
		$packages_mark
		flock -n "${packages_policy%/*}" true || exit 101
		[ ! -x "$packages_saved" ] || exec "$packages_saved" "\$@"
	EOF
	chmod 755 "$packages_policy.postern-new"
	if [ -e "$packages_policy" ]; then
		mv "$packages_policy" "$packages_saved"
	fi
	mv "$packages_policy.postern-new" "$packages_policy"
}

# packages_install NAME...: installs what is missing, starting no service and
# removing no package. Runs in a subshell, so that its traps are its own.
packages_install() (
	missing=$(packages_missing "$@")
	if [ -n "$missing" ] && [ "$(id -u)" -ne 0 ]; then
		echo "missing packages, and only root can install: $missing" >&2
		exit 1
	fi
	[ "$(id -u)" -eq 0 ] || exit 0
	# Two tests may unpack at once; the policy file has one owner at a time.
	# The lock is on its directory, which is there on every system.
	exec 9<"${packages_policy%/*}"
	flock 9
	packages_policy_restore || exit 1
	[ -n "$missing" ] || exit 0
	trap packages_policy_restore EXIT
	trap 'exit 1' HUP INT TERM
	packages_policy_set || exit 1
	# dpkg wants these; who became root by su may not have them.
	export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
	export DEBIAN_FRONTEND=noninteractive
	set -- -y -q --no-install-recommends --no-remove \
	    -o DPkg::Lock::Timeout=600
	# Old package lists name versions that are gone: refresh, then once more.
	# The lock must not be inherited by anything that stays, hence 9>&-.
	# shellcheck disable=SC2086
	apt-get install "$@" $missing 9>&- ||
	    { apt-get update -q 9>&- && apt-get install "$@" $missing 9>&-; }
)
