#!/usr/bin/env bash
# komori installs, another project finds and uses the library, and the drivers run from there.
#
#   install_test.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
build=$1 source=$2
. "$source/jobs/environment.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
say_if_it_fails() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }; }
stop() { echo "$1"; exit 1; }

say_if_it_fails cmake --install "$build" --prefix "$folder/prefix"
type=$(sed -n 's/^CMAKE_BUILD_TYPE:[^=]*=//p' "$build/CMakeCache.txt")
say_if_it_fails cmake -S "$source/tests/house/consumer" -B "$folder/consumer" \
  -DCMAKE_BUILD_TYPE="$type" -DCMAKE_PREFIX_PATH="$folder/prefix"
say_if_it_fails cmake --build "$folder/consumer"
answer=$("$folder/consumer/consumer")
[ "$answer" = "9 cells" ] || stop "the consumer says '$answer'"

for main in "$source"/drivers/*.cpp; do
  name=komori-$(basename "$main" .cpp)
  [ -x "$folder/prefix/bin/$name" ] || stop "no bin/$name was installed"
  "$folder/prefix/bin/$name" --version >/dev/null || stop "$name --version fails"
done
[ -x "$folder/prefix/bin/komori-plot" ] || stop "no bin/komori-plot was installed"
"$folder/prefix/bin/komori-plot" --help >"$folder/log" 2>&1 || { cat "$folder/log"; stop "komori-plot finds no panels"; }
echo "installed and used"
