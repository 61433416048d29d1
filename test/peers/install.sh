#!/usr/bin/env bash
# Installs what the tests are held against: simplesamlphp, oidc-provider, Chromium, PostgreSQL,
# xmlsec1, promtool, and the C compiler that the race detector needs. Prints a line for each, "have NAME VERSION" or "lack NAME: WHY", and always
# exits 0: what to do about a lack is the caller's choice.
#
# System packages are installed only by root on Debian, and only those that are missing. npm packages
# go to $DRAWBRIDGE_PEERS, by default .cache/peers in this checkout.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${DRAWBRIDGE_PEERS:-$(cd "$here/../.." && pwd)/.cache/peers}
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp); trap 'rm -f "$log"' EXIT

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -f /etc/debian_version ]; }

updated=
# apt PACKAGE... installs what is missing. The index is fetched once, and only when it is needed.
apt() {
  can_apt || { echo "not installed, and only root on Debian installs it here" >"$log"; return 1; }
  if [ -z "$updated" ]; then
    timeout 300 apt-get update -qq >"$log" 2>&1 || return 1
    updated=1
  fi
  dpkg --configure -a >"$log" 2>&1 # an earlier installation may have been cut off in the middle
  timeout 900 apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1
}

have() { echo "have $*"; }
lack() { echo "lack $1: $(grep -v -e "_logs/" -e "^$" "$log" | tail -1 | cut -c1-200)"; }

postgres_there() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
simplesamlphp_there() { command -v php >/dev/null && php -r 'exit(extension_loaded("dom") ? 0 : 1);' && [ -d /usr/share/simplesamlphp/www ]; }
cc_there() { command -v gcc >/dev/null && echo 'int main(void){return 0;}' | gcc -x c -o /dev/null - 2>/dev/null; }
node_good() { command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge 20 ]; }

# One call for all that is missing is much faster than a call each; when it fails, each has its own
# try below, so that one lack does not make five.
missing=()
postgres_there || missing+=(postgresql)
cc_there || missing+=(gcc libc6-dev)
simplesamlphp_there || missing+=(simplesamlphp php-cli php-xml)
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v xmlsec1 >/dev/null || missing+=(xmlsec1)
[ ${#missing[@]} -eq 0 ] || apt "${missing[@]}" || true

if cc_there || apt gcc libc6-dev; then have gcc; else lack gcc; fi
if postgres_there || apt postgresql; then have PostgreSQL; else lack PostgreSQL; fi
if simplesamlphp_there || apt simplesamlphp php-cli php-xml; then
  have simplesamlphp "$(dpkg-query -W -f '${Version}' simplesamlphp 2>/dev/null)"
else lack simplesamlphp; fi
if command -v chromium >/dev/null || apt chromium fonts-dejavu-core; then have Chromium; else lack Chromium; fi
if command -v xmlsec1 >/dev/null || apt xmlsec1; then have xmlsec1; else lack xmlsec1; fi

# promtool alone, unpacked beside the npm packages: the package's own installation would start a server.
promtool_there() { command -v promtool >/dev/null || [ -x "$cache/promtool/usr/bin/promtool" ]; }
promtool_unpacked() {
  can_apt || { echo "not installed, and only root on Debian unpacks it here" >"$log"; return 1; }
  local to; to=$(mktemp -d)
  { [ -n "$updated" ] || timeout 300 apt-get update -qq >"$log" 2>&1; } &&
    (cd "$to" && timeout 300 apt-get download -qq prometheus >"$log" 2>&1 && dpkg-deb -x prometheus_*.deb files >"$log" 2>&1) &&
    mkdir -p "$cache/promtool/usr/bin" && mv "$to/files/usr/bin/promtool" "$cache/promtool/usr/bin/"
  local status=$?
  rm -rf "$to"
  return $status
}
if promtool_there || promtool_unpacked; then have promtool; else lack promtool; fi

# npm_ci NAME installs exactly what test/peers/NAME/package-lock.json says, once per version of it.
npm_ci() {
  local name=$1 to=$cache/$1
  cmp -s "$here/$name/package-lock.json" "$to/installed" && return 0
  command -v npm >/dev/null || apt npm || return 1 # Debian's has hundreds of packages, so it comes last
  mkdir -p "$to" && cp "$here/$name/package.json" "$here/$name/package-lock.json" "$to/" &&
    (cd "$to" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >"$log" 2>&1) &&
    cp "$to/package-lock.json" "$to/installed"
}

# brought_node installs the Node that npm has for this kind of machine. npm calls it optional, because
# there is one package per kind, and so does not fail when it could not be had.
brought_node() {
  npm_ci node && "$cache"/node/node_modules/node-linux-*/bin/node --version >"$log" 2>&1 && return 0
  rm -f "$cache/node/installed"
  return 1
}

# oidc-provider needs Node 20. Where the system's is older, or there is none, npm has one too.
if { node_good || brought_node; } && npm_ci oidcprovider; then
  have oidc-provider "$(sed -n 's/.*"oidc-provider": "\(.*\)".*/\1/p' "$here/oidcprovider/package.json")"
else lack oidc-provider; fi
exit 0
