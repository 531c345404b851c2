#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs every test; mounts for real.
#   tools/test.sh                 everything
#   tools/test.sh --suite mount   what `meson test` takes
#   tools/test.sh --long …        the long runs of real programs and random operations, too
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --long ]; then
  shift
  export VEXFS_LONG=1 VEXFS_STEPS=200000
fi
tools/build.sh
[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || true
[ -c /dev/fuse ] || { echo "test: /dev/fuse is absent, a mount cannot be made here" >&2; exit 2; }

failed=0
meson test -C build --no-rebuild --print-errorlogs "$@" || failed=1
# The runner's own records, as one line that a machine can count.
python3 - build/meson-logs/testlog.json <<'EOF'
import json, sys
results = [json.loads(line)['result'] for line in open(sys.argv[1], encoding='utf-8')]
passed, skipped = results.count('OK'), results.count('SKIP')
print(f'{passed} passed, {len(results) - passed - skipped} failed, {skipped} skipped')
sys.exit(passed == 0)
EOF
exit $failed
