# Arguments: socket, seconds a command may take, then one command each. For every command a record is printed:
# exit status, blank, number of bytes, line feed, the reply's bytes, line feed. The first failure ends the run.
# Exit status: 0 all asked, 66 no such socket, 69 nothing here can talk to a Unix socket, 75 a command failed.
LC_ALL=C
export LC_ALL
socket=$1
seconds=$2
shift 2
[ -S "$socket" ] || exit 66

perl_client='
use Socket;
my ($path, $seconds) = @ARGV;
socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
$SIG{ALRM} = sub { print STDERR "no complete reply in time\n"; exit 4 };
alarm $seconds;
connect($s, pack_sockaddr_un($path)) or do { print STDERR "connect($path): $!\n"; exit 3 };
local $/; my $line = <STDIN>;
syswrite($s, $line) == length $line or die "write: $!\n";
$| = 1;
while (1) { my $n = sysread($s, my $piece, 65536); defined $n or die "read: $!\n"; $n or last; print $piece; }
'
python_client='
import socket, sys
path, seconds = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_UNIX)
s.settimeout(seconds)
try:
    s.connect(path)
except OSError as error:
    sys.exit("connect(%s): %s" % (path, error))
s.sendall(sys.stdin.buffer.read())
while True:
    piece = s.recv(65536)
    if not piece:
        break
    sys.stdout.buffer.write(piece)
'

if command -v socat >/dev/null 2>&1; then
    ask() { socat -t "$seconds" -T "$seconds" - UNIX-CONNECT:"$socket"; }
elif perl -MSocket -e 1 >/dev/null 2>&1; then
    ask() { perl -e "$perl_client" "$socket" "$seconds"; }
elif python3 -c 1 >/dev/null 2>&1; then
    ask() { python3 -c "$python_client" "$socket" "$seconds"; }
elif nc -h 2>&1 | grep -q -e '-[A-Za-z]*U' ; then
    ask() { nc -w "$seconds" -U "$socket"; }
else
    exit 69
fi

for command in "$@"; do
    # The command substitution would drop the reply's closing line feeds: a full stop guards them. In the C locale a
    # character is a byte. Every process costs the balancer's host some milliseconds, so there is one a command.
    reply=$(
        ask <<END
$command
END
        status=$?
        printf .
        exit "$status"
    )
    status=$?
    reply=${reply%.}
    printf '%d %d\n%s\n' "$status" "${#reply}" "$reply"
    [ "$status" -eq 0 ] || exit 75
done
