# The last third of job J by our own verbs: a route and a rule if they are missing, and proof of both.
set -eu
SRC=$(ip -4 -o addr show dev eth1)
SRC=${SRC#*inet } SRC=${SRC%%/*}
case "$(ip -4 route show table 101 2>/dev/null || :)" in
*"default via 198.19.255.1 dev eth1"*) ;;
*) ip -4 route add default via 198.19.255.1 dev eth1 table 101 ;;
esac
case "$(ip -4 rule show)" in *"from $SRC lookup 101"*) ;; *) ip -4 rule add from "$SRC" lookup 101 ;; esac
R=$(ip -4 route show table 101) L=$(ip -4 rule show)
printf '%s\n%s\n' "$R" "$L"
case "$R" in *"default via 198.19.255.1 dev eth1"*) ;; *) exit 9 ;; esac
case "$L" in *"from $SRC lookup 101"*) ;; *) exit 9 ;; esac
