# Arguments: unit, target, seconds. Restarts the unit, then goes on as service.sh. A unit that failed too often in a row
# would be refused a start ("start request repeated too quickly", systemd.unit(5), StartLimitBurst): its count is cleared.
systemctl reset-failed -- "$1" 2>/dev/null
timeout -k 2 "$3" systemctl restart -- "$1"
printf 'Restart=%s\n' "$?"
