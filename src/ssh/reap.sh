# Kills the sessions that this connection's sshd began and whose channel is closed, and all their descendants, and waits until
# sshd has let go of the sessions: until then they count as open (MaxSessions). With wanted=PROCESS set before it: the one session
# in which that process is, as far as we may, which serves users who may not look at sshd. Linux, POSIX sh, readlink.
facts() {
    IFS= read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    name=${line%)*} name=${name#*\(}
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
# The session that we are in was begun by this connection's sshd, or by sudo, then look above it. What is further up is none of
# ours: sshd's own parent may be a supervisor with children of its own.
process=$$
while facts "$process" && facts "$session" && own=$session && sshd=$parent && [ "$sshd" -gt 1 ]; do
    facts "$sshd" || exit 0
    case $name in sudo | doas) process=$sshd ;; *) break ;; esac
done
[ "${sshd:-1}" -gt 1 ] || exit 0
lost=' '
if [ "${wanted-}" ]; then
    # Between it and sshd there may be sudo, which may have begun a session of its own for it.
    process=$wanted
    while facts "$process" && [ "$parent" -gt 1 ] && [ "$parent" != "$sshd" ]; do process=$parent; done
    facts "$process" || exit 0
    [ "$parent" = "$sshd" ] && [ "$session" = "$process" ] && [ "$process" != "$own" ] || exit 0
    lost=" $process "
else
    # With streams that lead elsewhere, a terminal say, nothing can be told about those of others.
    look_at "$sshd"
    attached "$own" || exit 0
    for process in /proc/[0-9]*; do
        process=${process#/proc/}
        facts "$process" || continue
        [ "$parent" = "$sshd" ] && [ "$session" = "$process" ] && [ "$process" != "$own" ] || continue
        attached "$process" || lost="$lost$process "
    done
fi
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
    # What is not ours, sudo say, ends with what it waits for.
    kill -s KILL "$process" 2>/dev/null
done
rounds=0
for process in $sessions; do
    while [ "$rounds" -lt 200 ] && facts "$process" && [ "$parent" = "$sshd" ]; do
        rounds=$((rounds + 1))
        # Not every sleep knows parts of a second.
        sleep 0.05 2>/dev/null || sleep 1
    done
done
