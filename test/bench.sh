#!/usr/bin/env bash
# make bench: the figures that are promised, in one run, so that they can be compared with each
# other: each benchmark sets its own reference (a bare handler, the library alone, a peer) beside it
# and prints the ratio as a metric of its own.
#
#   BENCHTIME=3s BENCH=SAML make bench
set -euo pipefail
cd "$(dirname "$0")/.."

echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo 2>/dev/null | head -1), load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null), $(go version)"
make --no-print-directory build >/dev/null
for binary in bin/*; do
  printf 'size: %s %.1f MB\n' "$binary" "$(($(wc -c <"$binary") / 10000))e-2"
done
packages=$(git ls-files -co --exclude-standard -- '*_test.go' | xargs -r grep -l '^func Benchmark' | xargs -rn1 dirname | sort -u | sed 's|^|./|')
[ -n "$packages" ] || { echo "there are no benchmarks"; exit 0; }
# -p 1: two packages at once would measure each other.
# shellcheck disable=SC2086
exec timeout 60m go test -p 1 -run '^$' -bench "${BENCH:-.}" -benchtime "${BENCHTIME:-1s}" -timeout 30m $packages
