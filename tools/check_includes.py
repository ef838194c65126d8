#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a file includes a room that its own room must not know (ARCHITECTURE.md, "Include order")."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ORDER = ["base", "config", "net", "http", "pipeline", "plugin_host", "server"]
SDK_ROOMS = {"settings", "testing"}
ONLY_IN = {"uv.h": "core/net", "llhttp.h": "core/http"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def complaint(file, header):
    """Why `file` (relative to the root) must not include `header`, or None."""
    parts = file.parts
    if header in ONLY_IN and pathlib.Path(*parts[:2]) != pathlib.Path(ONLY_IN[header]):
        return f"only {ONLY_IN[header]} includes <{header}>"
    room = header.split("/")[0]
    if "/" not in header or (room not in ORDER and room not in SDK_ROOMS):
        return None
    is_test = file.stem.endswith("_test") or "testing" in parts
    if parts[0] == "core":
        if room in ORDER and ORDER.index(room) > ORDER.index(parts[1]):
            return f"{parts[1]} stands left of {room}"
        if room == "testing" and not is_test:
            return "testing is for tests"
    elif parts[0] in ("sdk", "plugins"):
        if room in ORDER:
            return "the SDK and plugins know nothing of core/"
        if parts[0] == "plugins" and not is_test:
            return "plugins include sdk/include alone"
    return None


def main():
    found = []
    for folder in ("core", "sdk", "plugins"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".hpp", ".cc", ".c"):
                continue
            file = path.relative_to(ROOT)
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                why = match and complaint(file, match.group(1))
                if why:
                    found.append(f"{file}:{number}: {why}")
            if file.parts[0] == "plugins":
                others = [p.name for p in (ROOT / "plugins").iterdir() if p.is_dir() and p.name != file.parts[1]]
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    match = INCLUDE.match(line)
                    if match and match.group(1).split("/")[0] in others:
                        found.append(f"{file}:{number}: no plugin includes another's header")
    print("\n".join(found) or "every include stays within its room's reach")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
