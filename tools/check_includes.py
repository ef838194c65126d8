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
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def complaint(file, system, own):
    """Why `file` (relative to the root) must not include <system> or "own", or None."""
    parts = file.parts
    header = system or own
    if header in ONLY_IN and pathlib.Path(*parts[:2]) != pathlib.Path(ONLY_IN[header]):
        return f"only {ONLY_IN[header]} includes <{header}>"
    room = header.split("/")[0]
    if system or "/" not in header or (room not in ORDER and room not in SDK_ROOMS):
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
    plugins = {p.name for p in (ROOT / "plugins").iterdir() if p.is_dir()}
    for folder in ("core", "sdk", "plugins"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".hpp", ".cc", ".c"):
                continue
            file = path.relative_to(ROOT)
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                why = complaint(file, *match.groups())
                if folder == "plugins" and (match.group(2) or "").split("/")[0] in plugins - {file.parts[1]}:
                    why = "no plugin includes another's header"
                if why:
                    found.append(f"{file}:{number}: {why}")
    print("\n".join(found) or "every include stays within its room's reach")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
