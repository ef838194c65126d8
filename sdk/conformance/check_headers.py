#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every header of the ABI by itself, and layout.c, as C11, C17, C++11 and C++20, with gcc
and clang; and the C++ skin as C++20 with both."""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parent / "include"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only"]
STANDARDS = [("c", "c11"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")]


def compiles(compiler, language, standard, source):
    done = subprocess.run([compiler, "-x", language, f"-std={standard}", *WARNINGS, "-I", str(INCLUDE), "-"],
                          input=source, text=True, stderr=subprocess.PIPE, check=False)
    return done.returncode == 0, done.stderr


def main():
    headers = sorted((INCLUDE / "gateway").rglob("*.h"))
    sources = {str(h.relative_to(INCLUDE)): f"#include <{h.relative_to(INCLUDE)}>\n" * 2 for h in headers}
    sources["layout.c"] = (HERE / "layout.c").read_text()
    skin = {str(h.relative_to(INCLUDE)): f"#include <{h.relative_to(INCLUDE)}>\n" * 2
            for h in sorted((INCLUDE / "gateway").rglob("*.hpp"))}
    compilers = ["gcc", "clang"]
    missing = [name for name in compilers if not shutil.which(name)]
    if missing:
        print(f"not installed: {', '.join(missing)} (tools/setup.sh test)")
        return 1
    failures = 0
    for compiler in compilers:
        for language, standard in STANDARDS:
            for name, source in {**sources, **(skin if standard == "c++20" else {})}.items():
                good, errors = compiles(compiler, language, standard, source)
                if not good:
                    failures += 1
                    print(f"{name} as {standard} with {compiler}:\n{errors}")
    print(f"{len(sources) + len(skin)} sources, {', '.join(compilers)}: {failures or 'no'} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
