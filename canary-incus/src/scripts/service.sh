# Arguments: unit, target. Prints systemd's properties of the unit, and which file its main process runs.
state=$(systemctl show --no-pager \
    -p LoadState,ActiveState,SubState,MainPID,NRestarts,Result,ExecMainStatus -- "$1") || exit 1
printf '%s\n' "$state"
pid=$(printf '%s\n' "$state" | sed -n 's/^MainPID=//p')
if [ -n "$pid" ] && [ "$pid" != 0 ]; then
    printf 'Exe=%s\n' "$(readlink -n -- "/proc/$pid/exe" | tr '\n' '?')"
    printf 'ExeFile=%s\n' "$(stat -L -c %d:%i -- "/proc/$pid/exe" 2>/dev/null)"
fi
printf 'Target=%s\n' "$(readlink -n -f -- "$2" | tr '\n' '?')"
printf 'TargetFile=%s\n' "$(stat -L -c %d:%i -- "$2" 2>/dev/null)"
