# Kills the sessions that this connection's sshd began and whose channel is closed. Linux, POSIX sh, readlink.
facts() {
    IFS= read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    # Behind the name in parentheses: state, parent, process group, session.
    set -- ${line##*) }
    parent=$2 session=$4
}
attached() {
    for stream in 0 1 2; do
        end=$(readlink "/proc/$1/fd/$stream" 2>/dev/null) || continue
        case $end in pipe:* | socket:*) ;; *) continue ;; esac
        case $ends in *" $end "*) return 0 ;; esac
    done
    return 1
}
facts $$ || exit 0
own=$session
facts "$own" || exit 0
sshd=$parent
[ "$sshd" -gt 1 ] || exit 0
ends=' '
for file in "/proc/$sshd/fd"/*; do
    end=$(readlink "$file" 2>/dev/null) && ends="$ends$end "
done
attached "$own" || exit 0
lost=' '
for process in /proc/[0-9]*; do
    process=${process#/proc/}
    facts "$process" || continue
    [ "$parent" = "$sshd" ] && [ "$session" = "$process" ] && [ "$process" != "$own" ] || continue
    attached "$process" || lost="$lost$process "
done
for process in /proc/[0-9]*; do
    process=${process#/proc/}
    facts "$process" || continue
    case $lost in *" $session "*) kill -s KILL "$process" ;; esac
done
