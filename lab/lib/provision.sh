# shellcheck shell=bash
# What each instance runs. Files come from lab/files; an instance is touched only when they changed.

LAB_OVERLAY_KEY=user.canary-lab.overlay

put() { install -D -m 644 "$LAB_HOME/files/$2" "$1/$3"; }

overlay_for() {
  local name=$1 nodes=$2 root=$3 other i
  rm -rf "$root"
  put "$root" lab-address.service etc/systemd/system/lab-address.service
  printf 'ADDRESS=%s\n' "$(address_of "$name")" >"$root/etc/lab-address"
  printf '%s\n' "$name" >"$root/etc/hostname"
  {
    printf '127.0.0.1 localhost %s\n' "$name"
    for other in $(instance_names "$nodes"); do printf '%s %s.lxd %s\n' "$(address_of "$other")" "$other" "$other"; done
  } >"$root/etc/hosts"
  case $name in
    haproxy)
      put "$root" haproxy.cfg etc/haproxy/haproxy.cfg
      for ((i = 1; i <= nodes; i++)); do
        printf '    server backend-api-%s %s:8080 check weight 100\n' "$i" "$(address_of "backend-api-$i")"
      done >>"$root/etc/haproxy/haproxy.cfg"
      ;;
    prom)
      put "$root" prometheus.service etc/systemd/system/prometheus.service
      put "$root" prometheus.yml etc/prometheus/prometheus.yml
      for ((i = 1; i <= nodes; i++)); do
        printf '      - targets: ["%s:8080"]\n        labels:\n          node: backend-api-%s\n' \
          "$(address_of "backend-api-$i")" "$i"
      done >>"$root/etc/prometheus/prometheus.yml"
      ;;
    *) put "$root" veza-backend-api.service etc/systemd/system/veza-backend-api.service ;;
  esac
}

# What runs after new files arrived; in the instance, under sh -ec.
apply_for() {
  printf 'hostname -F /etc/hostname\n'
  printf 'systemctl daemon-reload\nsystemctl enable --quiet lab-address\nsystemctl restart lab-address\n'
  case $1 in
    haproxy)
      printf 'haproxy -c -q -f /etc/haproxy/haproxy.cfg\nsystemctl enable --quiet haproxy\n'
      printf 'systemctl reload-or-restart haproxy\n'
      ;;
    prom) printf 'systemctl enable --quiet prometheus\nsystemctl restart prometheus\n' ;;
    *) printf 'systemctl enable --quiet veza-backend-api\nsystemctl restart veza-backend-api\n' ;;
  esac
}

provision() {
  local name=$1 nodes=$2 root=$LAB_DIR/overlay/$1 digest
  overlay_for "$name" "$nodes" "$root"
  digest=$(cd "$root" && find . -type f -exec sha256sum {} + | sort | sha256sum | cut -c 1-16)
  put_program "$name"
  [[ $(inc config get "$name" "$LAB_OVERLAY_KEY") != "$digest" ]] || return 0
  tar -C "$root" --owner=0 --group=0 -cf "$root.tar" .
  step_from "$root.tar" "push files to $name" 30 incus exec -T "$name" -- tar -xf - -C / --no-overwrite-dir
  step "apply files in $name" 60 incus exec -T "$name" -- sh -ec "$(apply_for "$name")"
  step "mark $name" 20 incus config set "$name" "$LAB_OVERLAY_KEY=$digest"
}

# The program an instance runs, when there is none yet: what a rollout put there stays.
put_program() {
  case $1 in
    haproxy) ;;
    prom)
      within "$1" test -x /usr/local/bin/prometheus ||
        step "push prometheus" 60 incus file push --mode 0755 /usr/bin/prometheus "$1/usr/local/bin/prometheus"
      ;;
    *) within "$1" test -x /opt/veza/backend-api/veza-api || put_first_binary "$1" ;;
  esac
}

# Beside the target and renamed over it: the kernel refuses to write a program that runs.
put_first_binary() {
  step_from "$LAB_DIR/bin/veza-api" "push service to $1" 60 incus exec -T "$1" -- sh -ec '
    cd /opt/veza/backend-api
    cat >veza-api.lab
    chmod 755 veza-api.lab
    chown veza:veza veza-api.lab
    mv veza-api.lab veza-api'
}

