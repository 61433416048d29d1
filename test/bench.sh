#!/usr/bin/env bash
# make bench: the figures that are promised, in one run, so that they can be compared with each
# other: each benchmark sets its own reference (a bare handler, the library alone, a peer) beside it
# and prints the ratio as a metric of its own. Sizes, start-up and memory come first. A few minutes.
#
#   BENCHTIME=3s BENCH=SAML make bench
#
# docs/decisions/performance.md tells what the figures were and what they hang on.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo 2>/dev/null | head -1), load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null), $(go version)"
make --no-print-directory build >/dev/null
for binary in bin/*; do
  echo "size: $binary $(($(wc -c <"$binary") / 1000000)) MB"
done

# idle starts the daemon on an empty installation and prints how long it took to be ready, and the
# memory it holds a second later, with nothing to do. On a busy machine the processor's time tells more.
idle() {
  local home began ready pid ticks
  home=$(mktemp -d)
  trap 'kill "$pid" 2>/dev/null || true; rm -rf "$home"' RETURN
  bin/drawbridge init "$home" --public-url http://127.0.0.1:8080 >/dev/null
  began=${EPOCHREALTIME/./}
  exec 3< <(cd "$home" && DRAWBRIDGE_LISTEN=127.0.0.1:0 DRAWBRIDGE_OPERATOR_LISTEN= exec "$OLDPWD/bin/drawbridge" serve --config "$home/drawbridge.yaml" 2>/dev/null)
  pid=$!
  while read -r line <&3; do
    [ "${line#ready:}" = "$line" ] || { ready=${EPOCHREALTIME/./}; break; }
  done
  [ -n "${ready:-}" ] || { echo "the daemon did not say ready"; return 1; }
  read -r -a ticks <"/proc/$pid/stat" # user and system time in hundredths of a second
  sleep 1
  echo "start-up: $(((ready - began) / 1000)) ms ($(((ticks[13] + ticks[14]) * 10)) ms of the processor), resident: $(($(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status") / 1000)) MB"
}
for _ in 1 2 3; do idle; done

packages=$(git ls-files -co --exclude-standard -- '*_test.go' | xargs -r grep -l '^func Benchmark' | xargs -rn1 dirname | sort -u | sed 's|^|./|')
[ -n "$packages" ] || { echo "there are no benchmarks"; exit 0; }
# PostgreSQL where there is one, durable as it is in earnest. BENCH_PEOPLE=100000 has smaller crowds than a million.
postgres=(env DRAWBRIDGE_TEST_FSYNC=on test/postgres.sh)
test/postgres.sh true 2>/dev/null || { postgres=(); echo "there is no PostgreSQL here; SQLite alone is measured"; }
# -p 1: two packages at once would measure each other.
# shellcheck disable=SC2086
exec timeout 60m ${postgres[@]+"${postgres[@]}"} go test -p 1 -run '^$' -bench "${BENCH:-.}" -benchtime "${BENCHTIME:-500ms}" -timeout 30m $packages
