#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing and builds to build/; the program is build/vexfs.
#   tools/build.sh          everything, tests included
#   tools/build.sh vexfs    only the program
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh
if [ ! -f build/build.ninja ] && ! meson setup build >/dev/null; then
  echo "build: meson failed, see build/meson-logs" >&2
  exit 2
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -t 1 ]; then
  ninja -C build "$@" || { echo "build: failed, see above" >&2; exit 2; }
elif ! ninja -C build "$@" >"$log" 2>&1; then
  grep -E 'error|FAILED' "$log" | head -n 20 >&2
  echo "build: ninja -C build failed" >&2
  exit 2
fi
