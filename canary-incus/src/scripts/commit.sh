# Arguments: target, file beside it, SHA-256 it must have. Puts the file in the target's place in one step, with the
# target's mode, owner and attributes (0755 and root where there was none). Says `mismatch SIZE SHA256` or
# `installed SIZE SHA256`; whatever happens, the file beside does not stay.
target=$1 beside=$2 expected=$3
dir=${target%/*}
[ -n "$dir" ] || dir=/
trap 'rm -f -- "$beside"' EXIT
trap 'exit 1' HUP INT TERM

facts() {
    size=$(stat -c %s -- "$1") && sum=$(sha256sum <"$1") || exit 1
    sum=${sum%% *}
}

if [ -L "$target" ] || { [ -e "$target" ] && [ ! -f "$target" ]; }; then
    echo 'the target is no longer a regular file' >&2
    exit 1
fi
if [ -f "$target" ]; then
    # The attributes hold file capabilities; where cp cannot copy them, mode and owner are what matters.
    cp --attributes-only --preserve=mode,ownership,xattr -- "$target" "$beside" 2>/dev/null || {
        chown "$(stat -c %u:%g -- "$target")" -- "$beside" && chmod "$(stat -c %a -- "$target")" -- "$beside"
    } || exit 1
else
    chown 0:0 -- "$beside" && chmod 0755 -- "$beside" || exit 1
fi
facts "$beside"
if [ "$sum" != "$expected" ]; then
    printf 'mismatch %s %s\n' "$size" "$sum"
    exit 0
fi
identity=$(stat -c %d:%i -- "$beside")
sync -- "$beside" && mv -f -T -- "$beside" "$target" && sync -- "$dir" || exit 1
# The file that was just read through lies there now, or another, which is then read.
[ "$(stat -c %d:%i -- "$target")" = "$identity" ] || facts "$target"
printf 'installed %s %s\n' "$size" "$sum"
