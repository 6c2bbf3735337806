# shellcheck shell=bash
# What Debian 12 has to have installed.

# Patroni needs python3-etcd, but is content with a client of some other store.
packages=(patroni python3-etcd etcd-server etcd-client postgresql-15 curl procps)

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || fail "not installed: ${missing[*]} (run 'install' as root)"
    say "installing ${missing[*]}"
    (
        # The packages would start services of their own on the usual ports.
        if [[ ! -e /usr/sbin/policy-rc.d ]]; then
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
            chmod 755 /usr/sbin/policy-rc.d
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    )
}

postgres_bin() {
    local bin
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [[ -x $bin/postgres ]] || fail "no PostgreSQL under /usr/lib/postgresql"
    echo "$bin"
}
