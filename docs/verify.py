#!/usr/bin/env python3
"""Verifies a canary journal without canary: python3 verify.py JOURNAL [SEQ HASH]. See record.md."""
import base64, hashlib, json, os, sys

def sha(data): return hashlib.sha256(data).digest()

def unique(pairs):
    assert len(dict(pairs)) == len(pairs), "a key is there twice"
    return dict(pairs)

def root(leaves):  # RFC 6962, section 2.1
    if len(leaves) < 2: return sha(b"\0" + leaves[0]) if leaves else sha(b"")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1" + root(leaves[:k]) + root(leaves[k:]))

def kept(beside, decided):  # what a decision rests on, named by its digest
    for name, key in ("evidence/{}.jsonl", "evidence_sha256"), ("policies/{}.json", "policy_sha256"), ("policies/{}.yaml", "policy_file_sha256"):
        with open(os.path.join(beside, name.format(decided[key])), "rb") as file:
            assert sha(file.read()).hex() == decided[key], file.name + " was changed"

path, known, hashes, log = sys.argv[1], sys.argv[2:], [], None
with open(path, "rb") as journal:
    for seq, line in enumerate(journal):
        try:
            body, tail = line[8:-67], line[-67:]
            assert line.startswith(b'{"body":') and body.endswith(b',"hash":"'), "no line of a journal, or cut off"
            body, named = body[:-9], tail[:64].decode()
            assert tail[64:] == b'"}\n' and sha(body).hex() == named, "its hash is another"
            value = json.loads(body, object_pairs_hook=unique, parse_float=lambda n: 1 / 0)
            form = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            assert form == body, "it is not in the journal's form"
            assert value["seq"] == seq and value["prev"] == (hashes[-1].hex() if hashes else "0" * 64), "it does not follow"
            assert value["log"] == (log or value["log"]) and (hashes or value["kind"] == "genesis"), "it is of another journal"
            log = value["log"]; hashes.append(sha(body))
            if value["kind"] == "decided": kept(os.path.dirname(path), value)
        except Exception as why: sys.exit(f"{path}: line {seq + 1}: {why}")
head = os.path.splitext(path)[0] + ".head"
if os.path.exists(head):  # its signature: openssl, see record.md
    origin, size, signed = open(head).read().split("\n")[:3]
    if origin != "canary/" + log or int(size) > len(hashes) or root(hashes[: int(size)]) != base64.b64decode(signed):
        sys.exit(f"{path}: not what {head} was signed over")
if known and (int(known[0]) >= len(hashes) or hashes[int(known[0])].hex() != known[1]): sys.exit(f"{path}: not what was noted")
print(len(hashes), hashes[-1].hex(), root(hashes).hex())
