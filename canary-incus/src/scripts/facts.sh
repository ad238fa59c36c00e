# Arguments: paths. Says of each on a line of its own what lies there: `file SIZE SHA256`, `absent`, `directory`,
# `link TARGET` or `special`.
for path; do
    if [ -L "$path" ]; then
        printf 'link %s\n' "$(readlink -n -- "$path" | tr '\n' '?')"
    elif [ -f "$path" ]; then
        size=$(stat -c %s -- "$path") && sum=$(sha256sum <"$path") || exit 1
        printf 'file %s %s\n' "$size" "${sum%% *}"
    elif [ -d "$path" ]; then
        echo directory
    elif [ -e "$path" ]; then
        echo special
    else
        echo absent
    fi
done
