#!/bin/sh
# redis.sh: a server, and a benchmark that fills it while it saves in the background, which forks.
#
#   redis.sh REQUESTS SAVES      prints what came of it, and to stderr the milliseconds of benchmark and saves
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
socket=$directory/socket
# The package that has the server installs a service too; the tools have the same program by another name.
ln -s "$(command -v redis-check-rdb)" "$directory/redis-server"
"$directory/redis-server" --port 0 --unixsocket "$socket" --dir "$directory" --save "" \
    --appendonly yes --logfile "$directory/log" &
server=$!
cli() { redis-cli -s "$socket" "$@"; }
until cli ping 2>/dev/null | grep -q PONG; do kill -0 $server; done

begin=$(date +%s%N)
redis-benchmark -s "$socket" -n "$1" -r 100000 -c 20 -P 4 -q -t set,get,incr,lpush,sadd >"$directory/rates" &
benchmark=$!
# Refused while one is under way.
cli -r "$2" -i 0.05 bgsave >"$directory/saves"
wait $benchmark
end=$(date +%s%N)
until cli info persistence | grep -q rdb_bgsave_in_progress:0; do :; done

grep -q started "$directory/saves"
echo "benchmarks: $(tr '\r' '\n' <"$directory/rates" | grep -c 'requests per second')"
cli info persistence | tr -d '\r' | grep -E '^(rdb_last_bgsave_status|aof_last_write_status):'
echo "list: $(cli llen mylist)"
cli bgrewriteaof >/dev/null
until cli info persistence | grep -q aof_rewrite_in_progress:0; do :; done
cli info persistence | tr -d '\r' | grep -E '^aof_last_bgrewrite_status:'
cli shutdown nosave
wait $server
echo "server: $?"
echo $(((end - begin) / 1000000)) >&2