provision_fleet() {
  local name
  for name in $(instance_names "$1"); do provision "$name" "$1"; done
}

# A small file system over the install directory, with the artifact in it and one MiB to spare; reset takes it away.
# shellcheck disable=SC2016 # expanded in the instance
fill_node() {
  step "fill $1" 60 incus exec -T "$1" -- sh -ec '
    mountpoint -q /opt/veza/backend-api && { echo "it is full already"; exit 0; }
    copy=$(mktemp -d)
    cp -a /opt/veza/backend-api/. "$copy"
    size=$(($(du -sk "$copy" | cut -f 1) + 1024))
    mount -t tmpfs -o "size=${size}k,mode=755,uid=$(id -u veza),gid=$(id -g veza)" tmpfs /opt/veza/backend-api
    cp -a "$copy/." /opt/veza/backend-api
    rm -rf "$copy"'
}

reset_node() {
  step "clear $1" 60 incus exec -T "$1" -- sh -ec '
    while mountpoint -q /opt/veza/backend-api; do umount -l /opt/veza/backend-api; done
    find /opt/veza/backend-api -mindepth 1 -delete
    chown veza:veza /opt/veza/backend-api'
  put_first_binary "$1"
  step "restart service in $1" 60 incus exec -T "$1" -- sh -ec '
    systemctl reset-failed veza-backend-api || true
    systemctl restart veza-backend-api'
}

# Prometheus forgets what it scraped, so that one trial's errors are not in the next one's windows. It is not restarted
# for that: after a start it waits 5 s before its first scrape.
reset_fleet() {
  local name
  for name in $(instance_names "$1"); do
    if [[ $(instance_state "$name") != RUNNING ]]; then step "start $name" 90 incus start "$name"; fi
    wait_until 60 "systemd in $name is up" systemd_is_up "$name"
    if [[ $name == backend-api-* ]]; then reset_node "$name"; fi
  done
  step "restart haproxy" 60 incus exec -T haproxy -- systemctl restart haproxy
  step "start prometheus" 60 incus exec -T prom -- systemctl start prometheus
  wait_until 30 "Prometheus is ready" http_ok "http://$(address_of prom):9090/-/ready"
  step "empty prometheus" 30 curl --noproxy '*' -fsS -m 20 -X POST -G --data-urlencode 'match[]={__name__=~".+"}' \
    --data "end=$(date +%s.%N)" "http://$(address_of prom):9090/api/v1/admin/tsdb/delete_series"
}

haproxy_says() { printf '%s\n' "$1" | timeout 5 socat -t 2 - "TCP:$(address_of haproxy):9999,connect-timeout=2"; }

# Columns of `show servers state` (version 1): 4 is the name, 6 the operational state (2 is running), 7 the admin bits.
servers_up() {
  local up
  up=$(haproxy_says 'show servers state api_pool' | awk '$4 ~ /^backend-api-/ && $6 == 2 && $7 == 0' | wc -l)
  ((up == $1))
}

prometheus_value() {
  curl --noproxy '*' -fsS -m 3 --data-urlencode "query=$1" "http://$(address_of prom):9090/api/v1/query" |
    sed -nE 's/.*"value":\[[^,]*,"([^"]*)"\].*/\1/p'
}

targets_up() { [[ $(prometheus_value 'sum(up{job="backend-api"})') == "$1" ]]; }

wait_for_fleet() {
  local name
  for name in $(instance_names "$1"); do
    [[ $name == backend-api-* ]] || continue
    wait_until 30 "$name answers /api/v1/health" http_ok "http://$(address_of "$name"):8080/api/v1/health" ||
      die "see: incus exec $name -- journalctl -u veza-backend-api -n 20; lab/lab reset puts the first binary back"
  done
  wait_until 30 "HAProxy has every server ready and up" servers_up "$1" ||
    die "see lab/lab status; lab/lab reset makes all servers ready"
  wait_until 30 "Prometheus scrapes every node" targets_up "$1" ||
    die "see: incus exec prom -- journalctl -u prometheus -n 20"
}
