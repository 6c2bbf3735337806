# shellcheck shell=bash
# Names, ports and small tools that every other part uses.

nodes=(1 2 3)
dir=${THREADKEEP_HA_DIR:-/tmp/threadkeep-ha}
base_port=${THREADKEEP_HA_PORT:-5440}

pg_port() { echo $((base_port + $1)); }
rest_port() { echo $((base_port + 10 + $1)); }
etcd_port() { echo $((base_port + 20 + $1)); }
etcd_peer_port() { echo $((base_port + 30 + $1)); }

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

# Microseconds since 1970.
now() { echo "${EPOCHREALTIME/./}"; }

# PostgreSQL refuses to run as root; `postgres` comes with its package.
server_user() {
    if ((EUID == 0)); then echo postgres; else id -un; fi
}

as_server() {
    if ((EUID == 0)); then
        exec setpriv --reuid=postgres --regid=postgres --init-groups --reset-env -- "$@"
    else
        exec "$@"
    fi
}

# A folder that somebody else made could hold process numbers of their choice.
need_own_folder() {
    [[ -d $dir && ! -L $dir && $(stat -c %U "$dir") == "$(server_user)" ]] ||
        fail "$dir is not a folder of $(server_user)"
}

need_cluster() {
    [[ -e $dir ]] || fail "nothing runs in $dir: start with 'up'"
    need_own_folder
}

# start NAME COMMAND...: runs in the background, number kept in run/NAME.pid.
start() {
    local name=$1
    shift
    (
        cd "$dir" || exit
        as_server setsid "$@"
    ) >>"$dir/log/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/run/$name.pid"
    disown
}

# The number of NAME if it still runs. The number alone does not tell, the
# system may have given it to somebody else: the folder has to be in its command.
pid_of() {
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
    is_ours "$pid" && echo "$pid"
}

is_ours() { grep -qsF -- "$dir/" "/proc/$1/cmdline"; }

# The number of node N's PostgreSQL. Patroni starts it, so it is no child of ours.
postmaster_of() {
    local pid
    pid=$(head -n 1 "$dir/node$1/data/postmaster.pid" 2>/dev/null) || return 1
    is_ours "$pid" && echo "$pid"
}

# sql NODE STATEMENT: as the superuser of one node.
sql() {
    PGPASSFILE=$dir/pgpass psql -XqAt -v ON_ERROR_STOP=1 -c "$2" \
        "host=127.0.0.1 port=$(pg_port "$1") user=postgres dbname=postgres connect_timeout=2"
}

# Asks Patroni of NODE; true if it says yes to PATH (primary, replica, sync).
patroni_says() {
    curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$(rest_port "$1")/$2" 2>/dev/null
}

leader() {
    local node
    for node in "${nodes[@]}"; do
        if patroni_says "$node" primary; then
            echo "$node"
            return
        fi
    done
    return 1
}

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds.
wait_for() {
    local limit=$1 what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "not within $limit s: $what (logs are in $dir/log)"
        sleep 0.3
    done
}
