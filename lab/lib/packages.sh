# shellcheck shell=bash
# Debian packages. Incus comes from backports where the release itself has none.

LAB_PACKAGES=(debootstrap squashfs-tools dnsmasq-base iptables iproute2 lxcfs socat curl openssl binutils
  haproxy prometheus postgresql wrk tmux docker.io)
LAB_INCUS_PACKAGES=(incus-base incus-client)
LAB_BACKPORTS=/etc/apt/sources.list.d/canary-lab-backports

missing_packages() {
  local package
  for package in "${LAB_PACKAGES[@]}" "${LAB_INCUS_PACKAGES[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

require_packages() {
  local missing
  missing=$(missing_packages)
  [[ -z $missing ]] || usage_error "missing packages: ${missing//$'\n'/ } (run lab/lab install)"
}

codename() { (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:?}"); }

# The machine's own deb822 entry for SUITE with its suite replaced; nothing when there is none.
deb822_entry() {
  local suite=$1 replacement=$2 file
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file && $file != "$LAB_BACKPORTS".* ]] || continue
    sed '/^#/d' "$file" | awk -v suite="$suite" -v replacement="$replacement" '
      BEGIN { RS = ""; FS = "\n" }
      {
        has = 0; off = 0; deb = 0; text = ""
        for (i = 1; i <= NF; i++) {
          lower = tolower($i)
          if (lower ~ /^suites:/) {
            n = split($i, word, /[ \t:]+/)
            for (j = 2; j <= n; j++) if (word[j] == suite) has = 1
            $i = "Suites: " replacement
          } else if (lower ~ /^types:/) {
            deb = (lower ~ /[ \t:]deb([ \t]|$)/); $i = "Types: deb"
          } else if (lower ~ /^enabled:[ \t]*no/) off = 1
          text = text $i "\n"
        }
        if (has && deb && !off) { printf "%s", text; exit }
      }'
  done | awk 'BEGIN { RS = "" } NR == 1'
}

# The same for the one-line format.
list_entry() {
  local suite=$1 replacement=$2 file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -e $file && $file != "$LAB_BACKPORTS".* ]] || continue
    sed -nE "s/^[[:space:]]*(deb([[:space:]]+\[[^]]*\])?[[:space:]]+[^[:space:]]+)[[:space:]]+$suite([[:space:]].*)\$/\1 $replacement\3/p" "$file"
  done | head -n 1
}

enable_backports() {
  local suite entry
  suite=$(codename)
  if [[ $(apt-cache policy incus-base 2>/dev/null) == *"Candidate: "[0-9]* ]]; then return; fi
  entry=$(deb822_entry "$suite" "$suite-backports")
  if [[ -n $entry ]]; then
    printf '%s\n' "$entry" >"$LAB_BACKPORTS.sources"
    return
  fi
  entry=$(list_entry "$suite" "$suite-backports")
  [[ -n $entry ]] || die "no apt source for Debian $suite found to copy for $suite-backports; enable that suite by hand"
  printf '%s\n' "$entry" >"$LAB_BACKPORTS.list"
}

# Packages must not start services here: the lab starts the ones it needs, in containers.
without_service_starts() {
  local policy=/usr/sbin/policy-rc.d made="" code=0
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=1
  fi
  ("$@") || code=$?
  [[ -z $made ]] || rm -f "$policy"
  return "$code"
}

# PostgreSQL's programs are wanted, no cluster of the package's own.
without_postgres_cluster() {
  local conf=/etc/postgresql-common/createcluster.d/canary-lab.conf made="" code=0
  if [[ ! -e $conf ]]; then
    mkdir -p "${conf%/*}"
    printf 'create_main_cluster = false\n' >"$conf"
    made=1
  fi
  ("$@") || code=$?
  [[ -z $made ]] || rm -f "$conf"
  return "$code"
}

apt_install() {
  step "apt install $1" 900 env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${@:2}"
}

lab_install() {
  local missing suite distribution
  distribution=$(. /etc/os-release && printf '%s' "${ID:-}")
  missing=$(missing_packages)
  if [[ -z $missing ]]; then
    say "install: nothing to do"
    return
  fi
  [[ $distribution == debian ]] || usage_error "the lab needs Debian 12 or later; this machine says '$distribution'"
  suite=$(codename)
  if ((EUID != 0)); then
    say "not root, so nothing was installed. As root:"
    say "  enable the suite $suite-backports if this release has no incus-base"
    usage_error "  apt-get install --no-install-recommends ${missing//$'\n'/ }"
  fi
  mkdir -p "$LAB_DIR/logs"
  step "apt update" 300 apt-get update
  enable_backports
  step "apt update" 300 apt-get update
  without_service_starts without_postgres_cluster apt_install tools "${LAB_PACKAGES[@]}"
  if [[ -e $LAB_BACKPORTS.sources || -e $LAB_BACKPORTS.list ]]; then
    without_service_starts apt_install incus -t "$suite-backports" "${LAB_INCUS_PACKAGES[@]}"
  else
    without_service_starts apt_install incus "${LAB_INCUS_PACKAGES[@]}"
  fi
  say "install: done"
}
