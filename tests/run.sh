#!/usr/bin/env bash
# The whole test suite, as it must pass before a change lands.
#
#   tests/run.sh [PART...]     without parts: setup format build test tidy wide
#
#   setup     install what is missing (Debian, root)
#   format    clang-format finds nothing to change
#   build     everything compiles without warnings (preset ci)
#   test      all of ctest: units at 1, 2 and 4 ranks, the drivers' command line, house rules
#   tidy      clang-tidy finds nothing
#   wide      units at 1 and 2 ranks but those of analyses, and the driver verify, with 64-bit
#             indices and under the address and undefined-behaviour sanitizers (preset wide)
#   wider     the units of analyses in the same way, at 2 ranks; takes half an hour
#   quick     setup format build, then units at 1 and 2 ranks and house rules
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. jobs/environment.sh
cores=$(count_cores)
# Lets the compiler cache serve any copy of the source tree, with precompiled headers, too.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

configure() { [ -f "build/$1/build.ninja" ] || cmake --preset "$1" >/dev/null; }
sources() { find src drivers tests -name '*.cpp' -o -name '*.hpp' | sort; }

run_setup() { jobs/setup.sh --tests --no-build; }
run_format() { sources | xargs clang-format --dry-run --Werror; }
run_build() { configure ci && cmake --build --preset ci; }
run_test() { KOMORI_REQUIRE_SLURM=1 ctest --preset ci -j "$cores"; }
run_units() { ctest --preset ci -j "$cores" -L 'unit|house' -E 'np4|install'; }
run_tidy() {
  configure ci && cmake --build --preset ci --target komori_git_hash >/dev/null &&
    python3 tests/house/tidy.py build/ci -j "$cores"
}
run_wide() { configure wide && cmake --build --preset wide && ctest --preset wide -j "$cores"; }
run_wider() {
  configure wide && cmake --build --preset wide --target test_analyses &&
    ctest --test-dir build/wide --output-on-failure -R '^analyses.np2$'
}

summary=() failed=0
part() {
  local start=$SECONDS verdict=passed
  printf '\n== %s\n' "$1"
  "run_$1" || { verdict=FAILED; failed=1; }
  summary+=("$(printf '  %-8s %-7s %4d s' "$1" $verdict $((SECONDS - start)))")
  [ $verdict = passed ]
}
finish() {
  printf '\n== summary\n'
  printf '%s\n' "${summary[@]}"
  [ $failed = 0 ] && echo "All passed." || echo "Something FAILED."
  exit $failed
}

parts=("$@")
[ $# = 0 ] && parts=(setup format build test tidy wide)
[ "${parts[*]}" = quick ] && parts=(setup format build units)
for name in "${parts[@]}"; do
  if [ "$(type -t "run_$name")" != function ]; then
    sed -n '4,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
  fi
done
trap 'echo; echo "interrupted" >&2; exit 130' INT
for name in "${parts[@]}"; do
  part "$name" && continue
  # Nothing that follows can succeed without the packages; tests would run what was built before.
  case $name in
    setup) finish ;;
    build) parts_skipped=1; break ;;
  esac
done
[ "${parts_skipped:-0}" = 0 ] || summary+=("  the parts after it were left out")
finish
