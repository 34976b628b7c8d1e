#!/usr/bin/env python3
"""Solves one input for many values of its keys, and gathers the results in a table.

    jobs/sweep.py INPUT.yaml KEY=V1,V2,... [KEY=FROM:TO:COUNT ...] [options] [-- options of sbatch]
    jobs/sweep.py --collect FOLDER

All combinations of the values are solved, the last key changing fastest: by SLURM as one array
job (jobs/komori.sbatch), or with --local one after the other on this machine. Combination i is
line i of FOLDER/sweep.txt, and its result FOLDER/STEM-i.h5. The same command again solves what is
missing and goes on from checkpoints. --collect prints a table and writes it to FOLDER/table.csv.
"""
import argparse
import csv
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RATES = 4           # that a table shows
STOPPED = 75        # the driver saved and left
KEPT_CODES = (0, 3)  # the driver wrote a result
LINES = "sweep.txt"
COUNT = re.compile(r"([^:]+):([^:]+):(\d+)")


def leave(message):
    """Ends with one line and the exit code of wrong input."""
    sys.stderr.write(f"sweep.py: {message}\n")
    sys.exit(2)


try:
    import h5py
except ImportError as missing:
    SYSTEM = "/usr/bin/python3"
    PROBE = [SYSTEM, "-c", "import h5py"]
    if "KOMORI_SWEEP_RESTARTED" not in os.environ and os.path.exists(SYSTEM) \
            and subprocess.run(PROBE, capture_output=True, check=False).returncode == 0:
        os.environ["KOMORI_SWEEP_RESTARTED"] = "1"
        os.execv(SYSTEM, [SYSTEM, os.path.abspath(__file__), *sys.argv[1:]])
    leave(f"{missing}; install h5py (Debian: apt install python3-h5py)")


# --- what is to be solved ----------------------------------------------------------------------
def number(text, word):
    try:
        return float(text)
    except ValueError:
        leave(f"'{word}': '{text}' is no number; write KEY=FROM:TO:COUNT")


def split(text):
    """At commas, but not within brackets: lists and formulas are values, too."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def values(word):
    """(key, values) of "key=v1,v2" or "key=from:to:count"."""
    key, equals, text = word.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w.\[\]]*", key):
        leave(f"'{word}' is no KEY=V1,V2,... and no KEY=FROM:TO:COUNT")
    span = COUNT.fullmatch(text)
    if span:
        first, last, count = number(span[1], word), number(span[2], word), int(span[3])
        if count < 2:
            leave(f"'{word}': COUNT must be at least 2")
        # 15 digits: 0.30000000000000004 is nobody's value.
        found = [f"{first + (last - first) * i / (count - 1):.15g}" for i in range(count)]
    else:
        found = [part.strip() for part in split(text)]
    if any(not value or len(value.split()) > 1 for value in found):
        leave(f"'{word}': values must not be empty or hold spaces")
    if len(set(found)) < len(found):
        leave(f"'{word}': a value is given twice")
    return key, found


def combinations(words):
    """Lines of the sweep file."""
    keys = [values(word) for word in words]
    names = [key for key, _ in keys]
    if len(set(names)) < len(names):
        leave("a key is given twice")
    return [" ".join(f"{key}={value}" for key, value in zip(names, choice))
            for choice in itertools.product(*(found for _, found in keys))]


def prepare(folder, source, lines):
    """Writes the sweep file and a copy of the input; a folder that holds others is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in ((folder / LINES, "".join(line + "\n" for line in lines)),
                       (folder / source.name, source.read_text(encoding="utf-8"))):
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            leave(f"'{path}' is of another sweep; give another --folder, or remove that one")


def result(folder, stem, index):
    return folder / f"{stem}-{index}.h5"


def solved(path):
    """Whether a result is there and nothing in it is missing."""
    try:
        with h5py.File(path) as file:
            return not file["run"].attrs["early_exit"]
    except (OSError, KeyError):
        return False


# --- solving -----------------------------------------------------------------------------------
def submit(options, folder, copy, todo):
    tasks = ",".join(map(str, todo))
    if todo == list(range(todo[0], todo[-1] + 1)):
        tasks = f"{todo[0]}-{todo[-1]}" if len(todo) > 1 else str(todo[0])
    if options.limit:
        tasks += f"%{options.limit}"
    words = ["sbatch", f"--array={tasks}", f"--output={folder / 'task-%a.log'}",
             f"--job-name={folder.name}", *options.sbatch, str(ROOT / "jobs" / "komori.sbatch"),
             "--sweep", str(folder / LINES), options.driver, str(copy),
             "--output", str(folder / f"{copy.stem}.h5")]
    if options.dry_run:
        print(shlex.join(words))
        return 0
    if not shutil.which("sbatch"):
        leave("there is no sbatch here; run on a login node of a cluster, or give --local")
    return subprocess.run(words, check=False).returncode


def run_logged(words, log):
    """The exit code; a Ctrl-C, which the run gets as well, lets it save and counts as 75."""
    interrupted = False
    settings = {"OMPI_MCA_odls_base_sigkill_timeout": "5", **os.environ}  # seconds to save
    with open(log, "a", encoding="utf-8") as out, \
            subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env=settings) as run:
        while run.returncode is None:
            try:
                run.wait()
            except KeyboardInterrupt:
                interrupted = True
    return STOPPED if interrupted and run.returncode not in KEPT_CODES else run.returncode


