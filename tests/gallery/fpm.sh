# name: php-fpm
# kind: PHP, a new worker for each request
# need: /usr/sbin/php-fpm8.2 php8.2-fpm
# need: cgi-fcgi libfcgi-bin
# forks: 100
# bare: works
set -eu
. "$GALLERY/gallery.sh"
directory=$(mktemp -d)
cat >"$directory/conf" <<END
[global]
error_log = $directory/log
[www]
listen = $directory/socket
user = nobody
pm = static
pm.max_children = 2
pm.max_requests = 1
END
echo '<?php echo date("Y", 0), " ", gethostbyname("localhost");' >"$directory/script.php"
chmod -R a+rX "$directory"
php-fpm8.2 --version | sed -n 's/^PHP \([0-9.]*\).*/version: \1/p'
php-fpm8.2 --nodaemonize --fpm-config "$directory/conf" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$directory"' EXIT
until [ -S "$directory/socket" ]; do kill -0 $server; done
export SCRIPT_FILENAME="$directory/script.php" REQUEST_METHOD=GET
count "1970 127.0.0.1" "$1" "$2" cgi-fcgi -bind -connect "$directory/socket"
