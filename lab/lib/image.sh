# shellcheck shell=bash
# The instances' root file system: Debian's minimal system with systemd, HAProxy and the few tools the runbook uses.

LAB_INCLUDE=systemd,systemd-sysv,dbus,curl,iproute2,procps,ca-certificates,socat,haproxy,python3

# The machine's own mirror, so that a machine behind a local one works too; empty means debootstrap's default.
debian_mirror() {
  local suite=$1 uri
  uri=$(deb822_entry "$suite" "$suite" | sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p')
  [[ -n $uri ]] || uri=$(list_entry "$suite" "$suite" | sed -E 's/^deb([[:space:]]+\[[^]]*\])?[[:space:]]+([^[:space:]]+).*/\2/')
  case $uri in
    http://* | https://* | file:*) printf '%s\n' "$uri" ;;
  esac
}

# Named by what it is made from, so that a changed recipe is built anew.
recipe_digest() { { printf '%s\n' "$LAB_INCLUDE" && declare -f build_rootfs; } | sha256sum | cut -c 1-12; }
rootfs_path() { printf '%s/rootfs-%s.squashfs\n' "$LAB_DIR" "$(recipe_digest)"; }

build_rootfs() {
  local root=$LAB_DIR/rootfs.new squashfs suite mirror
  squashfs=$(rootfs_path)
  [[ -s $squashfs ]] && return
  suite=$(codename)
  mirror=$(debian_mirror "$suite")
  say "building the image (once; about a minute)"
  rm -rf --one-file-system "$root"
  step debootstrap 900 debootstrap --variant=minbase --include="$LAB_INCLUDE" "$suite" "$root" ${mirror:+"$mirror"}
  step "trim image" 60 chroot "$root" sh -ec '
    systemctl disable haproxy.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
      e2scrub_all.timer e2scrub_reap.service fstrim.timer
    useradd --system --home-dir /opt/veza --shell /usr/sbin/nologin veza
    useradd --system --home-dir /var/lib/prometheus --shell /usr/sbin/nologin prometheus
    install -d -o veza -g veza /opt/veza /opt/veza/backend-api
    install -d -o prometheus -g prometheus /var/lib/prometheus
    : >/etc/machine-id
    : >/etc/resolv.conf
    apt-get clean
    rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*'
  step mksquashfs 300 mksquashfs "$root" "$LAB_DIR/squashfs.new" -noappend -comp zstd -Xcompression-level 3
  rm -f "$LAB_DIR"/rootfs-*.squashfs
  mv "$LAB_DIR/squashfs.new" "$squashfs"
  rm -rf --one-file-system "$root"
}

image_present() { inc image info "$LAB_IMAGE" >/dev/null 2>&1; }

# The image of another is never ours to use or remove, so the description says whose it is.
image_is_ours() { [[ $(inc image get-property "$LAB_IMAGE" description 2>/dev/null) == canary-lab ]]; }

import_image() {
  local work=$LAB_DIR/overlay/image
  if image_present; then
    [[ $(inc image get-property "$LAB_IMAGE" recipe) != "$(recipe_digest)" ]] || return 0
    [[ -z $(lab_instances) ]] || say "the image's recipe changed; instances that are there keep the old one until lab/lab down"
    remove_image
  fi
  mkdir -p "$work"
  cat >"$work/metadata.yaml" <<YAML
architecture: $(uname -m)
creation_date: $(stat -c %Y "$(rootfs_path)")
properties:
  description: canary-lab
  recipe: "$(recipe_digest)"
  os: debian
  release: $(codename)
YAML
  tar -C "$work" -cf "$work/metadata.tar" metadata.yaml
  step "import image" 120 incus image import "$work/metadata.tar" "$(rootfs_path)" --alias "$LAB_IMAGE"
}

remove_image() {
  if image_present && image_is_ours; then step "remove image" 60 incus image delete "$LAB_IMAGE"; fi
}
