# shellcheck shell=bash
# The sample service: built once, stripped (a debug build carries far more symbols than code), stamped as v1.

LAB_DEMO=$LAB_HOME/../canary-demo

service_is_current() {
  [[ -x $LAB_DIR/bin/veza-api ]] || return 1
  if [[ -n ${CANARY_LAB_SERVICE_BINARY:-} ]]; then
    [[ ! $CANARY_LAB_SERVICE_BINARY -nt $LAB_DIR/bin/veza-api ]]
  else
    [[ -z $(find "$LAB_DEMO"/{Cargo.toml,src/service,src/bin/veza-api.rs} -newer "$LAB_DIR/bin/veza-api" -print -quit) ]]
  fi
}

cargo_built_service() {
  command -v cargo >/dev/null || die "no cargo found to build canary-demo; set CANARY_LAB_SERVICE_BINARY to a built veza-api"
  step "build service" 1200 cargo build --manifest-path "$LAB_DEMO/Cargo.toml" --bin veza-api \
    --message-format=json-render-diagnostics
  sed -nE 's/.*"name":"veza-api".*"executable":"([^"]+)".*/\1/p' "$LAB_DIR/logs/build_service.log" | tail -n 1
}

build_service() {
  service_is_current && return
  local built=${CANARY_LAB_SERVICE_BINARY:-}
  if [[ -z $built ]]; then
    say "building the sample service"
    built=$(cargo_built_service)
  fi
  [[ -x $built ]] || die "no sample service at '$built'"
  step "strip service" 30 strip -o "$LAB_DIR/bin/veza-api.plain" "$built"
  step "stamp service" 30 "$LAB_DIR/bin/veza-api.plain" --stamp "$LAB_DIR/bin/veza-api.new" --version v1
  mv "$LAB_DIR/bin/veza-api.new" "$LAB_DIR/bin/veza-api"
}
