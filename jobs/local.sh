#!/usr/bin/env bash
# Sets komori up, runs one input on this machine, and draws the result.
#
#   jobs/local.sh [-n RANKS] [--driver NAME] [INPUT.yaml] [options of the driver]
#
#   -n RANKS       MPI ranks (2, or $RANKS)
#   --driver NAME  which program (fokker_planck, or $DRIVER)
#
# The result goes to results/INPUT.h5 and replaces the one of an earlier run; --output FILE puts it
# elsewhere. The exit code is the driver's.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() { sed -n '4,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
ranks=${RANKS:-2} driver=${DRIVER:-fokker_planck} input='' output='' draws=1
options=()
[ $# -gt 0 ] || { usage >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    -n | --driver)
      [ $# -ge 2 ] || { echo "local: option '$1' needs a value" >&2; exit 2; }
      if [ "$1" = -n ]; then ranks=$2; else driver=$2; fi
      shift
      ;;
    -h) usage; exit 0 ;;
    --help | --version | --check) draws=0 options+=("$1") ;;
    --output=*) output=${1#--output=} ;;
    --output) output=${2:-} && shift ;;
    *.yaml | *.yml)
      if [ -z "$input" ]; then input=$1; else options+=("$1"); fi
      ;;
    *) options+=("$1") ;;
  esac
  shift
done
if ! [ "$ranks" -ge 1 ] 2>/dev/null; then
  echo "local: -n is '$ranks', but must be a number of ranks >= 1" >&2
  exit 2
fi

"$root/jobs/setup.sh" || exit 1
. "$root/jobs/environment.sh"
program=$root/build/bin/$driver
if [ ! -x "$program" ]; then
  echo "local: there is no driver '$driver'; drivers: $(cd "$root/build/bin" && echo *)" >&2
  exit 2
fi

[ -n "$input" ] || draws=0
arguments=(${input:+"$input"} "${options[@]}")
if [ $draws = 1 ]; then
  if [ -z "$output" ]; then
    mkdir -p "$root/results"
    name=$(basename "$input")
    output=$root/results/${name%.*}.h5
    arguments+=(--overwrite)
  fi
  arguments+=(--output "$output")
fi
mapfile -t launch < <(mpi_options "$ranks")
mpirun -n "$ranks" "${launch[@]}" "$program" "${arguments[@]}"
code=$?
# A solver that did not converge (3) leaves what did; every other failure leaves nothing to draw.
if [ $draws = 0 ] || { [ $code != 0 ] && [ $code != 3 ]; }; then
  exit $code
fi
if ! python=$(find_python h5py matplotlib); then
  echo "local: no plot: no Python 3 with h5py and matplotlib was found" >&2
  exit $code
fi
"$python" "$root/drivers/plot.py" "$output" || echo "local: the plot failed" >&2
exit $code
