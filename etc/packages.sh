# SPDX-License-Identifier: BSD-2-Clause
# Debian package names that postern needs, in one place, and how they are
# installed. Sourced by t/run, t/support/unpack and etc/quickstart (POSIX sh).

# To build the daemon and its unit tests.
PACKAGES_BUILD="gcc libc6-dev cmake ninja-build pkg-config libmilter-dev
	libopendkim-dev libspf2-dev libconfuse-dev libunbound-dev liblmdb-dev
	libssl-dev libjansson-dev libcmocka-dev libbsd-dev libidn2-dev"

# To run the tests. No mail server is among them: the rig unpacks those
# without installing, so that the machine's own stays as it is.
PACKAGES_TEST="python3 python3-dkim python3-nacl opendkim-tools mandoc
	libsasl2-modules libsasl2-modules-db lmdb-utils m4"

# packages_missing NAME...: prints those that are not installed.
packages_missing() {
	for p_name in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status} ' "$p_name" \
		    2>/dev/null) in
		*installed*) ;;
		*) printf '%s ' "$p_name" ;;
		esac
	done
}

# packages_install NAME...: installs what is missing, starting no service.
# Runs in a subshell, so the trap and the saved policy are its own.
packages_install() (
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || exit 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing packages, and only root can install: $missing" >&2
		exit 1
	fi
	# Two tests may unpack at once; the policy file has one owner at a time.
	# The lock is on its directory, which is there on every system.
	policy=/usr/sbin/policy-rc.d
	exec 9<"${policy%/*}"
	flock 9
	saved=$policy.postern-saved
	# A saved file that is already there was left by a run that was killed.
	if [ -e "$policy" ] && [ ! -e "$saved" ]; then
		mv "$policy" "$saved"
	fi
	trap 'rm -f "$policy"; [ ! -e "$saved" ] || mv "$saved" "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	export DEBIAN_FRONTEND=noninteractive
	set -- -y -q --no-install-recommends -o DPkg::Lock::Timeout=600
	# Old package lists name versions that are gone: refresh, then once more.
	# The lock must not be inherited by anything that stays, hence 9>&-.
	# shellcheck disable=SC2086
	apt-get install "$@" $missing 9>&- ||
	    { apt-get update -q 9>&- && apt-get install "$@" $missing 9>&-; }
)
