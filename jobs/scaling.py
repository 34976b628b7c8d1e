#!/usr/bin/env python3
"""Scaling studies: the same problem on more and more ranks, or a problem that grows with them.

    jobs/scaling.py strong INPUT.yaml [--ranks 1,2,4] [options] [-- options of sbatch]
    jobs/scaling.py weak   INPUT.yaml [--ranks 1,2,4] [options] [-- options of sbatch]
    jobs/scaling.py report FOLDER     [--latency S] [--bandwidth B/S] [--triad B/S]

`strong` keeps the input as it is; `weak` multiplies the cells of the axes in turn, so that every
rank keeps as many as in the first run. Where there is SLURM each rank count becomes a job that can
be stopped and requeued like any other, and one more job makes the report when they have ended;
otherwise, or with --local, the runs follow one another under mpirun. A result that is complete is
not computed again.

The report (table.txt, table.csv, report.md, scaling.png in the folder of the study) is made from
the run records of the results alone: seconds of each phase, efficiency, iterations, messages and
bytes per rank, memory per rank, imbalance, the law that messages should follow, and a model of the
time on other machines.
"""

import argparse
import csv
import math
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

SYSTEM_PYTHON = "/usr/bin/python3"
try:
    import h5py
    import numpy as np
    import yaml
except ImportError as problem:
    if sys.executable != SYSTEM_PYTHON and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    sys.exit(f"scaling: {problem}; it needs a Python 3 with h5py, matplotlib and yaml")

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fail(text):
    print(f"scaling: {text}", file=sys.stderr)
    sys.exit(2)


# ---------------------------------------------------------------------------------- the runs


def read_input(path):
    try:
        with open(path) as file:
            tree = yaml.safe_load(file)
        return {axis: int(entry["cells"]) for axis, entry in tree["grid"].items()}
    except OSError as problem:
        fail(f"{path}: {problem.strerror}")
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        fail(f"{path}: needs a 'grid' with a number of 'cells' for every axis")


def grown(cells, factor):
    """Cells per axis for `factor` times as many in all, the axes multiplied in turn."""
    multiplier = {axis: 1 for axis in cells}
    divisor, rest = 2, factor
    while rest > 1:
        if rest % divisor:
            divisor += 1
            continue
        axis = min(multiplier, key=lambda name: multiplier[name])
        multiplier[axis] *= divisor
        rest //= divisor
    return {axis: cells[axis] * multiplier[axis] for axis in cells}


def is_complete(path):
    try:
        with h5py.File(path) as file:
            return "run" in file
    except OSError:
        return False


def study(arguments):
    ranks = arguments.ranks
    cells = read_input(arguments.input)
    folder = arguments.folder or pathlib.Path("results") / f"{arguments.input.stem}-{arguments.kind}"
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.kind == "weak" and any(count % ranks[0] for count in ranks):
        fail(f"--ranks: all of {ranks} must be multiples of the first for a weak study")
    slurm = not arguments.local and shutil.which("sbatch")
    if arguments.sbatch and not slurm:
        fail("options of sbatch were given, but there is no SLURM here")
    jobs, code = [], 0
    for count in ranks:
        result = folder / f"{arguments.kind}-{count}.h5"
        if is_complete(result):
            print(f"{result} is there already")
            continue
        words = [str(arguments.input), "--output", str(result)]
        sizes = grown(cells, count // ranks[0]) if arguments.kind == "weak" else {}
        for axis, number in sizes.items():
            words += ["--set", f"grid.{axis}.cells={number}"]
        for assignment in arguments.set:
            words += ["--set", assignment]
        if slurm:
            jobs.append(submit(arguments, count, folder, words))
        else:
            code = max(code, run_here(arguments, count, words))
    if jobs:
        machine = [f"--{name}={getattr(arguments, name)}" for name in ("latency", "bandwidth", "triad")]
        wrapped = shlex.join([sys.executable, str(ROOT / "jobs" / "scaling.py"), "report",
                              str(folder.resolve()), *machine])
        command = ["sbatch", "--parsable", "--ntasks=1", "--nodes=1", "--time=10",
                   f"--dependency=afterany:{':'.join(jobs)}", "--job-name=komori-report",
                   f"--output={folder}/report-%j.out", *whose(arguments.sbatch), "--wrap", wrapped]
        print(f"submitted jobs {' '.join(jobs)}; ", end="")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"the report was not: {done.stderr.strip()}; after them run\n  {wrapped}")
            return 1
        print(f"job {done.stdout.strip()} writes {folder}/report.md after them")
        return 0
    return code or report(folder, arguments)


