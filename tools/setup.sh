#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what VexFS is built and tested with, from Debian 12. As root, or with sudo.
# Takes no time when everything is there.
set -euo pipefail

packages=(
  g++ meson ninja-build pkg-config   # the build
  libfuse3-dev fuse3                 # the mount, fusermount3
  liburing-dev                       # all I/O of a volume
  libzstd-dev libxxhash-dev          # compression, checksums
  libhwy-dev                         # SIMD with run-time dispatch
  libstemmer-dev libutf8proc-dev     # words: stems, Unicode
  libpoppler-cpp-dev libuchardet-dev libseccomp-dev   # what reads foreign files, locked up
  libcurl4-openssl-dev               # embedding endpoints
  libfmt-dev nlohmann-json3-dev libcli11-dev   # text, JSON, the command line
  doctest-dev python3 attr acl       # tests: units, mounts, getfattr, setfacl
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo" >&2; exit 2; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1
}
# The package lists may be old or absent: then fetch them once and try again.
if ! install && ! { "${as_root[@]}" apt-get update >"$log" 2>&1 && install; }; then
  tail -n 5 "$log" >&2
  echo "setup: apt-get could not install: ${missing[*]}" >&2
  exit 2
fi
