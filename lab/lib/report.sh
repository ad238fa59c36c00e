# shellcheck shell=bash
# What is up, and where; for people and for tests.

artifact_line() {
  within "$1" sh -c 'cd /opt/veza/backend-api && sha256sum veza-api | cut -c 1-12 | tr "\n" " "; tail -n 1 veza-api | sed -n "s/^#canary-lab://p" | tr -d "\000"'
}

lab_status() {
  local name
  if ! incus_answers; then
    printf 'incusd does not answer (to this user): the lab is down, or this needs root\n'
    return
  fi
  for name in $(lab_instances); do
    printf '%-16s %-9s %-12s' "$name" "$(instance_state "$name")" "$(address_of "$name" || true)"
    case $name in
      backend-api-*) printf ' %s' "$(artifact_line "$name" 2>/dev/null || printf 'no artifact')" ;;
    esac
    printf '\n'
  done
  printf '\nHAProxy api_pool (name, operational state, admin bits, weight):\n'
  haproxy_says 'show servers state api_pool' 2>/dev/null |
    awk '$4 ~ /^backend-api-/ { printf "  %-16s %s %s %s\n", $4, $6, $7, $8 }' || printf '  does not answer\n'
  printf 'Prometheus targets up: %s\n' "$(prometheus_value 'sum(up{job="backend-api"})' 2>/dev/null || printf 'does not answer')"
}

# Lines that are printed only for a machine with a proxy set: the lab's addresses must not go through it.
env_proxy_lines() {
  local proxies=${http_proxy:-}${HTTP_PROXY:-}${https_proxy:-}${HTTPS_PROXY:-}${all_proxy:-}${ALL_PROXY:-} list
  [[ -n $proxies ]] || return 0
  list=${no_proxy:-${NO_PROXY:-}}
  list=${list:+$list,}localhost,127.0.0.1,.lxd,$LAB_SUBNET.0/24
  printf 'export no_proxy=%q NO_PROXY=%q\n' "$list" "$list"
}

lab_env() {
  local nodes i addresses=""
  nodes=$(recorded_nodes)
  for ((i = 1; i <= nodes; i++)); do addresses+="${addresses:+ }backend-api-$i=$(address_of "backend-api-$i"):8080"; done
  local https=$LAB_HTTPS
  if [[ -s $LAB_DIR/nodes ]] && incus_answers; then https=$(https_address); fi
  printf 'export %s=%q\n' \
    CANARY_LAB 1 \
    CANARY_LAB_DIR "$LAB_DIR" \
    CANARY_LAB_SCRIPT "$LAB_HOME/lab" \
    CANARY_LAB_NODES "$nodes" \
    CANARY_LAB_NODE_ADDRESSES "$addresses" \
    CANARY_LAB_SERVICE "$LAB_DIR/bin/veza-api" \
    CANARY_LAB_URL http://haproxy.lxd \
    CANARY_LAB_HAPROXY_TCP "$(address_of haproxy):9999" \
    CANARY_LAB_INCUS_HTTPS "https://$https" \
    CANARY_LAB_TLS_CLIENT_CERT "$LAB_DIR/tls/client.crt" \
    CANARY_LAB_TLS_CLIENT_KEY "$LAB_DIR/tls/client.key" \
    CANARY_LAB_TLS_SERVER_CERT "$LAB_DIR/tls/server.crt" \
    LB_URL http://haproxy.lxd \
    PROM_URL http://prom.lxd:9090 \
    INCUS_SOCKET /var/lib/incus/unix.socket \
    HAPROXY_INSTANCE haproxy \
    HAPROXY_SOCKET /run/haproxy/admin.sock
  env_proxy_lines
}
