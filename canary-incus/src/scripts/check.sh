# Arguments: port, path, seconds with fraction, whole seconds. Sends one GET to 127.0.0.1 with the first tool there is.
# Prints the tool's name on a line of its own, then the answer's head and the start of its body; the tool's words of
# failure go to standard error, whose last line is `ended STATUS` (124 and 137: out of time). Exit status 42: no tool. No proxy is used, no redirect followed, no settings are read.
port=$1 path=$2 seconds=$3 whole=$4
url=http://127.0.0.1:$port$path
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY

python='
import socket, sys
port, path, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
request = "GET %s HTTP/1.0\r\nHost: 127.0.0.1:%d\r\nUser-Agent: canary\r\nConnection: close\r\n\r\n" % (path, port)
try:
    s = socket.create_connection(("127.0.0.1", port), seconds)
    s.sendall(request.encode("ascii"))
    answer = b""
    while len(answer) < 4096:
        piece = s.recv(4096)
        if not piece:
            break
        answer += piece
    sys.stdout.buffer.write(answer[:4096])
except OSError as error:
    sys.exit(str(error))
'
# The programs' own variables are not this shell's.
# shellcheck disable=SC2016
bash='
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 7
printf "GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\nUser-Agent: canary\r\nConnection: close\r\n\r\n" "$2" "$1" >&3
head -c 4096 <&3
'
exec 3>&2
# The tool is ended from outside: its own deadlines count per read or not at all. How it ended is the last line of
# standard error, whatever the tool's own streams are connected to.
limited() {
    timeout -k 1 "$seconds" "$@"
    printf '\nended %s\n' "$?" >&3
}

if command -v curl >/dev/null 2>&1; then
    echo curl
    limited curl -q -g -s -S -i --http1.1 --noproxy '*' -A canary -- "$url" | head -c 4096
elif command -v wget >/dev/null 2>&1; then
    echo wget
    # -S writes the head to standard error, before the body comes on standard output. BusyBox knows fewer options.
    set --
    if wget --version 2>/dev/null | grep -q 'GNU Wget'; then set -- --no-config --max-redirect=0 --tries=1; fi
    limited wget "$@" -q -S -O - -T "$whole" -U canary "$url" 2>&1 | head -c 4096
elif command -v python3 >/dev/null 2>&1; then
    echo python3
    limited python3 -I -S -c "$python" "$port" "$path" "$seconds"
elif command -v bash >/dev/null 2>&1; then
    echo bash
    limited bash --norc -c "$bash" canary "$port" "$path"
else
    exit 42
fi
