# Kills the sessions that this connection's sshd began and whose channel is closed, and all their descendants, and waits until
# sshd has let go of the sessions: until then they count as open (MaxSessions). Linux, POSIX sh, readlink.
facts() {
    IFS= read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    # Behind the name in parentheses: state, parent, process group, session.
    set -- ${line##*) }
    parent=$2 session=$4
}
look_at() {
    ends=' '
    for file in "/proc/$1/fd"/*; do
        end=$(readlink "$file" 2>/dev/null) && ends="$ends$end "
    done
}
attached() {
    for stream in 0 1 2; do
        end=$(readlink "/proc/$1/fd/$stream" 2>/dev/null) || continue
        case $end in pipe:* | socket:*) ;; *) continue ;; esac
        case $ends in *" $end "*) return 0 ;; esac
    done
    return 1
}
# sshd began the outermost session above us whose streams lead to its parent: sudo may have begun others in between.
sshd=
process=$$
while facts "$process" && facts "$session" && leader=$session && process=$parent && [ "$process" -gt 1 ]; do
    look_at "$process"
    attached "$leader" && sshd=$process own=$leader
done
[ -n "$sshd" ] || exit 0
look_at "$sshd"
lost=' '
for process in /proc/[0-9]*; do
    process=${process#/proc/}
    facts "$process" || continue
    [ "$parent" = "$sshd" ] && [ "$session" = "$process" ] && [ "$process" != "$own" ] || continue
    attached "$process" || lost="$lost$process "
done
sessions=$lost
more=yes
while [ "$more" ] && [ "$lost" != ' ' ]; do
    more=
    for process in /proc/[0-9]*; do
        process=${process#/proc/}
        facts "$process" || continue
        case $lost in *" $process "*) continue ;; esac
        case $lost in *" $session "* | *" $parent "*) more=yes lost="$lost$process " ;; esac
    done
done
for process in $lost; do
    kill -s KILL "$process"
done
rounds=0
for process in $sessions; do
    while [ "$rounds" -lt 200 ] && facts "$process" && [ "$parent" = "$sshd" ]; do
        rounds=$((rounds + 1))
        # Not every sleep knows parts of a second.
        sleep 0.05 2>/dev/null || sleep 1
    done
done
