# Ends one server and removes its folder as soon as the process that owns it is gone: standard
# input is a pipe that only the owner holds open. Argument: the folder.
trap '' HUP INT TERM
folder=$1
while read -r _; do :; done

# A server's processes are those that work in its data folder.
signal() {
    found=1
    for process in /proc/[0-9]*; do
        if [ "$process/cwd" -ef "$folder/data" ]; then
            found=0
            kill "-$1" "${process#/proc/}" 2>/dev/null
        fi
    done
    if [ ! -d /proc/self ] && [ -f "$folder/data/postmaster.pid" ]; then
        read -r process <"$folder/data/postmaster.pid"
        kill "-$1" "$process" 2>/dev/null && found=0
    fi
    return $found
}

# SIGQUIT lets the server give back its shared memory; processes on hold need SIGCONT for it.
if signal CONT; then
    signal QUIT
    tries=0
    while [ $tries -lt 20 ] && signal 0; do
        sleep 0.05
        tries=$((tries + 1))
    done
    while signal KILL; do sleep 0.05; done
fi

# What a killed server leaves: one small segment of System V shared memory, named in this file.
if [ -f "$folder/data/postmaster.pid" ]; then
    segment=$(sed -n '7s/.* //p' "$folder/data/postmaster.pid")
    [ -n "$segment" ] && ipcrm -m "$segment" 2>/dev/null
fi

for disk in "$folder"/disk-*; do
    [ -d "$disk" ] && umount -l "$disk" 2>/dev/null
done
rm -rf "$folder" || { sleep 0.2; rm -rf "$folder"; }
# A server that was only starting has gone to its folder by now.
signal KILL
rm -rf "$folder"
