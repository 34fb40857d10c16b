# What the end-to-end tests share: sourced by each. POSIX sh, curl, jq.
#
# A test starts what it needs on free loopback ports, waits for readiness instead of sleeping, and ends what it started, and
# nothing else. It prints each step; a failed one ends it with exit code 1, a missing program or file with 77 and a SKIP line.
set -u
srcdir=${TOCSIN_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
builddir=${TOCSIN_BUILDDIR:-$srcdir/build}
tocsin=$builddir/tocsin
shared=$srcdir/../shared
name=$(basename "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/tocsin-$name.XXXXXX")
pids=
address= daemon= hook= hook_log=$work/hook.log

cleanup() {
	status=$?
	trap - EXIT INT TERM
	# One that a test had stopped goes on first. Later would not do: at the end of a process a sanitizer stops it as well.
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -CONT $pids 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null
	for pid in $pids; do wait "$pid" 2>/dev/null; done
	if [ "$status" != 0 ] && [ "$status" != 77 ]; then
		for log in "$work"/*.err; do
			[ -s "$log" ] && { echo "---- the end of $(basename "$log")"; tail -n 40 "$log"; }
		done
	fi
	[ -n "${KEEP_WORK:-}" ] && echo "kept: $work" || rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

step() { printf -- '-- %s\n' "$*"; }
skip() { printf 'SKIP: %s: %s\n' "$name" "$*"; exit 77; }
fail() { printf 'FAIL: %s\n' "$*"; exit 1; }

# need PROGRAM…: or the test is skipped.
need() {
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || skip "$program is missing"
	done
}
need_shared() { [ -e "$shared/$1" ] || skip "../shared/$1 is missing"; }

# expect WHAT ACTUAL WANTED
expect() { [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""; }
# expect_in WHAT TEXT PART
expect_in() { case $2 in *"$3"*) ;; *) fail "$1: \"$3\" is not in: $2" ;; esac; }

# wait_until SECONDS WHAT COMMAND…: until the command succeeds.
wait_until() {
	tries=$(($1 * 20)) what=$2
	shift 2
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "waited in vain: $what"
		sleep 0.05
	done
}

# The process goes on in the background and is ended with the test.
background() { # NAME COMMAND…
	log=$work/$1
	shift
	"$@" >"$log.out" 2>"$log.err" &
	started=$!
	pids="$pids $started"
}

# It has been ended: not ours any more.
forget_pid() {
	left=
	for pid in $pids; do [ "$pid" = "$1" ] || left="$left $pid"; done
	pids=$left
}

# A port that nobody listens on at the moment; tests that run at once take different ones.
free_port() {
	port=$((20000 + ($$ * 7 + ${ports_taken:-0}) % 12000))
	while curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/" || [ $? != 7 ]; do port=$((port + 1)); done
	ports_taken=$((port - 20000 - $$ * 7 % 12000 + 1))
}

# ---- the daemon ----

has_ended() { ! kill -0 "$1" 2>/dev/null; }
is_ready_or_dead() { grep -q 'msg=ready' "$work/daemon.err" || has_ended "$daemon"; }

# start_daemon ARGUMENTS…: sets $daemon (process) and $address. Its log is $work/daemon.err; older ones end in .old.
start_daemon() {
	[ ! -f "$work/daemon.err" ] || cat "$work/daemon.err" >>"$work/daemon.old"
	: >"$work/daemon.err"
	"$tocsin" run --quiet --listen "127.0.0.1:${port:-0}" --data-dir "${data_dir:-$work/data}" "$@" >"$work/daemon.out" 2>"$work/daemon.err" &
	daemon=$!
	pids="$pids $daemon"
	wait_until 30 "the daemon is ready" is_ready_or_dead
	grep -q 'msg=ready' "$work/daemon.err" || fail "the daemon did not start"
	address=$(sed -n 's/.*msg=ready address=\([^ ]*\).*/\1/p' "$work/daemon.err")
}

# In good order: exit code 0.
stop_daemon() {
	kill "$daemon"
	wait "$daemon"
	status=$?
	forget_pid "$daemon"
	[ "$status" = 0 ] || fail "the daemon ended with $status"
}

kill_daemon() {
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null
	forget_pid "$daemon"
}

# Is it there, and has it said nothing bad?
check_daemon() {
	has_ended "$daemon" && fail "the daemon has ended"
	expect "healthy" "$(curl -s -o /dev/null -w '%{http_code}' "http://$address/-/healthy")" 200
	! grep -E 'Sanitizer|runtime error|Assertion' "$work/daemon.err" || fail "the daemon complains"
}

metric() { curl -s "http://$address/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
# sum_of NAME: over all label sets.
sum_of() { curl -s "http://$address/metrics" | awk -v name="$1" '$1 == name || index($1, name "{") == 1 { sum += $2 } END { printf "%.0f\n", sum }'; }

# query EXPRESSION [TIME]: the value of the first row, or nothing.
query() {
	curl -s --get --data-urlencode "query=$1" ${2:+--data-urlencode "time=$2"} "http://$address/api/v1/query" |
		jq -r '.data.result | if type == "array" and length > 0 then .[0].value[1] else empty end'
}
is_query() { [ "$(query "$1")" = "$2" ]; }

reload() { curl -s -o "$work/reload" -w '%{http_code}' -X POST "http://$address/-/reload"; }

# ---- the webhook receiver and the sender ----

start_hook() {
	background hook "$builddir/tests/e2e/hook" "$hook_log"
	: >>"$hook_log"
	wait_until 10 "the webhook receiver listens" test -s "$work/hook.out"
	hook=127.0.0.1:$(cat "$work/hook.out")
}
# hook_does 'status=503&times=2'
hook_does() { curl -s -X POST "http://$hook/control?$1" || fail "the webhook receiver is gone"; }

# alerts_told STATUS ALERTNAME: how many taken notifications say so of that alert.
alerts_told() {
	jq -s --arg status "$1" --arg alert "$2" '[.[] | select(.status == 200) | .body | fromjson | .alerts[] |
		select(.status == $status and .labels.alertname == $alert)] | length' "$hook_log"
}
# has_told STATUS ALERTNAME MORE_THAN
has_told() { [ "$(alerts_told "$1" "$2")" -gt "$3" ]; }

start_feed() { # FILE EVERY_MS
	background feed "$builddir/tests/e2e/feed" "http://$address/api/v1/write" "$1" "$2"
	feed=$started
}
stop_feed() {
	kill "$feed"
	wait "$feed"
	forget_pid "$feed"
}
send() { "$builddir/tests/e2e/feed" "http://$address/api/v1/write" "$1" >"$work/send.out" || fail "the samples of $1 are refused"; }
# put FILE: replaces it by standard input, never half.
put() { cat >"$1.new" && mv "$1.new" "$1"; }

[ -x "$tocsin" ] || skip "build/tocsin is missing"
need curl jq
