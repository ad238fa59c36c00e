# Arguments: target, size of the new file. Removes what earlier calls left beside the target, then says what lies at the
# target (as facts.sh does, the digest only if the size is the new file's) and how much space there is.
target=$1 size=$2
dir=${target%/*}
[ -n "$dir" ] || dir=/
if [ ! -d "$dir" ]; then
    echo 'no directory'
    exit 0
fi
for stale in "$target".canary-????????????; do
    if [ -L "$stale" ] || [ -f "$stale" ]; then
        rm -f -- "$stale" || exit 1
    fi
done
if [ -L "$target" ]; then
    printf 'link %s\n' "$(readlink -n -- "$target" | tr '\n' '?')"
elif [ -f "$target" ]; then
    there=$(stat -c %s -- "$target") || exit 1
    sum=-
    if [ "$there" = "$size" ]; then
        sum=$(sha256sum <"$target") || exit 1
    fi
    printf 'file %s %s\n' "$there" "${sum%% *}"
elif [ -d "$target" ]; then
    echo directory
elif [ -e "$target" ]; then
    echo special
else
    echo absent
fi
# Blocks free to root, blocks in all (some file systems say zero), bytes a block.
stat -f -c 'space %f %b %S' -- "$dir"
