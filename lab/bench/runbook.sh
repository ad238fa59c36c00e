#!/usr/bin/env bash
# The runbook's steps as a deploy script takes them, for the bench to time beside canary-cli: drain, wait for no session,
# push, restart, health, ready, health through the balancer; no gate, no watch, no way back.
set -euo pipefail

: "${ARTIFACT:?the binary to ship}"
: "${NODES:?the nodes, in the order they are rolled}"
POOL_BACKEND=${POOL_BACKEND:-api_pool}
HEALTH_PATH=${HEALTH_PATH:-/api/v1/health}
INSTALL_DIR=${INSTALL_DIR:-/opt/veza/backend-api}
LB_URL=${LB_URL:-http://haproxy.lxd}
DRAIN_TIMEOUT=${DRAIN_TIMEOUT:-60}
HEALTH_TIMEOUT=${HEALTH_TIMEOUT:-60}

haproxy() { incus exec haproxy -- sh -c "echo '$1' | socat stdio /run/haproxy/admin.sock"; }

# Column 5 of the CSV is scur, sessions in progress.
sessions() { haproxy 'show stat' | awk -F, -v pool="$POOL_BACKEND" -v node="$1" '$1 == pool && $2 == node { print $5 }'; }

# wait_for SECONDS WHAT COMMAND…: once a second at first sight of trouble, as such scripts do.
wait_for() {
  local limit=$1 what=$2 waited=0
  shift 2
  until "$@"; do
    ((waited++ < limit)) || { echo "error: $what not within $limit s" >&2; exit 1; }
    sleep 1
  done
}

idle() { [[ $(sessions "$1") == 0 ]]; }
healthy() { incus exec "$1" -- curl -fsS -o /dev/null "http://127.0.0.1:8080$HEALTH_PATH" 2>/dev/null; }
served() { curl --noproxy '*' -fsS -o /dev/null "$LB_URL$HEALTH_PATH"; }

for node in $NODES; do
  haproxy "set server $POOL_BACKEND/$node state drain" >/dev/null
  wait_for "$DRAIN_TIMEOUT" "$node without sessions" idle "$node"
  # Beside it and renamed: a push onto a running executable fails.
  incus file push -q --mode 0755 "$ARTIFACT" "$node$INSTALL_DIR/veza-api.new"
  incus exec "$node" -- mv "$INSTALL_DIR/veza-api.new" "$INSTALL_DIR/veza-api"
  incus exec "$node" -- systemctl restart veza-backend-api
  wait_for "$HEALTH_TIMEOUT" "$node healthy" healthy "$node"
  haproxy "set server $POOL_BACKEND/$node state ready" >/dev/null
  wait_for 10 "the balancer's health" served
done
