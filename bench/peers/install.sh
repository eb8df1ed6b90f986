#!/bin/sh
# Installs what the foreign peers of the bench and redis-server beside ours need, with Debian's packages, and builds them into bench/peers/build/,
# which git does not keep. Needs Debian 12 or a kin of it, and to be root. What could not be built is said, and the bench
# leaves it out. `--no-packages` only builds.
set -eu
cd "${0%/*}"

if [ "${1:-}" != --no-packages ]; then
  apt-get update -qq
  command -v node >/dev/null 2>&1 && node= || node=nodejs
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    python3 python3-uvloop python3-twisted gcc libc6-dev libuv1-dev golang-go cargo librust-tokio-dev \
    redis-server redis-tools $node
fi

mkdir -p build
failed=
attempt() {
  name=$1
  shift
  echo "== $name"
  "$@" || failed="$failed $name"
}

build_epoll() {
  gcc -O2 -Wall -Wextra -Werror -o build/epoll-echo epoll-echo.c
}
build_libuv() {
  gcc -O2 -Wall -Wextra -Werror -o build/libuv-echo libuv-echo.c -luv
}
build_go() {
  (cd go && GOFLAGS=-mod=mod GOPROXY=off go build -o ../build/go-peer .)
}
# The crates are Debian's, already on the disk: cargo asks nobody for any.
build_tokio() {
  (
    cd tokio
    cargo build --release --offline --quiet --target-dir ../build/cargo \
      --config 'source.crates-io.replace-with="debian"' \
      --config 'source.debian.directory="/usr/share/cargo/registry"'
  ) && cp build/cargo/release/tokio-peer build/tokio-peer
}

attempt epoll build_epoll
attempt libuv build_libuv
attempt go build_go
attempt tokio build_tokio

# What the report says of them, a line each: the name of the tool and its version.
{
  gcc -dumpfullversion | sed 's/^/gcc /'
  dpkg-query -W -f 'libuv ${Version}\n' libuv1-dev | sed 's/-.*//'
  go version | sed -n 's/^go version go\([0-9.]*\).*/Go \1/p'
  rustc --version | sed -n 's/^rustc \([0-9.]*\).*/rustc \1/p'
  sed -n '/^name = "tokio"$/{n;s/version = "\(.*\)"/tokio \1/p;}' tokio/Cargo.lock
} >build/versions 2>/dev/null || true
cat build/versions

if [ -n "$failed" ]; then
  echo "not built:$failed" >&2
  exit 1
fi
