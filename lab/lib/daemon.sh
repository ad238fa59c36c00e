# shellcheck shell=bash
# lxcfs and incusd, and the client certificate for Incus over HTTPS.

incus_answers() { timeout --kill-after=2 5 incus info </dev/null >/dev/null 2>&1 9>&-; }

systemd_runs() { [[ -d /run/systemd/system ]]; }

# start_by_pid NAME COMMAND...: in its own session, so that the end of the terminal does not end it.
start_by_pid() {
  local name=$1
  shift
  setsid nohup "$@" </dev/null >"$LAB_DIR/logs/$name.log" 2>&1 9>&- &
  printf '%s\n' "$!" >"$LAB_DIR/run/$name.pid"
}

alive_by_pid() {
  local name=$1 pid stat
  [[ -s $LAB_DIR/run/$name.pid ]] || return 1
  pid=$(<"$LAB_DIR/run/$name.pid")
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
  # The name is compared because a pid may have been given to another process since; Z is one that has ended already.
  [[ $stat == "$pid ($name) "[!Z]* ]]
}

start_daemons() {
  incus_answers && return
  if systemd_runs; then
    step "start incus" 60 systemctl start lxcfs.service incus.socket incus.service
    : >"$LAB_DIR/run/incus.systemd"
  else
    # What a killed lxcfs leaves behind is a mount that answers nothing.
    stat /var/lib/lxcfs >/dev/null 2>&1 || umount --lazy /var/lib/lxcfs 2>/dev/null || :
    if ! mountpoint -q /var/lib/lxcfs; then
      mkdir -p /var/lib/lxcfs
      start_by_pid lxcfs lxcfs /var/lib/lxcfs
    fi
    alive_by_pid incusd || start_by_pid incusd /usr/libexec/incus/incusd --group incus-admin
  fi
  wait_until 60 "incusd answers" incus_answers || {
    tail -n 15 "$LAB_DIR/logs/incusd.log" 2>/dev/null | sed 's/^/    /' >&2
    die "incusd did not start; its log is $LAB_DIR/logs/incusd.log"
  }
}

stop_by_pid() {
  local name=$1
  if alive_by_pid "$name"; then
    kill -TERM "$(<"$LAB_DIR/run/$name.pid")"
    wait_until 30 "$name has stopped" not alive_by_pid "$name" || die "$name does not stop; nothing was forced"
  fi
  rm -f "$LAB_DIR/run/$name.pid"
}

# restart_daemon SECONDS: gone for so long. incusd leaves its instances alone when it is ended by SIGTERM.
restart_daemon() {
  local gone=$1
  if [[ -e $LAB_DIR/run/incus.systemd ]] || { systemd_runs && ! alive_by_pid incusd; }; then
    step "stop incus" 60 systemctl stop incus.service incus.socket
    sleep "$gone"
    step "start incus" 60 systemctl start incus.socket incus.service
  else
    alive_by_pid incusd || die "incusd was not started by the lab, so it is not restarted"
    stop_by_pid incusd
    sleep "$gone"
    start_by_pid incusd /usr/libexec/incus/incusd --group incus-admin
  fi
  wait_until 60 "incusd answers" incus_answers || die "incusd did not come back; its log is $LAB_DIR/logs/incusd.log"
}

not() { ! "$@"; }

stop_daemons() {
  if incus_answers && [[ -n $(inc list --all-projects -f csv -c n) ]]; then
    say "incusd keeps running: instances that are not the lab's live in it"
    return
  fi
  if [[ -e $LAB_DIR/run/incus.systemd ]]; then
    step "stop incus" 60 systemctl stop incus.service incus.socket
    rm -f "$LAB_DIR/run/incus.systemd"
  fi
  stop_by_pid incusd
  stop_by_pid lxcfs
}

certificate_fingerprint() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d ' ' -f 1; }

https_address() { inc config get core.https_address; }

trust_client() {
  local tls=$LAB_DIR/tls
  if [[ ! -s $tls/client.crt ]]; then
    (umask 077 && step "make client certificate" 20 openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
      -nodes -days 3650 -subj /CN=canary-lab -keyout "$tls/client.key" -out "$tls/client.crt")
  fi
  if ! inc config trust list -f csv | grep -q "$(certificate_fingerprint "$tls/client.crt" | cut -c 1-12)"; then
    step "trust client certificate" 20 incus config trust add-certificate "$tls/client.crt" --name canary-lab
  fi
  # A listener the operator set stays as it is; the lab's tests then use that one.
  if [[ -z $(https_address) ]]; then
    step "listen on HTTPS" 20 incus config set core.https_address "$LAB_HTTPS"
    : >"$LAB_DIR/run/https.set"
  fi
  install -m 644 /var/lib/incus/server.crt "$tls/server.crt"
}

distrust_client() {
  local tls=$LAB_DIR/tls fingerprint
  if [[ -s $tls/client.crt ]]; then
    fingerprint=$(certificate_fingerprint "$tls/client.crt")
    inc config trust remove "$fingerprint" >/dev/null 2>&1 || true
  fi
  if [[ -e $LAB_DIR/run/https.set ]]; then
    step "stop listening on HTTPS" 20 incus config unset core.https_address
    rm -f "$LAB_DIR/run/https.set"
  fi
}
