# A redis-server of the test's own, on a free loopback port, in a folder of its own. Sourced after lib.sh.
need redis-server redis-cli
redis= redis_port=

# start_redis [OPTION…]: on the same port as before, if there was one. Nothing is saved unless told.
start_redis() {
	if [ -z "$redis_port" ]; then
		kept_port=${port:-}
		free_port
		redis_port=$port port=$kept_port
	fi
	mkdir -p "$work/redis"
	background redis redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work/redis" --save "" --appendonly no "$@"
	redis=$started
	wait_until 10 "Redis listens" redis_answers
}
redis_answers() { cli ping 2>&1 | grep -q 'PONG\|LOADING\|NOAUTH'; }
cli() { redis-cli -p "$redis_port" "$@"; }
# end_redis SIGNAL
end_redis() {
	kill "-$1" "$redis"
	wait "$redis" 2>/dev/null
	forget_pid "$redis"
}

is_metric() { [ "$(metric "$1")" = "$2" ]; }
is_current() { is_metric tocsin_redis_current 1; }
is_away() { is_metric tocsin_redis_connected 0; }
said() { grep -q "$1" "$work/daemon.err"; }
times_said() { grep -c "$1" "$work/daemon.err"; }
