# SPDX-License-Identifier: Apache-2.0
# Completion for bash. What it offers it takes from `vexfs --help`, so it knows no word of its own.

# The words of one section of a help text: "Subcommands" or "Options".
_vexfs_section() {
  awk -v section="$1:" '
    /^[A-Z]/ { inside = ($0 == section); next }
    inside && /^  [^ ]/ { gsub(",", " "); for (i = 1; i <= NF && ($i ~ /^-/ || i == 1); ++i) print $i }'
}

# The words that `vexfs mount -o` takes: a table beside the option, words first.
_vexfs_mount_words() {
  vexfs mount --help | awk '
    /^  -o / { column = index($0, "comma-separated"); next }
    column && substr($0, 1, column - 1) ~ /[^ ]/ { exit }
    column && substr($0, column, 1) ~ /[a-z]/ {
      words = substr($0, column)
      sub(/   *.*/, "", words)
      count = split(words, word, /, */)
      for (i = 1; i <= count; ++i) { sub(/=.*/, "=", word[i]); print word[i] }
    }'
}

_vexfs() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local path=() i inner
  COMPREPLY=()
  # The commands that stand before the cursor: `vexfs index wait`.
  for ((i = 1; i < COMP_CWORD; ++i)); do
    [[ ${COMP_WORDS[i]} == -* ]] && continue
    inner=$(vexfs "${path[@]}" --help 2>/dev/null | _vexfs_section Subcommands)
    grep -qx -- "${COMP_WORDS[i]}" <<<"$inner" || break
    path+=("${COMP_WORDS[i]}")
  done
  if [[ $before == -o && ${path[0]} == mount ]]; then
    local done=${word%"${word##*,}"}
    mapfile -t COMPREPLY < <(compgen -P "$done" -W "$(_vexfs_mount_words)" -- "${word##*,}")
    compopt -o nospace 2>/dev/null
    return
  fi
  local help
  help=$(vexfs "${path[@]}" --help 2>/dev/null) || return
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_vexfs_section Options <<<"$help")" -- "$word")
    return
  fi
  inner=$(_vexfs_section Subcommands <<<"$help")
  if [[ -n $inner ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$inner" -- "$word")
  else
    compopt -o default 2>/dev/null  # files and directories
  fi
}
complete -F _vexfs vexfs
