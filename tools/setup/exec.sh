#!/bin/sh
# exec.sh <script.ts> [arguments]: runs a script of this repository with Node 24, and fetches nothing.
# Commands in bin/ are three lines that call it. A relative script is below the repository, and the
# working directory stays the caller's, because commands take paths.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
script=$1
shift
case $script in
  /*) ;;
  *) script=$root/$script ;;
esac

for node in "$root"/node_modules/node-linux-*/bin/node "$root/node_modules/.bin/node"; do
  # A package of another architecture may lie there too; it does not run.
  if [ -x "$node" ] && "$node" --version >/dev/null 2>&1; then
    exec "$node" "$script" "$@"
  fi
done
if node=$(command -v node) && [ "$("$node" -p 'process.versions.node.split(".")[0] >= 24')" = true ]; then
  exec "$node" "$script" "$@"
fi
echo "$(basename -- "$script" .ts): no Node 24 here: run \"npm run setup\" in $root first" >&2
exit 1
