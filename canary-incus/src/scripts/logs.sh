# Arguments: unit, number of lines. Prints the unit's last journal lines, at most 4 MiB of them.
systemctl show --no-pager -p LoadState -- "$1" || exit 1
journalctl -q --no-pager -o short-iso -n "$2" -u "$1" | tail -c 4194304
