# Arguments: run id, seconds, command and its arguments. Ends the command after the seconds, and says on the last line
# of its output how it ended, so that the result can be read from the recorded output alone.
id=$1 seconds=$2
shift 2
timeout -k 2 "$seconds" "$@" </dev/null
printf '\n%s %s\n' "$id" "$?"
