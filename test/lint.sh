#!/usr/bin/env bash
# The checks that need no test to run. Prints what is wrong; silence is good.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
unformatted=$(git ls-files -co --exclude-standard -- '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted (gofmt -w):\n%s\n' "$unformatted"
  status=1
fi
go vet ./... || status=1
go tool staticcheck ./... || status=1
exit "$status"
