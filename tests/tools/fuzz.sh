#!/usr/bin/env bash
# libFuzzer at every door where strangers' bytes are read, one after another.
#
#   fuzz.sh [SECONDS [TARGET...]]     default: 600 seconds each, all targets
#
# Begins with the corpus that is checked in and with its own earlier finds, tests/fuzz/finds; a file that breaks a door is
# left in tests/fuzz/artifacts, and the other doors are tried all the same. One core, 2 GiB, ten seconds a file.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo "fuzzing needs a nightly toolchain and cargo-fuzz: rustup toolchain install nightly && cargo install cargo-fuzz" >&2
  exit 1
fi
seconds=${1:-600}
shift $(($# > 0))
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)

# Two of the targets start a daemon each, whose folder nobody removes when libFuzzer ends the process.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# No address sanitizer: what is fuzzed is safe Rust, and with it building takes an hour. What is looked for are panics,
# overflows, hangs and memory, which an unoptimised build shows best.
build=(--dev --sanitizer none)
cargo +nightly fuzz build "${build[@]}"
broken=
for target in "$@"; do
  echo "== $target"
  mkdir -p "finds/$target"
  cargo +nightly fuzz run "${build[@]}" "$target" "finds/$target" "corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || broken+=" $target"
done
[ -z "$broken" ] || { echo "broken:$broken" >&2; exit 1; }