def solve_here(options, folder, copy, todo, lines):
    """Runs what is left, one after the other; the worst exit code, or 75 at once."""
    programs = pathlib.Path(os.environ.get("KOMORI_BIN", ROOT / "build" / "bin"))
    program = programs / options.driver
    if not program.exists() and not options.dry_run:
        leave(f"there is no driver '{options.driver}' in {programs}; run jobs/setup.sh, or set "
              "KOMORI_BIN")
    worst = 0
    for index in todo:
        words = [str(program), str(copy), "--restart", "auto", "--overwrite",
                 "--output", str(result(folder, copy.stem, index))]
        for word in lines[index - 1].split():
            words += ["--set", word]
        # What mpirun needs on this machine, the shell scripts know.
        shell = ['. "$0"; mapfile -t launch < <(mpi_options "$1"); '
                 'exec mpirun -n "$1" "${launch[@]}" "${@:2}"',
                 str(ROOT / "jobs" / "environment.sh"), str(options.ranks), *words]
        print(f"{index} of {len(lines)}: {lines[index - 1]}", flush=True)
        if options.dry_run:
            print(shlex.join(["mpirun", "-n", str(options.ranks), *words]))
            continue
        code = run_logged(["bash", "-c", *shell], folder / f"task-{index}.log")
        if code == STOPPED:
            print("  stopped; the same command again goes on")
            return code
        if code not in KEPT_CODES:
            print(f"  failed with exit code {code}, see {folder / f'task-{index}.log'}")
        worst = max(worst, code if code >= 0 else 128 - code)  # below 0: killed by that signal
    return worst


def sweep(options):
    source = pathlib.Path(options.words[0])
    if source.suffix not in (".yaml", ".yml") or not source.is_file():
        leave(f"the input '{source}' is no YAML file; give INPUT.yaml first, then KEY=VALUES")
    if len(options.words) < 2:
        leave("give at least one KEY=V1,V2,... or KEY=FROM:TO:COUNT")
    lines = combinations(options.words[1:])
    folder = pathlib.Path(options.folder or pathlib.Path("results") / source.stem)
    copy = folder / source.name
    if not options.dry_run:
        prepare(folder, source, lines)
    todo = [i for i in range(1, len(lines) + 1) if not solved(result(folder, source.stem, i))]
    print(f"{len(lines)} combinations, {len(lines) - len(todo)} of them solved, in {folder}",
          flush=True)
    if options.dry_run:
        for index in todo if not options.local else []:
            print(f"{index}: {lines[index - 1]}")
    if not todo:
        return 0
    if options.local:
        return solve_here(options, folder, copy, todo, lines)
    return submit(options, folder, copy, todo)


# --- collecting --------------------------------------------------------------------------------
def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def figures(file):
    """What one result says: a dictionary of columns."""
    run = file["run"].attrs
    row = {"state": text(run["early_exit"]) or "done", "seconds": f"{float(run['seconds']):.4g}"}
    if "spectrum/rates" in file:
        verdicts = file["spectrum/verdict"][:] if "spectrum/verdict" in file else []
        for i, rate in enumerate(file["spectrum/rates"][:RATES]):
            row[f"rate_{i}"] = f"{rate:.10g}"
            if i < len(verdicts):
                row[f"verdict_{i}"] = text(verdicts[i])
    for name, data in file.get("stationary/observables", {}).items():
        row[name] = f"{float(data[0]):.10g}"
    return row


def collect(folder):
    path = folder / LINES
    if not path.is_file():
        leave(f"there is no '{path}'; give --collect the folder of a sweep")
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    inputs = [file for file in folder.iterdir() if file.suffix in (".yaml", ".yml")]
    if len(inputs) != 1:
        leave(f"'{folder}' must hold one input, but holds {len(inputs)}")
    rows = []
    for index, line in enumerate(lines, 1):
        row = {"task": str(index), **dict(word.split("=", 1) for word in line.split())}
        file = result(folder, inputs[0].stem, index)
        try:
            with h5py.File(file) as data:
                row.update(figures(data))
        except (OSError, KeyError):
            saved = any(folder.glob(f"{file.stem}.checkpoint-*.h5"))
            row["state"] = "unreadable" if file.exists() else "unfinished" if saved else "missing"
        rows.append(row)
    columns = list(dict.fromkeys(itertools.chain(["task"], *rows)))
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    widths = {c: max(len(c), *(len(row.get(c, "")) for row in rows)) for c in columns}
    for row in ({c: c for c in columns}, *rows):
        print("  ".join(row.get(c, "").rjust(widths[c]) for c in columns))
    print(f"Table: {folder / 'table.csv'}")
    return 0


def main():
    words, sbatch = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, sbatch = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(
        prog="sweep.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS, allow_abbrev=False)
    parser.error = leave
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--collect", metavar="FOLDER", type=pathlib.Path,
                        help="tabulate the results of a sweep")
    parser.add_argument("--driver", default="fokker_planck", help="which program (%(default)s)")
    parser.add_argument("--folder", help="where all files go (results/STEM)")
    parser.add_argument("--limit", type=int, metavar="K", help="tasks that run at the same time")
    parser.add_argument("--local", action="store_true", help="run here, not in SLURM")
    parser.add_argument("-n", dest="ranks", type=int, default=2, metavar="RANKS",
                        help="MPI ranks of each run with --local (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_intermixed_args(words)
    options.sbatch = sbatch
    if options.collect:
        if options.words:
            leave("--collect takes nothing but the folder")
        return collect(options.collect)
    if not options.words:
        parser.print_help(sys.stderr)
        return 2
    if options.ranks < 1 or (options.limit is not None and options.limit < 1):
        leave("-n and --limit must be at least 1")
    if options.local and (sbatch or options.limit):
        leave("--limit and options of sbatch are for SLURM, not for --local")
    return sweep(options)


if __name__ == "__main__":
    sys.exit(main())
