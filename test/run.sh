#!/usr/bin/env bash
# make test: everything that can be checked on this machine, in order, to the end even when
# something fails. Closes with a list of what ran and what could not, and go test's lines.
#
# As root on Debian it installs what the tests are held against (test/peers/install.sh). What cannot
# be had is skipped and said so; with CI=true a skip is a failure.
#
#   PACKAGES="./store/... ./rules" make test      the tests of these packages only
set -uo pipefail
cd "$(dirname "$0")/.."
ci=${CI:-}
read -ra packages <<<"${PACKAGES:-./...}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each check is a job with a process group of its own (set -m), so that stopping this script stops
# the check at once, with all that it has started.
set -m
running=
stop() { [ -z "$running" ] || { kill -TERM -- "-$running"; wait "$running"; } 2>/dev/null; exit "$1"; }
trap 'stop 130' INT
trap 'stop 143' TERM HUP
job() { "$@" & running=$!; wait "$running"; local status=$?; running=; return "$status"; }

summary=() failed=0

# step NAME COMMAND... runs one check and notes how it went.
step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if job "$@"; then
    summary+=("ran      $name ($((SECONDS - began)) s)")
  else
    summary+=("FAILED   $name ($((SECONDS - began)) s)")
    failed=1
  fi
}

# skip NAME WHY notes a check that could not be made.
skip() {
  summary+=("skipped  $1: $2")
  printf '\n== %s\nskipped: %s\n' "$1" "$2"
  [ "$ci" != true ] || failed=1
}

printf '== what the tests are held against\n'
install() { timeout --foreground 40m test/peers/install.sh | tee "$work/peers"; }
job install
lacks() { sed -n "s/^lack $1: //p" "$work/peers"; }
while read -r name why; do skip "${name%:}" "$why"; done < <(sed -n 's/^lack //p' "$work/peers")

postgres=()
[ -n "$(lacks PostgreSQL)" ] || postgres=(test/postgres.sh)

step "format, vet, staticcheck" timeout --foreground 15m test/lint.sh
step "the API and its description" timeout --foreground 20m test/openapi.sh check
step "requirements" go run ./test/requirements -quiet
step "protocols" go run ./test/protocols -quiet

# The house without its test tools and its commands: what runs concurrently in production.
core=$(go list "${packages[@]}" | grep -v -e '/test$' -e /test/ -e /cmd/ || true)
if [ -z "$core" ]; then
  skip "race detector" "there are no packages yet"
elif [ -n "$(lacks gcc)" ]; then
  skip "race detector" "$(lacks gcc)"
else
  # -short: timing and bulk belong to the run without the detector, which is ten times as fast.
  # shellcheck disable=SC2086
  step "race detector" env CGO_ENABLED=1 timeout --foreground 32m ${postgres[@]+"${postgres[@]}"} go test -race -short -timeout 30m $core
fi

step "fuzzing, briefly" timeout --foreground 15m test/fuzz.sh 5s 60

# The database of known vulnerabilities is a server of its own; where it cannot be reached there is
# nothing to check against, and that is nobody's failure, not even with CI=true.
vulnerabilities() {
  timeout --foreground 5m go tool govulncheck ./... >"$work/vulnerabilities" 2>&1 || { cat "$work/vulnerabilities"; return 1; }
}
probe() { timeout --foreground 2m go tool govulncheck ./test/report >"$work/probe" 2>&1; }
if ! job probe && grep -q 'fetching vulnerabilities' "$work/probe"; then
  printf '\n== known vulnerabilities\nskipped, not available: %s\n' "$(tail -1 "$work/probe" | cut -c1-200)"
  summary+=("skipped  known vulnerabilities: the database is not available here (no failure)")
else
  step "known vulnerabilities" vulnerabilities
fi

# The tests themselves come last, so that their lines close the output.
tests() {
  timeout --foreground 32m ${postgres[@]+"${postgres[@]}"} go test -json -timeout 30m "${packages[@]}" | go run ./test/report -lines "$work/lines"
}
step "tests" tests

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
[ "$ci" != true ] || [ "$failed" = 0 ] || echo "With CI=true a skipped check counts as failed."
echo
cat "$work/lines" 2>/dev/null
exit "$failed"
