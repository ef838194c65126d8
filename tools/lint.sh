#!/bin/sh
# clang-format and clang-tidy over the whole tree, against build/dev's compile commands (those of gcc,
# without what clang does not know).
set -eu
cd "$(dirname "$0")/.."
sources=$(git ls-files '*.cc' '*.h' '*.hpp' '*.c')
# shellcheck disable=SC2086
clang-format --dry-run --Werror $sources
mkdir -p build/lint
sed 's/ -fno-gnu-unique//' build/dev/compile_commands.json > build/lint/compile_commands.json
run=$(command -v run-clang-tidy || ls /usr/bin/run-clang-tidy-* | tail -1)
"$run" -quiet -p build/lint "$PWD/(core|sdk|plugins)/.*"
