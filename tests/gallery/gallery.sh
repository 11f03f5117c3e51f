# What the servers share: requests, each of which a worker of its own answers.

# count EXPECTED FORKS HANGS COMMAND…: what becomes of requests that COMMAND makes, whose answers must have EXPECTED in them.
count() {
    local expected=$1 forks=$2 most=$3 done=0 hangs=0 crashes=0 wrong=0 status answer
    shift 3
    while [ $done -lt "$forks" ] && [ $hangs -lt "$most" ]; do
        status=0
        answer=$(timeout 10 "$@") || status=$?
        done=$((done + 1))
        case $status,$answer in
        0,*"$expected"*) ;;
        0,*) wrong=$((wrong + 1)) ;;
        124,*) hangs=$((hangs + 1)) ;;
        *) crashes=$((crashes + 1)) ;;
        esac
    done
    echo "forks=$done hangs=$hangs crashes=$crashes wrong=$wrong"
}