def whose(options):
    """What tells on whose account and where a job runs; the report needs no more of its options."""
    kept, takes_next = [], False
    for option in options:
        name = option.split("=")[0]
        ours = name in ("--account", "-A", "--partition", "-p", "--qos", "-q", "--reservation")
        if ours or takes_next:
            kept.append(option)
        takes_next = ours and "=" not in option
    return kept


def smallest_node():
    """Cores of the smallest node of this cluster."""
    told = subprocess.run(["sinfo", "--noheader", "--format=%c"], capture_output=True, text=True)
    cores = [int(word.rstrip("+")) for word in told.stdout.split() if word.rstrip("+").isdigit()]
    return min(cores) if cores else fail("sinfo names no nodes; give --ranks-per-node")


def submit(arguments, count, folder, words):
    command = ["sbatch", "--parsable", f"--ntasks={count}", f"--job-name={arguments.kind}-{count}",
               f"--output={folder}/{arguments.kind}-{count}.out"]
    per_node = arguments.ranks_per_node or smallest_node()
    command += [f"--nodes={math.ceil(count / per_node)}",
                f"--ntasks-per-node={min(count, per_node)}"]
    command += [*arguments.sbatch, str(ROOT / "jobs" / "komori.sbatch"), arguments.driver, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fail(f"sbatch: {done.stderr.strip()}")
    return done.stdout.strip().split(";")[0]


def run_here(arguments, count, words):
    environment = {**os.environ}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.setdefault(name, "1")
    if os.getuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    command = ["mpirun", "-n", str(count), "--quiet"]
    if count > len(os.sched_getaffinity(0)):
        command += ["--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]
    programs = pathlib.Path(os.environ.get("KOMORI_BIN", ROOT / "build" / "bin"))
    command += [str(programs / arguments.driver), *words, "--quiet", "--restart", "auto", "--overwrite"]
    print(f"{count} rank{'s' if count > 1 else ''} ...", flush=True)
    code = subprocess.run(command, env=environment).returncode
    return 128 - code if code < 0 else code


# ---------------------------------------------------------------------------------- the records


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


class Run:
    """The run record of one result."""

    def __init__(self, path):
        with h5py.File(path) as file:
            facts = file["run"].attrs
            self.kind = path.stem.rsplit("-", 1)[0]
            self.ranks = int(facts["ranks"])
            self.nodes = int(facts["nodes"])
            self.unknowns = int(facts.get("cells", 0))
            self.seconds = float(facts["seconds"])
            self.blocks = [int(n) for n in text(facts.get("ranks_per_axis", "1")).split(" x ")]
            self.shape = [int(file[f"grid/{text(a)}"].shape[0]) for a in file.attrs.get("axes", [])]
            self.resumed = bool(facts.get("resumed", 0))
            self.start_memory = float(facts.get("start_bytes", 0))
            self.early_exit = text(facts.get("early_exit", ""))
            table = file["run/phases"]
            names = [text(name) for name in table["name"][...]]
            columns = {key: table[key][...] for key in table if key != "name"}
            self.phases = {
                name: {key: float(column[i]) for key, column in columns.items()}
                for i, name in enumerate(names)
            }
            self.iterations = {}
            for section in ("spectrum", "evolve"):
                if section not in file:
                    continue
                for key in ("iterations", "products", "solves"):
                    number = int(file[section].attrs.get(key, 0))
                    if number:
                        self.iterations[f"{section} {key}"] = number
        self.memory = max((p["peak_bytes"] for p in self.phases.values()), default=0.0)
        self.mean_memory = max((p["mean_bytes"] for p in self.phases.values()), default=0.0)

    def law(self):
        """Messages and bytes per rank that one product with a grid operator must send: two per
        inner face of the blocks, eight bytes per cell of it, averaged over the ranks."""
        messages = sum(2 * (p - 1) / p for p in self.blocks)
        total = math.prod(self.shape)
        sent = sum(2 * (p - 1) * 8 * total / n for p, n in zip(self.blocks, self.shape))
        return messages, sent / self.ranks


def efficiency(run, base):
    """Speed-up over ideal speed-up; the work per rank is the same in a weak study."""
    if run.kind == "weak":
        return base.seconds / run.seconds
    return base.seconds * base.ranks / (run.seconds * run.ranks)


def rows_of(runs):
    base = runs[0]
    rows = []
    for run in runs:
        row = {"study": run.kind, "ranks": run.ranks, "nodes": run.nodes, "unknowns": run.unknowns,
               "blocks": "x".join(map(str, run.blocks)), "seconds": round(run.seconds, 3),
               "efficiency": round(efficiency(run, base), 3)}
        for name, phase in run.phases.items():
            row[f"{name} s"] = round(phase["seconds"], 3)
        row.update(run.iterations)
        total = {key: sum(p[key] for p in run.phases.values())
                 for key in ("messages", "message_bytes", "reductions")}
        row["messages/rank"] = round(total["messages"], 1)
        row["kB/rank"] = round(total["message_bytes"] / 1e3, 1)
        row["reductions"] = round(total["reductions"])
        row["MB/rank"] = round(run.memory / 1e6, 1)
        own = (run.mean_memory - run.start_memory) * run.ranks
        row["B/unknown"] = round(own / max(run.unknowns, 1), 1)
        slowest = max(run.phases.values(), key=lambda p: p["seconds"], default=None)
        row["imbalance"] = round(slowest["imbalance"], 3) if slowest else 1
        rows.append(row)
    return rows


def format_table(rows):
    columns = []
    for row in rows:
        columns += [key for key in row if key not in columns]
    body = [[str(row.get(key, "")) for key in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *body]) for i in range(len(columns))]
    lines = ["  ".join(word.rjust(width) for word, width in zip(line, widths))
             for line in [columns, *body]]
    return columns, "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------- the report


def law_table(runs):
    """Products of an evolution by a series are its only messages, so each can be held against the
    law; the constant few of the phase (initial values, checks) are in the measured ones."""
    lines = []
    for run in runs:
        products = run.iterations.get("evolve products")
        phase = run.phases.get("evolution")
        if not products or not phase or run.ranks == 1:
            continue
        messages, sent = run.law()
        lines.append(f"| {run.ranks} | {' x '.join(map(str, run.blocks))} | {products} | "
                     f"{phase['messages'] / products:.3f} | {messages:.3f} | "
                     f"{phase['message_bytes'] / products:.0f} | {sent:.0f} | "
                     f"{phase['message_bytes'] / products / sent - 1:+.1%} |")
    return lines


def memory_law(runs):
    """Resident memory of a rank as constant + slope * unknowns of a rank, fitted to all runs."""
    if len(runs) < 3 or len({run.unknowns / run.ranks for run in runs}) < 2:
        return []
    x = np.array([run.unknowns / run.ranks for run in runs])
    y = np.array([run.mean_memory for run in runs])
    slope, constant = np.polyfit(x, y, 1, w=1 / y)
    off = np.abs(constant + slope * x - y) / y
    worst = int(off.argmax())
    return ["## Memory", "",
            f"{constant / 1e6:.0f} MB per process and {slope:.0f} B per unknown describe all runs within "
            f"{off[worst]:.0%} (worst: {runs[worst].ranks} ranks). The constant holds the libraries and",
            "MPI's buffers, which grow with the ranks that share a node.", ""]


TRAFFIC = 6.0  # bytes of memory per operation of a sparse product: 8 + 4 for a multiply and an add


def modelled(ranks, flops, messages, sent, reductions, machine):
    latency, bandwidth, triad = machine
    return (TRAFFIC * flops / triad + messages * latency + sent / bandwidth
            + reductions * latency * math.ceil(math.log2(ranks)) if ranks > 1
            else TRAFFIC * flops / triad)


def blocks_for(shape, ranks):
    """The division into blocks of least surface, as the solver chooses it."""
    def divisions(count, axes):
        if axes == 1:
            yield (count,)
            return
        for first in range(1, count + 1):
            if count % first == 0:
                for rest in divisions(count // first, axes - 1):
                    yield (first, *rest)
    return min(divisions(ranks, len(shape)),
               key=lambda p: sum((k - 1) / n for k, n in zip(p, shape)))


def prediction(runs, machine, largest=4096):
    """The evolution phase of the first run, carried to other rank counts."""
    base = runs[0]
    phase = base.phases.get("evolution")
    products = base.iterations.get("evolve products")
    if not phase or not products:
        return []
    flops = phase["flops"] * base.ranks
    reductions = max(run.phases["evolution"]["reductions"] for run in runs)  # one rank needs none
    lines = []
    ranks = 1
    while ranks <= largest:
        shape = base.shape
        if base.kind == "weak":
            names = [str(k) for k in range(len(shape))]
            shape = list(grown(dict(zip(names, shape)), max(ranks // base.ranks, 1)).values())
        scale = math.prod(shape) / math.prod(base.shape)
        blocks = blocks_for(shape, ranks)
        messages = sum(2 for p in blocks if p > 1)  # of a rank in the middle
        sent = sum(2 * 8 * math.prod(n / q for j, (n, q) in enumerate(zip(shape, blocks)) if j != k)
                   for k, p in enumerate(blocks) if p > 1)
        time = modelled(ranks, flops * scale / ranks, products * messages, products * sent,
                        reductions, machine)
        one = modelled(1, flops, 0, 0, 0, machine)
        share = one / time if base.kind == "weak" else one / (time * ranks)
        lines.append(f"| {ranks} | {math.prod(shape)} | {' x '.join(map(str, blocks))} | "
                     f"{time:.3g} | {share:.2f} |")
        ranks *= 2
    return lines


def draw(runs, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 8), constrained_layout=True)
    ranks = [run.ranks for run in runs]
    names = []
    for run in runs:
        names += [name for name in run.phases if name not in names]
    for name in names:
        seconds = [run.phases.get(name, {}).get("seconds", math.nan) for run in runs]
        axes[0, 0].loglog(ranks, seconds, "o-", label=name)
    ideal = [runs[0].seconds * (1 if run.kind == "weak" else runs[0].ranks / run.ranks) for run in runs]
    axes[0, 0].loglog(ranks, [run.seconds for run in runs], "ks-", label="whole run")
    axes[0, 0].loglog(ranks, ideal, "k:", label="ideal")
    axes[0, 0].set(xlabel="ranks", ylabel="seconds", title=f"{runs[0].kind} scaling: time")
    axes[0, 0].legend()
    axes[0, 1].semilogx(ranks, [efficiency(run, runs[0]) for run in runs], "ko-")
    axes[0, 1].axhline(1, color="k", linestyle=":")
    axes[0, 1].set(xlabel="ranks", ylabel="efficiency", ylim=(0, None), title="efficiency")
    for run in runs:
        if run.ranks > 1 and run.iterations.get("evolve products"):
            measured = run.phases["evolution"]["message_bytes"] / run.iterations["evolve products"]
            axes[1, 0].loglog(run.ranks, measured, "C0o")
            axes[1, 0].loglog(run.ranks, run.law()[1], "k+", markersize=12)
    axes[1, 0].set(xlabel="ranks", ylabel="bytes sent per rank and product",
                   title="messages: measured (o), surface law (+)")
    axes[1, 1].loglog(ranks, [run.memory / 1e6 for run in runs], "o-", label="largest of a rank")
    axes[1, 1].loglog(ranks, [run.mean_memory * run.ranks / 1e6 for run in runs], "s-", label="all ranks")
    axes[1, 1].set(xlabel="ranks", ylabel="MB", title="memory")
    axes[1, 1].legend()
    for axis in axes.flat:
        axis.set_xticks(ranks, [str(count) for count in ranks])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def report(folder, arguments):
    folder = pathlib.Path(folder)
    runs = []
    for path in sorted(folder.glob("*-*.h5")):
        if path.stem.rsplit("-", 1)[-1].isdigit() and ".checkpoint" not in path.name:
            try:
                runs.append(Run(path))
            except (OSError, KeyError) as problem:
                fail(f"{path}: {problem}")
    kinds = {run.kind for run in runs}
    if not runs:
        fail(f"{folder} holds no result of a study")
    if len(kinds) > 1:
        fail(f"{folder} holds results of several studies ({', '.join(sorted(kinds))})")
    runs.sort(key=lambda run: run.ranks)
    columns, table = format_table(rows_of(runs))
    (folder / "table.txt").write_text(table)
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows_of(runs))
    draw(runs, folder / "scaling.png")
    machine = (arguments.latency, arguments.bandwidth, arguments.triad)
    lines = [f"# {runs[0].kind.capitalize()} scaling of {folder.name}", "", "```", table + "```", "",
             "![plot](scaling.png)", "",
             "Messages, bytes and operations are those that PETSc counts; what hypre, MUMPS and HDF5 send",
             "inside is not among them. MB/rank is the resident memory of a process, libraries included; B/unknown",
             "is what all ranks took beyond that of a process that has only started.", ""]
    law = law_table(runs)
    if law:
        lines += ["## Messages per product", "",
                  "An evolution by a series sends nothing but halos: two messages per inner face of the",
                  "blocks, eight bytes per cell of it.", "",
                  "| ranks | blocks | products | messages | law | bytes | law | off by |",
                  "|---|---|---|---|---|---|---|---|", *law, ""]
    lines += memory_law(runs)
    model = prediction(runs, machine)
    if model:
        lines += ["## The evolution on other machines", "",
                  f"Assumed: {machine[0]:g} s per message and per stage of a reduction, {machine[1]:g} B/s between",
                  f"ranks, {machine[2]:g} B/s of memory bandwidth per rank (the triad of a full node over its",
                  f"ranks), {TRAFFIC:g} bytes of memory per operation, no overlap of the two, no other work, blocks",
                  "of least surface. `--latency`, `--bandwidth` and `--triad` set them.", "",
                  "| ranks | unknowns | blocks | seconds | efficiency |", "|---|---|---|---|---|", *model, ""]
    (folder / "report.md").write_text("\n".join(lines))
    print(table + f"written: {folder}/table.txt, table.csv, report.md, scaling.png")
    unfinished = [run for run in runs if run.early_exit]
    for run in unfinished:
        print(f"scaling: {run.ranks} ranks: {run.early_exit}", file=sys.stderr)
    for run in runs:
        if run.resumed:
            print(f"scaling: {run.ranks} ranks: this run was cut and resumed, so that its seconds and messages "
                  "are those of its last part; give it more time and run it again", file=sys.stderr)
    return 3 if unfinished else 0


def rank_list(words):
    ranks = [int(word) for word in words.split(",")]
    if any(count < 1 for count in ranks) or sorted(set(ranks)) != ranks:
        raise argparse.ArgumentTypeError("must be increasing numbers >= 1, e.g. 1,2,4")
    return ranks


def main():
    words, sbatch = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, sbatch = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("strong", "weak", "report"):
        sub = kinds.add_parser(kind)
        sub.add_argument("--latency", type=float, default=1.5e-6, help="s per message (%(default)s)")
        sub.add_argument("--bandwidth", type=float, default=1e10, help="B/s between ranks (%(default)s)")
        sub.add_argument("--triad", type=float, default=8e9, help="B/s of memory per rank (%(default)s)")
        if kind == "report":
            sub.add_argument("folder", type=pathlib.Path)
            continue
        sub.add_argument("input", type=pathlib.Path)
        sub.add_argument("--ranks", type=rank_list, default=[1, 2, 4], help="rank counts, e.g. 1,2,4")
        sub.add_argument("--driver", default="fokker_planck")
        sub.add_argument("--folder", type=pathlib.Path, help="of the results (results/INPUT-KIND)")
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
        sub.add_argument("--local", action="store_true", help="run here by mpirun, not by SLURM")
        sub.add_argument("--ranks-per-node", type=int, help="fills nodes with so many (cores of the smallest node)")
    arguments = parser.parse_args(words)
    arguments.sbatch = sbatch
    if arguments.kind == "report":
        return report(arguments.folder, arguments)
    return study(arguments)


if __name__ == "__main__":
    sys.exit(main())
