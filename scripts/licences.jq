# Names the crates of `cargo metadata` whose licence is not allowed, or that come from elsewhere than the default registry.

# An SPDX expression by its grammar (specification 2.3, annex D): AND binds before OR; each part takes tokens and leaves the rest.
def either:
  def atom:
    if .[0] == "(" then (.[1:] | either) | .rest |= .[1:]
    else
      (if .[1] == "WITH" then { id: "\(.[0]) WITH \(.[2])", rest: .[3:] } else { id: .[0], rest: .[1:] } end)
      | { ok: (.id as $id | any($allowed[]; . == $id)), rest }
    end;
  def both: atom as $a | if $a.rest[0] == "AND" then ($a.rest[1:] | both) | .ok = (.ok and $a.ok) else $a end;
  both as $a | if $a.rest[0] == "OR" then ($a.rest[1:] | either) | .ok = (.ok or $a.ok) else $a end;
# Old manifests write MIT/Apache-2.0. What is left over after an expression is no expression.
def permitted: gsub("/"; " OR ") | [match("[()]|[^()\\s]+"; "g").string] | either | .ok and .rest == [];

.packages[]
| if .license == null then "\(.name) \(.version): names no licence"
  elif .license | permitted | not then "\(.name) \(.version): \(.license)"
  elif .source != null and .source != "registry+https://github.com/rust-lang/crates.io-index" then "\(.name) \(.version): comes from \(.source)"
  else empty end
