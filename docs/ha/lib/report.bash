# shellcheck shell=bash
# What the writers saw, next to what is there.

report() {
    local writer
    for ((writer = 1; writer <= writers; writer++)); do
        client_present "$writer" >"$dir/load/present.$writer"
        missing "$writer"
    done >"$dir/load/lost"
    sort -n "$dir"/load/acked.* >"$dir/load/acked"
    per_failover | tee "$dir/load/table"
    totals
}

# "MICROSECONDS WRITER NUMBER" for each acknowledged row that is not there.
missing() {
    awk -v writer="$1" -v present="$dir/load/present.$1" '
        BEGIN { while ((getline n < present) > 0) there[n] = 1 }
        !($2 in there) { print $1, writer, $2 }
    ' "$dir/load/acked.$1"
}

# A stall is the longest time between two acknowledgements, whoever got them,
# whose end lies between this kill and the next. What was lost counts for the
# kill that came after its acknowledgement.
per_failover() {
    awk -v kills="$dir/load/kills" -v lost="$dir/load/lost" '
        BEGIN {
            while ((getline line < kills) > 0) { split(line, f); at[++k] = f[1]; node[k] = f[2] }
            while ((getline line < lost) > 0) {
                split(line, f)
                for (i = 1; i <= k && at[i] < f[1]; i++);
                gone[i]++
            }
        }
        {
            while (now < k && at[now + 1] < $1) now++
            if (now && NR > 1 && $1 - last > stall[now]) { stall[now] = $1 - last; end[now] = $1 }
            last = $1
        }
        END {
            print "failover killed stall_s after_kill_s lost"
            for (i = 1; i <= k; i++)
                printf "%d node%d %.2f %.2f %d\n", i, node[i], stall[i] / 1e6, (end[i] - at[i]) / 1e6, gone[i]
            if (gone[k + 1]) print "after the last kill: lost", gone[k + 1]
        }
    ' "$dir/load/acked"
}

totals() {
    echo "mode $(current_mode), client $client, $writers writers, $(date -u +%F)"
    echo "acknowledged: $(wc -l <"$dir/load/acked"), lost: $(wc -l <"$dir/load/lost")"
    awk 'NR > 1 && NF == 5 { print $4 }' "$dir/load/table" | sort -n | awk '
        { v[NR] = $1 }
        END {
            if (NR) printf "from the kill to the next acknowledged write: min %.2f s, median %.2f s, max %.2f s\n",
                v[1], (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[NR]
        }'
    awk 'NR > 1 && NF == 5 { print $3 }' "$dir/load/table" | sort -n | tail -n 1 |
        sed 's/.*/longest time without an acknowledged write: & s/'
}
