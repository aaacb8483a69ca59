# Job J, the same for every host, which finds its own values: facts, a file written whole or not at all, a route and a
# rule if they are missing, and proof of both. Run again it changes nothing.
set -eu
F=/etc/rc.local TABLE=101 DEV=eth1 GW=198.19.255.1
echo '#addr'; ip -j addr
echo '#route'; ip -j route
echo '#rule'; ip -j rule
echo '#file'; cat $F 2>/dev/null || :
SRC=$(ip -4 -o addr show dev $DEV)
SRC=${SRC#*inet } SRC=${SRC%%/*}
T=$F.new.$$
trap 'rm -f $T' EXIT
cat >$T <<END
#!/bin/sh -e
# Managed file. Do not edit.
#
# Policy routing for the second uplink.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH

[ -d /sys/class/net/$DEV ] || exit 0
ip -4 route replace default via $GW dev $DEV table $TABLE
if ! ip -4 rule show | grep -q "from $SRC lookup $TABLE"; then
    ip -4 rule add from $SRC lookup $TABLE
fi
exit 0
END
if ! cmp -s $T $F || [ "$(stat -c %a $F)" != 755 ]; then
    chmod 0755 $T; mv -f $T $F; echo '#changed file'
fi
case "$(ip -4 route show table $TABLE 2>/dev/null || :)" in
*"default via $GW dev $DEV"*) ;;
*) ip -4 route add default via $GW dev $DEV table $TABLE; echo '#changed route' ;;
esac
case "$(ip -4 rule show)" in
*"from $SRC lookup $TABLE"*) ;;
*) ip -4 rule add from $SRC lookup $TABLE; echo '#changed rule' ;;
esac
echo '#verify'
R=$(ip -4 route show table $TABLE) L=$(ip -4 rule show)
printf '%s\n%s\n' "$R" "$L"
case "$R" in *"default via $GW dev $DEV"*) ;; *) exit 9 ;; esac
case "$L" in *"from $SRC lookup $TABLE"*) ;; *) exit 9 ;; esac
echo '#ok'
