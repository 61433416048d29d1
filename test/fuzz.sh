#!/usr/bin/env bash
# Runs every fuzz target of the house in turn.
#
#   test/fuzz.sh 1m         a minute for each
#   test/fuzz.sh 5s 60      five seconds for each, and less when that made more than 60 s in all
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-1m} total=${2:-0}

# One line per target: folder and name. grep, not go test -list, which would link every test binary.
targets=$(git ls-files -co --exclude-standard -- '*_test.go' | while read -r file; do
  sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$(dirname "$file") \1|p" "$file"
done | sort)
count=$(grep -c . <<<"$targets" || true)
[ "$count" -gt 0 ] || { echo "there are no fuzz targets"; exit 0; }
if [ "$total" -gt 0 ]; then
  seconds=${each%s}
  [ $((seconds * count)) -le "$total" ] || seconds=$((total / count))
  each=$((seconds > 1 ? seconds : 1))s
fi
echo "$count fuzz targets, $each each"

status=0
while read -r dir target; do
  # No -parallel: go test takes as many workers as there are cores.
  if out=$(timeout --foreground 15m go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" -fuzzminimizetime 5s "./$dir" 2>&1); then
    echo "ok    $dir $target  $(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
  else
    printf 'FAIL  %s %s\n%s\n' "$dir" "$target" "$out"
    status=1
  fi
done <<<"$targets"
exit "$status"
