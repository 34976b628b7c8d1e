#!/usr/bin/env bash
# Gets everything komori needs on Debian 12 and builds it; quick when there is nothing left to do.
#
#   jobs/setup.sh [--tests] [--no-packages] [--no-build]
#
# Packages are installed as root and only if some are missing. On other systems install what the
# README lists, then use --no-packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

to_run=(ca-certificates git python3 python3-h5py python3-matplotlib openmpi-bin libopenblas0-serial)
to_build=(g++ cmake ninja-build ccache pkg-config libopenmpi-dev libpetsc-real-dev libslepc-real-dev
  libhdf5-openmpi-dev libyaml-cpp-dev libmuparser-dev libfmt-dev libcli11-dev libeigen3-dev
  librandom123-dev libonnx-dev libprotobuf-dev)
to_test=(libgtest-dev libgmock-dev clang-format clang-tidy libpetsc64-real-dev libslepc64-real-dev
  slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)

packages=1 build=1 wanted=("${to_run[@]}" "${to_build[@]}")
for argument in "$@"; do
  case $argument in
    --tests) wanted+=("${to_test[@]}") ;;
    --no-packages) packages=0 ;;
    --no-build) build=0 ;;
    *)
      echo "setup: unknown option '$argument'; options: --tests --no-packages --no-build" >&2
      exit 2
      ;;
  esac
done

install_packages() {
  local installed missing=() package
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian; taking the libraries that CMake finds (see README, Clusters)" >&2
    return
  fi
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for package in "${wanted[@]}"; do
    grep -qx "installed $package" <<<"$installed" || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    cat >&2 <<END
setup: ${#missing[@]} packages are missing and only root can install them. Run as root
  apt-get update && apt-get install --no-install-recommends ${missing[*]}
or, with libraries of your own (see README, Clusters), give --no-packages.
END
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  # SLEPc's packages ask for alternatives that do not exist yet, and say so.
  apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" \
    2> >(grep -v 'update-alternatives: error: no alternatives for' >&2) >/dev/null
}

# Factorisations take several times longer with the reference BLAS than with OpenBLAS.
select_openblas() {
  local name group active fast
  command -v update-alternatives >/dev/null && [ "$(id -u)" = 0 ] || return 0
  for name in libblas liblapack; do
    for group in /etc/alternatives/"$name".so.3-*; do
      [ -e "$group" ] || continue
      active=$(readlink "$group")
      case $active in
        */blas/* | */lapack/*)
          fast=$(update-alternatives --list "$(basename "$group")" | grep openblas-serial || true)
          if [ -n "$fast" ]; then
            update-alternatives --quiet --set "$(basename "$group")" "$fast"
            echo "setup: $name is now OpenBLAS"
          fi
          ;;
      esac
    done
  done
}

if [ $packages = 1 ]; then
  install_packages
  select_openblas
fi
[ $build = 1 ] || exit 0
log=build/setup.log
quietly() { "$@" >>$log 2>&1 || { cat $log >&2; exit 1; }; }
first=0
mkdir -p build
: >$log
if [ ! -f build/build.ninja ]; then
  first=1
  quietly cmake --preset release
fi
if [ $first = 1 ]; then
  echo "setup: building in build/ (some minutes, once)"
  cmake --build --preset release
else
  quietly cmake --build --preset release
fi
