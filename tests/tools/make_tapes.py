#!/usr/bin/env python3
"""Makes the recorded cloud answers under fixtures/cloud.

The records are invented, their form is not: AWS answers are written from botocore's service models and read back with
botocore's parsers before they are kept; Azure answers follow the REST API's published examples.

    python3 tests/tools/make_tapes.py           # write them
    python3 tests/tools/make_tapes.py --check   # say what differs from what is there, and fail if anything does

Needs botocore (`tests/tools/servers.sh` installs it).
"""

import pathlib
import sys

from tape import demo, faults

ROOT = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "cloud"


def wanted():
    first, second = demo.tape(1), demo.tape(2)
    files = {f"demo/{name}": text for name, text in first.items()}
    # The second run is laid over the first one: only what differs.
    files |= {f"demo-2/{name}": text for name, text in second.items() if first.get(name) != text}
    for case, tape in faults.cases().items():
        files |= {f"faults/{case}/{name}": text for name, text in tape.items()}
    return files


def main():
    files = wanted()
    there = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in ("demo", "demo-2", "faults")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
    }
    stale = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name}: {'missing' if name not in there else 'differs' if name in files else 'not made by this program'}")
        return 1 if stale else 0
    for name in stale:
        path = ROOT / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        else:
            path.unlink()
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes, {len(stale)} written or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
