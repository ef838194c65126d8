#!/bin/sh
# clang-format and clang-tidy over the whole tree, against build/dev's compile commands.
set -eu
cd "$(dirname "$0")/.."
sources=$(git ls-files '*.cc' '*.h' '*.hpp' '*.c')
# shellcheck disable=SC2086
clang-format --dry-run --Werror $sources
run=$(command -v run-clang-tidy || ls /usr/bin/run-clang-tidy-* | tail -1)
"$run" -quiet -p build/dev "$PWD/(core|sdk|plugins)/.*"
