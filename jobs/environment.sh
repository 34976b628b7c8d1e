# shellcheck shell=bash
# Sourced by the scripts of this folder and by the tests: how komori is run on one machine.

# One thread per rank: threads of several ranks on the same cores fight each other.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Huge pages, which the drivers otherwise ask for by starting anew.
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
# mpirun's libevent warns of connections that close while it ends, unless it waits by poll.
export EVENT_NOEPOLL="${EVENT_NOEPOLL:-1}"
if [ "$(id -u)" = 0 ]; then
  # In a container root is often the only user there is.
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Prints the number of cores; nproc by itself would say 1, because of OMP_NUM_THREADS.
count_cores() { env -u OMP_NUM_THREADS nproc; }

# find_python MODULE...: prints a Python 3 that has these modules.
find_python() {
  local candidate modules
  modules=$(IFS=,; echo "$*")
  for candidate in "${KOMORI_PYTHON:-}" python3 /usr/bin/python3; do
    if [ -n "$candidate" ] && "$candidate" -c "import $modules" 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

# mpi_options RANKS: prints what mpirun needs to start that many ranks here.
mpi_options() {
  local version
  version=$(mpirun --version 2>/dev/null || true)
  case $version in
    *"Open MPI"* | *OpenRTE*)
      printf '%s\n' --quiet
      # More ranks than cores share them politely; as many as cores stay where they are.
      if [ "$1" -gt "$(count_cores)" ]; then
        printf '%s\n' --oversubscribe --bind-to none --mca mpi_yield_when_idle 1
      fi
      ;;
  esac
}
