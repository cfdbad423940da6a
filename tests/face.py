#!/usr/bin/env python3
"""What the library shows to those who embed it, read from rustdoc's JSON.

usage: face.py RUSTDOC.json Cargo.lock

Lists each crate whose types, traits or items are in a public signature, and fails if that is one which may change
under us: before 1.0, or behind our own back. Fails as well if a struct whose fields are all public could not get
another one, and if there are more items than somebody could read about.
"""

import json
import sys
import tomllib

# What they are is our own affair, whatever their version.
OURS_ALONE = {"hyper", "mio", "nix", "rustls"}
OF_RUST = {"alloc", "core", "std"}
MOST_ITEMS = 150


def paths(node):
    """The ids that a part of an item names: types and traits of signatures, what a `use` shows."""
    if isinstance(node, dict):
        if isinstance(node.get("id"), int) and ("path" in node or "source" in node):
            yield node["id"]
        for part in node.values():
            yield from paths(part)
    elif isinstance(node, list):
        for part in node:
            yield from paths(part)


def is_everybodys(item):
    """Whether it is an impl that every type has, or one that the compiler finds by itself."""
    impl = item["inner"].get("impl")
    return impl is not None and (impl["is_synthetic"] or impl["blanket_impl"] is not None)


def parts(item):
    """The ids of what an item consists of: members, fields, variants; impls but those that every type has."""
    if is_everybodys(item):
        return
    inner, = item["inner"].values()
    for part in ("items", "impls", "variants", "fields"):
        yield from inner.get(part) or []
    form = inner.get("kind")
    if isinstance(form, dict):
        for fields in form.values():
            found = fields["fields"] if isinstance(fields, dict) else fields
            yield from (field for field in found if field is not None)


def shown_by(root, index):
    """What can be named from outside, and what that consists of: all that is shown."""
    found, unseen = {}, [root]
    while unseen:
        at = unseen.pop()
        item = index.get(str(at))
        if item is None or at in found or item["crate_id"] != 0:
            continue
        found[at] = item
        use = item["inner"].get("use")
        unseen.extend([use["id"]] if use else parts(item))
    return list(found.values())


def name_of(item, crate):
    summary = crate["paths"].get(str(item["id"]))
    return "::".join(summary["path"]) if summary else item["name"] or "an impl"


def open_struct(item):
    """Whether it is a struct that may be put together from its fields."""
    kind = item["inner"].get("struct", {}).get("kind")
    if not isinstance(kind, dict) or "non_exhaustive" in json.dumps(item["attrs"]):
        return False
    if "plain" in kind:
        return bool(kind["plain"]["fields"]) and not kind["plain"]["has_stripped_fields"]
    return all(field is not None for field in kind["tuple"])


def main(document, lock):
    with open(document, encoding="utf-8") as file:
        crate = json.load(file)
    with open(lock, "rb") as file:
        packages = tomllib.load(file)["package"]
    versions = {}
    for package in packages:
        versions.setdefault(package["name"].replace("-", "_"), set()).add(package["version"])

    shown = shown_by(crate["root"], crate["index"])

    foreign = {}
    for item in shown:
        if is_everybodys(item):
            continue
        for path in paths(item["inner"]):
            summary = crate["paths"].get(str(path))
            if summary and summary["crate_id"] != 0:
                name = crate["external_crates"][str(summary["crate_id"])]["name"]
                if name not in OF_RUST:
                    of_crate = foreign.setdefault(name, {})
                    of_crate.setdefault("::".join(summary["path"]), name_of(item, crate))

    wrong = []
    for name, named in sorted(foreign.items()):
        found = versions.get(name, {"?"})
        print(f"{name} {' '.join(sorted(found))}: {', '.join(sorted(named))}")
        if name in OURS_ALONE or any(version.startswith(("0.", "?")) for version in found):
            wrong += [f"{path} is in a public signature: {where}" for path, where in sorted(named.items())]
    for item in shown:
        if open_struct(item):
            wrong.append(f"{name_of(item, crate)} cannot get another field: #[non_exhaustive], and with_… for each")
    kinds = {"struct", "enum", "union", "trait", "function", "type_alias", "constant", "static", "macro", "module"}
    items = sum(1 for item in shown if kinds & item["inner"].keys() and str(item["id"]) in crate["paths"])
    print(f"{items} public items")
    if items > MOST_ITEMS:
        wrong.append(f"{items} public items: at most {MOST_ITEMS} are wanted")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
