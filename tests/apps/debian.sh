#!/bin/bash
# test: cpus=4 limit=900 quick=no
# With LONG=1: a Debian that debootstrap has made goes into a humfs of an ordinary user, who installs a package from a file there with apt-get. What it
# takes comes from the mirror of this host's apt; the Debian stays in BUILD/tests/debian.tar.
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

names='import_takes_it apt_get_installs_a_file what_was_installed_runs owners_and_modes_are_right dpkg_finds_all_as_it_was the_humfs_is_whole'

skip_all()
{
	for name in $names; do
		echo "skip $name: $1"
	done
	exit 0
}

[ "${LONG:-}" = 1 ] || skip_all 'LONG=1 runs it'
[ -n "$HEDDLE_BIN" ] || skip_all 'no kernel of ours'
[ "$(id -u)" = 0 ] || skip_all 'debootstrap wants root'
command -v debootstrap >/dev/null || skip_all 'debootstrap is missing: apt-get install debootstrap'

# shellcheck disable=SC2016  # apt's own variable
mirror=$(apt-get indextargets --format '$(SITE)' | head -n 1)
tar=${HEDDLE_BIN%/*}/tests/debian.tar
(
	flock 9
	[ -s "$tar" ] || {
		debootstrap --variant=minbase bookworm "$WORK/root" "$mirror" >"$WORK/debootstrap" 2>&1 &&
			tar -C "$WORK/root" -cf "$tar.new" . && mv "$tar.new" "$tar"
	}
) 9>"$tar.lock" || skip_all "debootstrap failed: $(tail -n 1 "$WORK/debootstrap")"
(cd "$WORK" && apt-get download hello >/dev/null 2>&1) || skip_all 'the package hello can'\''t be downloaded'

# The rest is nobody's.
mkdir "$WORK/bin" "$WORK/debs" "$WORK/own"
cp "$HEDDLE_BIN" "${HEDDLE_BIN%/*}/heddle-tools" "$WORK/bin/"
mv "$WORK"/hello_*.deb "$WORK/debs/hello.deb"
chmod -R a+rX "$WORK"
chown nobody: "$WORK/own"
cd "$WORK/own" || exit 2

user()
{
	setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$WORK/own" "$@"
}

guest()
{
	user "$WORK/bin/heddle" run -c "$CPUS" -e "$ENGINE" -r humfs:root --rw -w / -v "hostfs:$WORK/debs:/mnt:ro" -- "$@"
}

user "$WORK/bin/heddle" humfs create root --size 2G
does import_takes_it user "$WORK/bin/heddle" humfs import root <"$tar"
if guest apt-get install -y /mnt/hello.deb >apt 2>&1; then
	echo "ok apt_get_installs_a_file"
else
	echo "FAIL apt_get_installs_a_file: $(tail -n 3 apt | tr '\n' ' ')"
fi
is what_was_installed_runs "$(guest hello)" 'Hello, world!'
is owners_and_modes_are_right "$(guest stat -c '%U:%G %a' /usr/bin/hello /var/lib/dpkg/status /etc/shadow /usr/bin/passwd /dev/null | tr '\n' ' ')" \
	'root:root 755 root:root 644 root:shadow 640 root:root 4755 root:root 666 '
is dpkg_finds_all_as_it_was "$(guest dpkg -V 2>&1)" ''
is the_humfs_is_whole "$(user "$WORK/bin/heddle" humfs check root | grep -c 'damaged: 0, left over: 0$')" 1
