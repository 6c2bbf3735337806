# shellcheck shell=bash
# Plain SQL through psql, which finds the primary in a list of hosts itself.

psql_url() {
    local hosts
    hosts=$(for node in "${nodes[@]}"; do echo "127.0.0.1:$(pg_port "$node")"; done | paste -sd,)
    echo "postgresql://threadkeep@$hosts/threadkeep?target_session_attrs=read-write&connect_timeout=2"
}

# Not Debian's own `psql`, a script that takes longer to start than to ask.
psql_client() { PGPASSFILE=$dir/pgpass exec "$(postgres_bin)/psql" -XqAt -v ON_ERROR_STOP=1 "$@" "$(psql_url)"; }

client_prepare() {
    (psql_client -c "DROP TABLE IF EXISTS ha_load" \
        -c "CREATE TABLE ha_load (writer int, n int, PRIMARY KEY (writer, n))") 2>/dev/null
}

# One statement at a time, so that only the last one's fate can be unknown.
# Repeated, it writes even where the row is there: what writes nothing does not
# wait for the standby, and would acknowledge what may yet be lost.
client_write() {
    local writer=$1 file=$2 n=1 pipe=$dir/load/pipe.$1 server to from pause answer
    trap '' PIPE
    trap - EXIT
    mkfifo "$pipe.to" "$pipe.from" "$pipe.pause"
    exec {pause}<>"$pipe.pause"
    while [[ ! -e $dir/load/stop ]]; do
        psql_client <"$pipe.to" >"$pipe.from" &
        server=$!
        exec {to}>"$pipe.to" {from}<"$pipe.from"
        while [[ ! -e $dir/load/stop ]]; do
            printf 'INSERT INTO ha_load VALUES (%d, %d) ON CONFLICT (writer, n) DO UPDATE SET n = excluded.n RETURNING n;\n' \
                "$writer" "$n" >&"$to" || break
            read -r -t 30 -u "$from" answer || break
            [[ $answer == "$n" ]] || break
            echo "$(now) $n" >>"$file"
            n=$((n + 1))
            read -r -t 0.02 -u "$pause" || true
        done
        exec {to}>&- {from}<&-
        kill "$server" 2>/dev/null || true
        wait "$server" || true
        read -r -t 0.25 -u "$pause" || true
    done
}

client_present() {
    (psql_client -c "SELECT n FROM ha_load WHERE writer = $1")
}
