#!/bin/bash
# shellcheck disable=SC2012
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
mkdir db && cd db || exit

sqlite3 bulk.db <<'END'
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
	INSERT INTO t SELECT i, (i * 7919) % 100003, 'name ' || (i % 1000) FROM n;
CREATE INDEX tk ON t(k);
CREATE INDEX tn ON t(name, k);
END
is bulk "$(sqlite3 bulk.db 'SELECT count(*), sum(k), min(k), max(k) FROM t')" "$(sqlite3 bulk.db 'SELECT 100000, total, a, b FROM (SELECT sum((id * 7919) % 100003) AS total, min(k) AS a, max(k) AS b FROM t)')"
sqlite3 bulk.db 'SELECT name, count(*), avg(k) FROM t GROUP BY name ORDER BY 3 LIMIT 5'
sum whole_table sqlite3 bulk.db 'SELECT * FROM t ORDER BY k, id'
is integrity "$(sqlite3 bulk.db 'PRAGMA integrity_check')" ok
sum dump sqlite3 bulk.db .dump
sqlite3 bulk.db .dump | sqlite3 again.db
is restored "$(sqlite3 again.db 'SELECT * FROM t' | cksum)" "$(sqlite3 bulk.db 'SELECT * FROM t' | cksum)"
is rollback "$(sqlite3 bulk.db 'BEGIN; DELETE FROM t; ROLLBACK; SELECT count(*) FROM t')" 100000
sqlite3 bulk.db 'DELETE FROM t WHERE id % 3 = 0; VACUUM'
is vacuum "$(sqlite3 bulk.db 'SELECT count(*) FROM t') $(($(stat -c %s bulk.db) < $(stat -c %s again.db)))" "66667 1"
is constraint "$(sqlite3 bulk.db 'INSERT INTO t VALUES (1, 1, 1)' 2>&1 | grep -c UNIQUE)" 1
is mmap_mode "$(sqlite3 bulk.db 'PRAGMA mmap_size=100000000; SELECT sum(id) FROM t' | tail -n 1)" "$(sqlite3 bulk.db 'SELECT sum(id) FROM t')"
seq 5000 | awk '{ print $1 ",row " $1 }' >rows.csv
sqlite3 csv.db 'CREATE TABLE c(a INTEGER, b TEXT)' '.mode csv' '.import rows.csv c'
is csv "$(sqlite3 csv.db 'SELECT count(*), max(a), min(b) FROM c')" "5000|5000|row 1"
sqlite3 csv.db '.backup copy.db'
is backup "$(sqlite3 copy.db 'SELECT sum(a) FROM c')" 12502500
sqlite3 json.db "SELECT json_extract('{\"a\":[1,2,{\"b\":3}]}', '\$.a[2].b')"

# --- four writers at once; each adds one to a counter two hundred times
compete()
{
	local journal=$1 n
	rm -f shared.db*
	sqlite3 shared.db "PRAGMA journal_mode=$journal; CREATE TABLE c(n INTEGER); INSERT INTO c VALUES (0);
		CREATE TABLE l(w INTEGER, i INTEGER)" >/dev/null
	for writer in 1 2 3 4; do
		for n in $(seq 50); do
			echo "BEGIN IMMEDIATE; UPDATE c SET n = n + 1; INSERT INTO l VALUES ($writer, $n); COMMIT;"
		done | sqlite3 -cmd '.timeout 200000' shared.db &
	done
	wait
	is "writers_$journal" "$(sqlite3 shared.db 'SELECT n, (SELECT count(*) FROM l), (SELECT count(DISTINCT w) FROM l) FROM c')" \
		"200|200|4"
	is "integrity_$journal" "$(sqlite3 shared.db 'PRAGMA integrity_check')" ok
}
compete delete
compete truncate
compete wal
sqlite3 -cmd '.timeout 10000' shared.db 'BEGIN IMMEDIATE; UPDATE c SET n = 1000;' '.shell sh -c "touch begun; until [ -e enough ]; do sleep 0.1; done"' 'ROLLBACK;' &
await [ -e begun ]
is wal_readers_see_the_last_commit "$(sqlite3 shared.db 'SELECT n FROM c')" 200
fails wal_second_writer_is_refused sqlite3 shared.db 'UPDATE c SET n = 0'
touch enough
wait
is wal_checkpoint "$(sqlite3 shared.db 'PRAGMA wal_checkpoint(TRUNCATE)')" "0|0|0"

# --- a writer that dies in the middle of a transaction
rm -f killed.db*
sqlite3 killed.db 'CREATE TABLE t(i INTEGER); INSERT INTO t VALUES (1)'
mkfifo commands
sqlite3 killed.db <commands &
victim=$!
exec 3>commands
cat >&3 <<'END'
PRAGMA cache_size=10;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO t SELECT i FROM n;
END
written()
{
	[ -s killed.db-journal ] && [ "$(stat -c %s killed.db)" -gt 100000 ]
}
await written
does dirty_pages_were_written [ "$(stat -c %s killed.db)" -gt 100000 ]
kill -KILL $victim
wait 2>/dev/null
exec 3>&-
is hot_journal_is_rolled_back "$(sqlite3 killed.db 'SELECT count(*), sum(i) FROM t')" "1|1"
is integrity_after_the_kill "$(sqlite3 killed.db 'PRAGMA integrity_check')" ok
