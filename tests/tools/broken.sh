#!/usr/bin/env bash
# Breaks what docs/promises.md promises, one promise after another, and expects the test that shows it to fail.
#
#   broken.sh [NAME...]     files of tests/broken, without .patch; default: all of them, a minute or two each
#
# Each is tried on HEAD, in a tree and a build folder of their own: what is broken must not get into any other build.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
place=${CARGO_TARGET_DIR:-$root/target}/broken
tree=$place/tree
log=$place/log
export CARGO_TARGET_DIR=$place/target RUST_BACKTRACE=0

# Says what comes of one of them, and fails unless a test does.
try() {
  local patch=$root/tests/broken/$1.patch test failed
  test=$(sed -n 's/^Test: //p' "$patch")
  git checkout --quiet --force --detach "$head"
  git apply -p0 "$patch" || { echo "does not apply"; return 1; }
  cargo test --locked --workspace --test whole --no-run >"$log" 2>&1 || { echo "does not build: $log"; return 1; }
  if timeout 400 cargo test --locked --workspace --test whole "$test" >"$log" 2>&1; then
    echo "NOT NOTICED"
    return 1
  elif [ $? -eq 124 ]; then
    echo "caught by a test that does not end:" $(sed -n 's/^test \(.*\) has been running .*/\1/p' "$log")
    return
  fi
  failed=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
  [ -n "$failed" ] || { echo "ended without a failed test: $log"; return 1; }
  echo "caught by" $failed
}

mkdir -p "$place"
head=$(git -C "$root" rev-parse HEAD)
git -C "$root" worktree prune
[ -e "$tree" ] || git -C "$root" worktree add --quiet --detach "$tree" "$head"
cd "$tree"
[ $# -gt 0 ] || set -- $(basename -s .patch "$root"/tests/broken/*.patch)
status=0
for name in "$@"; do
  printf '%-24s ' "$name"
  try "$name" || status=1
done
git checkout --quiet --force --detach "$head"
exit "$status"
