# shellcheck shell=bash
# Pool, bridge, instances and host names. Only what carries the lab's mark is ever changed or removed.

LAB_MARK=user.canary-lab

pool_mark() { inc storage get "$LAB_POOL" "$LAB_MARK" 2>/dev/null; }
bridge_mark() { inc network get "$LAB_BRIDGE" "$LAB_MARK" 2>/dev/null; }
instance_exists() { inc list -f csv -c n "^$1\$" | grep -qxF "$1"; }
instance_mark() { inc config get "$1" "$LAB_MARK" 2>/dev/null; }
instance_state() { inc list -f csv -c s "^$1\$"; }

pool_exists() { inc storage show "$LAB_POOL" >/dev/null 2>&1; }
bridge_exists() { inc network show "$LAB_BRIDGE" >/dev/null 2>&1; }

# refuse_foreign N: before anything is made, whether a name the lab needs belongs to another.
refuse_foreign() {
  local name
  for name in $(instance_names "$1"); do
    if instance_exists "$name" && [[ $(instance_mark "$name") != 1 ]]; then
      die "an instance '$name' exists and is not the lab's ($LAB_MARK is not set on it); nothing was changed"
    fi
  done
  if pool_exists && [[ $(pool_mark) != 1 ]]; then
    die "a storage pool '$LAB_POOL' exists and is not the lab's; nothing was changed"
  fi
  if image_present && ! image_is_ours; then
    die "an image with the alias '$LAB_IMAGE' exists and is not the lab's; nothing was changed"
  fi
  if bridge_exists; then
    [[ $(bridge_mark) == 1 ]] || die "a network '$LAB_BRIDGE' exists and is not the lab's; nothing was changed"
    return
  fi
  if ip -4 route show table all | grep -v "dev $LAB_BRIDGE" | grep -qF " ${LAB_SUBNET}."; then
    die "this machine already uses $LAB_SUBNET.0/24; set CANARY_LAB_SUBNET to three free numbers, like 10.84.7"
  fi
}

make_pool_and_bridge() {
  pool_exists || step "create storage pool" 60 incus storage create "$LAB_POOL" dir "$LAB_MARK=1"
  bridge_exists || step "create bridge" 60 incus network create "$LAB_BRIDGE" "ipv4.address=$LAB_SUBNET.1/24" ipv4.nat=false \
    ipv6.address=none dns.domain=lxd "$LAB_MARK=1"
}

remove_pool_and_bridge() {
  if [[ $(bridge_mark) == 1 ]]; then step "remove bridge" 60 incus network delete "$LAB_BRIDGE"; fi
  if [[ $(pool_mark) == 1 ]]; then step "remove storage pool" 60 incus storage delete "$LAB_POOL"; fi
}

# launch_fleet N: every instance exists, runs, and systemd in it is up.
launch_fleet() {
  local name
  for name in $(instance_names "$1"); do
    if ! instance_exists "$name"; then
      step "launch $name" 90 incus launch "$LAB_IMAGE" "$name" --no-profiles --storage "$LAB_POOL" \
        --network "$LAB_BRIDGE" --config "$LAB_MARK=1"
    elif [[ $(instance_state "$name") != RUNNING ]]; then
      step "start $name" 90 incus start "$name"
    fi
  done
  for name in $(instance_names "$1"); do
    wait_until 60 "systemd in $name is up" systemd_is_up "$name" || die "see: incus exec $name -- systemctl --failed"
  done
}

systemd_is_up() { [[ $(within "$1" systemctl is-system-running) == @(running|degraded) ]]; }

lab_instances() { inc list -f csv -c n "$LAB_MARK=1"; }

remove_instance() { step "remove $1" 60 incus delete --force "$1"; }

remove_surplus_nodes() {
  local name
  for name in $(lab_instances); do
    if [[ $name =~ ^backend-api-([0-9]+)$ ]] && ((10#${BASH_REMATCH[1]} > $1)); then remove_instance "$name"; fi
  done
}

remove_fleet() {
  local name
  for name in $(lab_instances); do remove_instance "$name"; done
}

# The file is written in place: in a container it is often a mount, and a mount cannot be renamed over.
remove_host_names() {
  local kept
  grep -q '# canary-lab$' /etc/hosts || return 0
  kept=$(sed '/# canary-lab$/d' /etc/hosts)
  printf '%s\n' "$kept" >/etc/hosts
}

write_host_names() {
  local name wanted
  wanted=$(for name in $(instance_names "$1"); do
    printf '%s %s.lxd %s # canary-lab\n' "$(address_of "$name")" "$name" "$name"
  done)
  [[ $(grep '# canary-lab$' /etc/hosts || true) != "$wanted" ]] || return 0
  remove_host_names
  printf '%s\n' "$wanted" >>/etc/hosts
}

# Another line for the same name would win silently, and every roll would go somewhere else.
check_host_names() {
  local name found
  for name in $(instance_names "$1"); do
    found=$(getent ahostsv4 "$name.lxd" | awk 'NR == 1 { print $1 }')
    [[ $found == "$(address_of "$name")" ]] ||
      die "$name.lxd leads to '$found', not to the lab's $(address_of "$name"); look for it in /etc/hosts"
  done
}
