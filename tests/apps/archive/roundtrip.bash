#!/bin/bash
# Archives of a tree with hard links, symlinks, holes, modes and odd names.
# shellcheck disable=SC2012
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C TZ=UTC
umask 022
mkdir roundtrip && cd roundtrip || exit

listing()
{
	(cd "$1" && find . -type d -printf '%p %m %T@\n' -o -type l -printf '%p %l %T@\n' -o -printf '%p %y %m %n %T@ %s\n' | sort)
}

contents()
{
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

mkdir -p tree/{bin,lib/deep/er,empty}
cp -r /usr/share/awk tree/lib/ 2>/dev/null
cp -rL /usr/include/linux tree/lib/deep/
cp /bin/ls /bin/cat tree/bin/
ln tree/bin/ls tree/bin/dir
ln -s ../lib tree/bin/libs
ln -s /nonexistent tree/dangling
truncate -s 3M tree/holes
printf end | dd of=tree/holes bs=1 seek=2000000 conv=notrunc status=none
echo odd >"tree/$(printf 'odd\tname \303\251')"
echo secret >tree/secret
chmod 600 tree/secret
chmod 2750 tree/empty
mkfifo tree/fifo
find tree -exec touch -h -d '2020-01-02 03:04:05' {} +
listing tree >before
contents tree >before.sums
contents tree | sha256sum

round()
{
	local name=$1
	shift
	rm -rf out
	mkdir out
	if tar -cf "$name.tar" "$@" tree && tar -xpf "$name.tar" "$@" -C out; then
		cmp before <(listing out/tree) && cmp before.sums <(contents out/tree)
	fi
	is "tar_$name" $? 0
}

round plain
round sparse --sparse
round gzip -z
round bzip2 -j
round xz -J
round pax --format=pax
tar --sort=name --numeric-owner --owner=0 --group=0 -cf fixed.tar tree
is tar_lists "$(tar -tf fixed.tar | wc -l)" "$(find tree | wc -l)"
does tar_compares tar -df fixed.tar
is tar_through_a_pipe "$(tar -cf - tree | (mkdir piped && cd piped && tar -xpf -) && listing piped/tree | cmp - before && echo same)" same
is tar_to_stdout "$(tar -xOf fixed.tar tree/secret)" secret
tar -rf fixed.tar before
is tar_appends "$(tar -tf fixed.tar | tail -n 1)" before
tar --delete -f fixed.tar before
is tar_deletes "$(tar -tf fixed.tar | grep -c before)" 0
tar -cf new.tar --newer-mtime=2021-01-01 . --exclude='*.tar' 2>/dev/null
does tar_newer tar -tf new.tar ./before
tar -czf split.tgz tree && split -b 100000 split.tgz vol. && cat vol.* | tar -tzf - >/dev/null
is tar_in_volumes $? 0

cat before.sums before tree/bin/ls tree/holes >mixed
for tool in gzip bzip2 xz; do
	$tool -k mixed
	cksum <(cat mixed.*) >/dev/null
	is "$tool" "$($tool -dc mixed.* | cksum)" "$(cksum <mixed)"
	does "${tool}_test" $tool -t mixed.*
	rm mixed.?z mixed.bz2 2>/dev/null
done
sum gzip_bytes eval 'gzip -n9 <mixed'
sum xz_bytes eval 'xz -6 <mixed'
is xz_threads "$(xz -T4 --block-size=300000 -c mixed | xz -dc | cksum)" "$(cksum <mixed)"
is gzip_of_damage "$(gzip -c mixed | head -c 5000 | gzip -dc 2>&1 >/dev/null | grep -c 'unexpected end')" 1
is gzip_keeps_time "$(touch -d @1000000000 mixed; gzip mixed; gunzip mixed.gz; stat -c %Y mixed)" 1000000000
is zcat_pipeline "$(gzip -c before | zcat | cmp - before && echo same)" same
(cd tree && find . ! -name fifo -print0 | cpio -o0 -H newc 2>/dev/null) >a.cpio || skipped=yes
if command -v cpio >/dev/null; then
	mkdir cpio && (cd cpio && cpio -idm <../a.cpio 2>/dev/null)
	is cpio "$(contents cpio | cksum)" "$(cksum <before.sums)"
else
	echo "skip cpio: not here${skipped:+, either}"
fi
zip -qry a.zip tree -x '*fifo' '*odd*' && mkdir zip && (cd zip && unzip -q ../a.zip)
is zip "$(contents zip/tree | cksum)" "$(grep -v odd before.sums | cksum)"
ar rc lib.a before before.sums && ar t lib.a | xargs
is ar "$(ar p lib.a before | cksum)" "$(cksum <before)"
