# shellcheck shell=bash
# Messages, deadlines and locks.

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

usage_error() {
  say "error: $*"
  exit 2
}

no_arguments() {
  local command=$1
  shift
  (($# == 0)) || usage_error "$command takes no argument, and got '$1'"
}

require_root() {
  ((EUID == 0)) || usage_error "$1 needs root: it makes containers, a bridge and lines in /etc/hosts"
}

# One lab command at a time for a state directory. Daemons started below close descriptor 9, or they would keep the lock.
lock_state() {
  mkdir -p "$LAB_DIR"/{logs,bin,run,overlay,tls,incus-client}
  exec 9>"$LAB_DIR/lock"
  flock -w 600 9 || die "another lab command has held $LAB_DIR/lock for 600 s"
}

# step NAME SECONDS COMMAND...: runs a program with a deadline, its output in a log whose end is shown on failure.
step() { step_from /dev/null "$@"; }

# step_from FILE NAME SECONDS COMMAND...: the same with FILE as standard input.
step_from() {
  local input=$1 name=$2 seconds=$3 log
  shift 3
  log="$LAB_DIR/logs/${name//[^A-Za-z0-9.-]/_}.log"
  local code=0
  timeout --kill-after=5 "$seconds" "$@" <"$input" >"$log" 2>&1 9>&- || code=$?
  ((code == 0)) && return
  if ((code == 124 || code == 137)); then
    say "error: $name: not done after ${seconds} s"
  else
    say "error: $name: exit code $code"
  fi
  say "the end of $log:"
  tail -n 15 "$log" | sed 's/^/    /' >&2
  exit 1
}

# wait_until SECONDS WHAT CONDITION...: polls CONDITION; on the deadline says WHAT did not come true and returns 1.
wait_until() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      say "error: waited ${seconds} s in vain until $what"
      return 1
    fi
    sleep 0.2
  done
}

# incus with a deadline for one short request.
inc() { timeout --kill-after=5 30 incus "$@" </dev/null 9>&-; }

# within NAME COMMAND...: runs a command in an instance.
within() {
  local name=$1
  shift
  timeout --kill-after=5 60 incus exec -T "$name" -- "$@" </dev/null 9>&-
}

http_ok() { curl --noproxy '*' -fsS -m 2 -o /dev/null "$1"; }

recorded_nodes() {
  local nodes=2
  if [[ -s $LAB_DIR/nodes ]]; then nodes=$(<"$LAB_DIR/nodes"); fi
  printf '%s\n' "$nodes"
}

# The instances of a lab with N nodes, one a line.
instance_names() {
  local i
  for ((i = 1; i <= $1; i++)); do printf 'backend-api-%s\n' "$i"; done
  printf 'haproxy\nprom\n'
}

address_of() {
  case $1 in
    haproxy) printf '%s.2\n' "$LAB_SUBNET" ;;
    prom) printf '%s.3\n' "$LAB_SUBNET" ;;
    backend-api-*) printf '%s.%s\n' "$LAB_SUBNET" "$((10 + ${1#backend-api-}))" ;;
    *) return 1 ;;
  esac
}
