#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to answers about real files, in one command:
#   tools/quickstart.sh         the project's own sources, and texts under /usr/share
#   tools/quickstart.sh DIR     your files
# Makes a volume and a mount below ${VEXFS_DEMO:-/tmp/vexfs-demo}; run again, it goes on with them.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
source_dir=${1:-}
[ -z "$source_dir" ] || [ -d "$source_dir" ] || { echo "quickstart: $source_dir is no directory" >&2; exit 2; }
[ -z "$source_dir" ] || source_dir=$(cd "$source_dir" && pwd)
demo=${VEXFS_DEMO:-/tmp/vexfs-demo}
image=$demo/notes.vex mnt=$demo/notes files_max=4000

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "quickstart: $*" >&2; exit 2; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

say "1. Build"
"$here/tools/build.sh" vexfs
vexfs=$here/build/vexfs
[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || true
[ -c /dev/fuse ] || fail "/dev/fuse is absent, a mount cannot be made here"
"$vexfs" version

say "2. A volume, and its mount"
mkdir -p "$mnt" || fail "cannot make $mnt"
if mountpoint -q "$mnt"; then
  echo "$mnt is mounted already: going on with it"
else
  [ -e "$image" ] || "$vexfs" mkfs "$image" --size 4G
  "$vexfs" mount "$image" "$mnt"
fi
echo "$image -> $mnt"

say "3. Copy real files in"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
if [ -n "$source_dir" ]; then
  (cd "$source_dir" && find . -type f -size -1024k -not -path '*/.git/*' -print0 | sed -zn "1,${files_max}p") >"$list"
  from=$source_dir to=$mnt/$(basename "$source_dir")
  mkdir -p "$to"
  started=$(now_ms)
  (cd "$from" && xargs -0 -r cp --parents -t "$to" <"$list")
  copied=$(tr -cd '\0' <"$list" | wc -c)
else
  started=$(now_ms)
  mkdir -p "$mnt/vexfs" "$mnt/licences" "$mnt/copyright"
  (cd "$here" && find base storage vector hnsw search fs src tools tests bench doc -type f \
      -not -name quickstart.sh -print0 |
    xargs -0 -r cp --parents -t "$mnt/vexfs")
  find "$here" -maxdepth 1 -name '*.md' -exec cp -t "$mnt/vexfs" {} +
  find /usr/share/common-licenses -type f -exec cp -t "$mnt/licences" {} +
  for text in /usr/share/doc/*/copyright; do
    package=${text%/copyright}
    [ -f "$text" ] && cp "$text" "$mnt/copyright/${package##*/}.txt"
  done
  # sed reads to the end; head would end find with SIGPIPE, and this script with it.
  (cd /usr/share && find perl perl5 -name '*.p[ml]' -size -200k 2>/dev/null | sed -n 1,1000p |
    xargs -r cp --parents -t "$mnt") || true
fi
[ -n "$source_dir" ] ||
  copied=$(cd "$mnt" && find vexfs licences copyright perl perl5 -type f 2>/dev/null | wc -l)
echo "$copied files"

say "4. Wait until they are indexed"
"$vexfs" index wait "$mnt"
took=$(($(now_ms) - started))
"$vexfs" index status "$mnt"
[ "$took" -gt 0 ] || took=1
vectors=$(awk '$1 == "vectors" { print $2 }' "$mnt/.vexfs/status")
echo "$copied files, $vectors vectors, $((copied * 1000 / took)) files a second from the first write to searchable"

say "5. Ask"
if [ -n "$source_dir" ]; then
  # The first words of three of the files: each question has a known answer.
  mapfile -t questions < <(find "$to" -type f -size +100c -print | sort | awk 'NR % 7 == 1 && ++n <= 40' |
    while read -r f; do head -c 300 "$f" | tr -cs 'A-Za-z ' ' ' | awk 'NF > 3 { print $1, $2, $3, $4, $5; exit }'; done | sed -n 1,3p)
else
  questions=("what happens to the log after a crash"
             "may I sell copies of this program"
             "parse the command line options")
fi
[ ${#questions[@]} -ge 3 ] || fail "found no text to ask about in $source_dir"
ask() {
  local start
  printf '\n$ %s\n' "$1"
  shift
  start=$(now_ms)
  "$@" | sed -n 1,5p
  printf '  (%d ms)\n' $(($(now_ms) - start))
}
cd "$mnt"
ask "ls .vexfs/search/\"${questions[0]}\"/" ls ".vexfs/search/${questions[0]}/"
ask "getfattr --only-values -n 'user.vexfs.search:${questions[1]}' ." \
  getfattr --only-values -n "user.vexfs.search:${questions[1]}" .
ask "vexfs search . ${questions[2]}" "$vexfs" search . "${questions[2]}"

say "Go on"
cat <<EOF
  cd $mnt
  cat .vexfs/README                                   all the ways to ask
  ls .vexfs/search/"your question"/
  $vexfs stats $mnt
  $vexfs umount $mnt                   when you are done; the volume stays in $image
EOF
