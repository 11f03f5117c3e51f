# name: Redis
# kind: C, a child saves while threads of the server are busy
# need: redis-benchmark redis-tools
# forks: 100
# when: full
# bare: works
set -eu
. "$GALLERY/gallery.sh"
cd "$(mktemp -d)"
# The package that has the server installs a service, too; the tools have the same program by another name.
ln -s "$(command -v redis-check-rdb)" redis-server
./redis-server --version | sed 's/.*v=\([^ ]*\).*/version: \1/'
./redis-server --port 0 --unixsocket socket --save "" --io-threads 4 --logfile log &
server=$!
until redis-cli -s socket ping 2>&1 | grep -q PONG; do kill -0 $server; done
redis-cli -s socket eval 'for i = 1, 10000 do redis.call("set", i, i) end' 0 >filled
redis-benchmark -s socket -l -q -t set >rates &
load=$!
until redis-cli -s socket dbsize | grep -q 10001; do kill -0 $load; done
trap 'kill $load $server; wait $load $server || true; rm -rf "$PWD"' EXIT
# It refuses to while it is at it; what it saves must be whole.
cat >save <<'END'
rm -f dump.rdb
until redis-cli -s socket bgsave | grep -q started; do sleep 0.01; done
until [ -e dump.rdb ]; do sleep 0.01; done
redis-check-rdb dump.rdb
END
count "10001 keys read" "$1" "$2" bash save
