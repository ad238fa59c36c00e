# From `cargo metadata` to CycloneDX 1.5; see scripts/sbom.
def key: "\(.name) \(.version)";
def purl: "pkg:cargo/\(.name)@\(.version)";
def lines: split("\n") | map(select(. != ""));

($linked | lines | map({ (.): true }) | add) as $in
| ($digests | lines | map(split(" ") | { "\(.[0]) \(.[1])": .[2] }) | add) as $sha256
| (.packages | map({ (.id): . }) | add) as $package
| [.packages[] | select($in[key])] as $parts
| def component($type): {
    type: $type,
    "bom-ref": purl,
    name,
    version,
    description: (.description // "" | gsub("\\s+"; " ") | ltrimstr(" ") | rtrimstr(" ")),
    licenses: [{ expression: (.license | gsub("\\s*/\\s*"; " OR ")) }],
    purl: purl,
    scope: "required"
  }
  + (if $sha256[key] then { hashes: [{ alg: "SHA-256", content: $sha256[key] }] } else {} end)
  + (if .repository then { externalReferences: [{ type: "vcs", url: .repository }] } else {} end);
{
  "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  serialNumber: "urn:uuid:\($serial)",
  version: 1,
  metadata: {
    timestamp: $time,
    component: ($parts[] | select(.name == "canary-cli") | component("application") | del(.scope)),
    properties: [{ name: "cargo:target", value: $target }]
  },
  components: [$parts | sort_by(purl) | .[] | select(.name != "canary-cli") | component("library")],
  dependencies: [
    .resolve.nodes[] | select($package[.id] | $in[key])
    | {
        ref: ($package[.id] | purl),
        dependsOn: ([.deps[] | select(any(.dep_kinds[]; .kind == null)) | $package[.pkg] | select($in[key]) | purl] | unique)
      }
  ] | sort_by(.ref)
}
