#!/usr/bin/env bash
# The API's description and the client made from it.
#
#   openapi.sh write   docs/api/openapi.yaml and client/client.gen.go as the handlers say
#   openapi.sh check   both are current; the description passes a linter; nothing in it breaks a client of
#                      the released one (docs/api/openapi.released.yaml) unless the version's first number says so
#   openapi.sh release the description becomes the released one
set -euo pipefail
cd "$(dirname "$0")/.."

doc=docs/api/openapi.yaml released=docs/api/openapi.released.yaml generated=client/client.gen.go
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool() { go tool -modfile=test/openapi/tools/go.mod "$@"; }

make_all() {
  go run ./test/openapi >"$work/openapi.yaml"
  go run ./test/openapi -client >"$work/client.yaml"
  sed "s|TEMPLATES|$PWD/test/openapi|" test/openapi/codegen.yaml >"$work/codegen.yaml"
  tool oapi-codegen -config "$work/codegen.yaml" -o "$work/client.gen.go" "$work/client.yaml"
}

major() { sed -n 's/^  version: *"\{0,1\}\([0-9]*\)\..*/\1/p' "$1"; }

case ${1:-} in
write)
  make_all
  cp "$work/openapi.yaml" $doc
  cp "$work/client.gen.go" $generated
  ;;
check)
  make_all
  status=0
  for pair in "$doc $work/openapi.yaml" "$generated $work/client.gen.go"; do
    # shellcheck disable=SC2086
    diff -u $pair >"$work/diff" || { head -40 "$work/diff"; echo "${pair% *} is not what the handlers say: make openapi"; status=1; }
  done
  go -C test/openapi/tools run . "$PWD/$doc" || status=1
  if [ "$(major $doc)" = "$(major $released)" ]; then
    tool oasdiff breaking --fail-on ERR $released $doc || {
      echo "This breaks clients. Keep what was released, or raise the first number of api.Version and say so in CHANGELOG.md (docs/api.md)."
      status=1
    }
  else
    tool oasdiff breaking $released $doc || true
    echo "The version says that this breaks clients."
  fi
  exit $status
  ;;
release) cp $doc $released ;;
*)
  sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'
  exit 2
  ;;
esac
