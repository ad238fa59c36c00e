# True when a bill of materials has what CycloneDX 1.5 requires of every object in it (bom-1.5.schema.json: `required`, patterns,
# unique items), its graph is whole, and it agrees with Cargo.lock ($lock).
def must($what; condition): if condition then . else error("\($what): \(tojson[0:200])") end;
def component:
  must("type"; .type | IN("application", "library"))
  | must("name and version"; (.name | length > 0) and (.version | length > 0))
  | must("purl"; .purl == "pkg:cargo/\(.name)@\(.version)" and .["bom-ref"] == .purl)
  | must("licence"; .licenses | length == 1 and (.[0].expression | length > 0))
  | must("hashes"; all(.hashes // [] | .[]; .alg == "SHA-256" and (.content | test("^[a-f0-9]{64}$"))))
  | must("origin"; .hashes != null or (.name | startswith("canary-")))
  | must("Cargo.lock"; . as $c | $lock | contains("name = \"\($c.name)\"\nversion = \"\($c.version)\"\n") and all($c.hashes // [] | .[]; .content as $h | $lock | contains("checksum = \"\($h)\"")));
[
  must("format"; .bomFormat == "CycloneDX" and .specVersion == "1.5" and .version == 1)
  | must("serial"; .serialNumber | test("^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"))
  | must("time"; .metadata.timestamp | fromdateiso8601 > 0)
  | (.metadata.component | component | must("subject"; .name == "canary-cli" and .type == "application"))
  , (.components[] | component)
  , ([.metadata.component, .components[]] | map(.["bom-ref"])) as $refs
    | (($refs | unique) as $unique | must("unique refs"; ($refs | length) == ($unique | length) and ($refs | length) > 50)
    | must("graph"; ([.dependencies[].ref] | sort) == $unique and all(.dependencies[].dependsOn[]; IN($unique[]))))
] | true
