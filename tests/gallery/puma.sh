# name: puma
# kind: Ruby, a cluster whose master looks names up
# need: puma puma
# need: curl curl
# forks: 200
# bare: hangs
# when: full
set -eu
. "$GALLERY/gallery.sh"
directory=$(mktemp -d)
cat >"$directory/conf" <<END
require "socket"
def resolve = Addrinfo.getaddrinfo("localhost", 80, nil, :STREAM, nil, Socket::AI_ADDRCONFIG)
2.times { Thread.new { loop { resolve } } }
bind "unix://$directory/socket"
workers 1
preload_app!
worker_shutdown_timeout 1
app do
  Process.kill(:TERM, Process.pid) # Each worker answers one request.
  [200, {}, [resolve.first.ip_address]]
end
END
puma --version | sed 's/puma version/version:/'
puma --silent --config "$directory/conf" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$directory"' EXIT
until [ -S "$directory/socket" ]; do kill -0 $server; done
count 127.0.0.1 "$1" "$2" curl --silent --unix-socket "$directory/socket" http://localhost/
