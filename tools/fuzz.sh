#!/bin/sh
# Runs every fuzz target of build/fuzz for the minutes given, two at a time. What libFuzzer finds to be new is kept
# in build/fuzz/corpus; an input that breaks a promise in build/fuzz/found (run the target with it to see why).
set -eu
cd "$(dirname "$0")/.."
seconds=$((${1:-1} * 60))
[ "$seconds" -gt 0 ] || { echo "usage: tools/fuzz.sh [minutes]" >&2; exit 2; }
export seconds
mkdir -p build/fuzz/corpus build/fuzz/found build/fuzz/log

printf '%s\n' build/fuzz/fuzz/*_fuzz | xargs -P 2 -I{} sh -c '
  name=$(basename {} _fuzz)
  mkdir -p build/fuzz/corpus/$name
  if {} -max_total_time=$seconds -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
      -artifact_prefix=build/fuzz/found/$name- build/fuzz/corpus/$name tests/fuzz/corpus/$name \
      > build/fuzz/log/$name 2>&1; then
    runs=$(sed -n "s/^stat::number_of_executed_units: *//p" build/fuzz/log/$name)
    echo "fuzz: $name: $runs runs in $seconds s"
  else
    echo "fuzz: $name FAILED: build/fuzz/log/$name"
    tail -n 40 build/fuzz/log/$name
    exit 1
  fi'
