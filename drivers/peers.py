#!/usr/bin/env python3
"""Solves the same problem with komori and with SciPy, in turn, and prints the ratio.

    drivers/peers.py [--problem spectrum|stationary] [--cells 1000] [--dimension 2] [--pairs 10]
                     [--ranks 2] [--repeats 3] [--json FILE]
    drivers/peers.py --problem ulam [--cells 1000] [--samples 10] [--ranks 1] [--repeats 3] [--json FILE]

`spectrum` is the double well of inputs/double_well.yaml: the slowest eigenpairs of its symmetrised
generator, as komori divides them into densities, known to the same digits everywhere; a second run
of komori also gives the functions, which where there is next to no probability it has to solve for.
`stationary` is the density of a plane flow that turns round while it contracts, which
has no detailed balance. The script assembles the matrices by itself (Scharfetter-Gummel rates,
NumPy), so that equal results show that both solved the same problem; it fails where they differ.
SciPy runs as its users run it: `eigsh` with shift-and-invert, or a sparse LU factorisation with one
cell's mass given, with the default ordering of the factorisation and with the one for symmetric
patterns. Residuals are ||H v - lambda v||_2 / ||H||_1 of unit vectors, and ||G^T m||_1 / ||G||_1 of
masses that sum to 1; for SciPy computed here, for komori those of its result file. At the sizes
that they were stated for, the factors are held against what they must and should be. Needs
python3-scipy.

`ulam` is Ulam's matrix of inputs/standard_map.yaml, against NumPy in chunks of a million points,
duplicates counted by `numpy.unique` or by SciPy's conversion from triples; it fails where the
numbers of entries differ.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import h5py
import numpy as np
import scipy
import scipy.sparse as sparse
import scipy.sparse.linalg as sla

ROOT = pathlib.Path(__file__).resolve().parent.parent
BETA = 4.0
LOW, HIGH = -2.5, 2.5
AXES = "xyz"
STANDARD_MAP_K = 0.971635406


def potential(centres):
    """V on the grid, for two or three axes."""
    grids = np.meshgrid(*centres, indexing="ij")
    value = (grids[0] ** 2 - 1) ** 2
    for other in grids[1:]:
        value = value + other**2
    return value


def symmetrised(cells, dimension):
    """-P^(1/2) G P^(-1/2) for Scharfetter-Gummel rates on a uniform grid with reflecting walls."""
    width = (HIGH - LOW) / cells
    centres = [LOW + width * (np.arange(cells) + 0.5)] * dimension
    value = potential(centres)
    index = np.arange(value.size).reshape(value.shape)
    scale = 1 / (BETA * width**2)
    diagonal = np.zeros(value.shape)
    rows, columns, entries = [], [], []
    for axis in range(dimension):
        lower = tuple(slice(0, -1) if k == axis else slice(None) for k in range(dimension))
        upper = tuple(slice(1, None) if k == axis else slice(None) for k in range(dimension))
        step = BETA * (value[upper] - value[lower])
        near_zero = np.abs(step) < 1e-8
        safe = np.where(near_zero, 1.0, step)
        up = scale * np.where(near_zero, 1 - step / 2, safe / np.expm1(safe))
        down = up * np.exp(step)
        diagonal[lower] += up
        diagonal[upper] += down
        rows.append(index[lower].ravel())
        columns.append(index[upper].ravel())
        entries.append(-np.sqrt(up * down).ravel())
    half = sparse.coo_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(value.size, value.size),
    )
    return (half + half.T + sparse.diags(diagonal.ravel())).tocsc()


def bernoulli(z):
    """z / (exp(z) - 1)."""
    small = np.abs(z) < 1e-8
    safe = np.where(small, 1.0, z)
    return np.where(small, 1 - z / 2, safe / np.expm1(safe))


def driven(cells):
    """G^T for the drift (-x + y, -x - y), diffusion 1/BETA, within reflecting walls at +-3."""
    width = 6.0 / cells
    centre = -3 + width * (np.arange(cells) + 0.5)
    faces = centre[:-1] + width / 2
    index = np.arange(cells * cells).reshape(cells, cells)
    scale = 1 / (BETA * width**2)
    rows, columns, entries = [], [], []
    for axis in range(2):
        if axis == 0:
            velocity = -faces[:, None] + centre[None, :]
            low, high = index[:-1, :].ravel(), index[1:, :].ravel()
        else:
            velocity = -centre[:, None] - faces[None, :]
            low, high = index[:, :-1].ravel(), index[:, 1:].ravel()
        step = (BETA * width * velocity).ravel()
        for source, target, rate in ((low, high, scale * bernoulli(-step)),
                                     (high, low, scale * bernoulli(step))):
            rows += [target, source]
            columns += [source, source]
            entries += [rate, -rate]
    return sparse.coo_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(cells * cells, cells * cells),
    ).tocsc()


def stationary_with_scipy(matrix, ordering):
    """Masses, residual and seconds."""
    begun = time.perf_counter()
    cells = int(round(np.sqrt(matrix.shape[0])))
    given = (cells // 2) * cells + cells // 2
    others = np.delete(np.arange(matrix.shape[0]), given)
    inner = matrix[others][:, others].tocsc()
    factors = sla.splu(inner, permc_spec=ordering) if ordering else sla.splu(inner)
    mass = np.ones(matrix.shape[0])
    mass[others] = factors.solve(-matrix[others][:, [given]].toarray().ravel())
    mass /= mass.sum()
    seconds = time.perf_counter() - begun
    return mass, np.abs(matrix @ mass).sum(), seconds


def solve_with_scipy(matrix, pairs, ordering, tolerance):
    """Eigenvalues, worst residual and seconds; the shift lies below 0, where H is definite."""
    begun = time.perf_counter()
    shift = -0.01
    shifted = (matrix - shift * sparse.identity(matrix.shape[0], format="csc")).tocsc()
    if ordering is None:
        values, vectors = sla.eigsh(matrix, k=pairs, sigma=shift, which="LM", tol=tolerance)
    else:
        factors = sla.splu(
            shifted,
            permc_spec=ordering,
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        inverse = sla.LinearOperator(matrix.shape, factors.solve, dtype=float)
        values, vectors = sla.eigsh(matrix, k=pairs, sigma=shift, which="LM", OPinv=inverse, tol=tolerance)
    seconds = time.perf_counter() - begun
    defects = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    return np.sort(values), defects.max(), seconds


def peer(arguments):
    """What a process of its own does, so that its peak memory is its own."""
    ordering = arguments.ordering if arguments.ordering != "default" else None
    if arguments.problem == "stationary":
        matrix = driven(arguments.cells)
        mass, residual, seconds = stationary_with_scipy(matrix, ordering)
        values = list(mass[:: max(1, mass.size // 997)] * mass.size)
    else:
        matrix = symmetrised(arguments.cells, arguments.dimension)
        found, residual, seconds = solve_with_scipy(
            matrix, arguments.pairs, ordering, arguments.tolerance
        )
        values = list(found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    norm = abs(matrix).sum(axis=0).max()
    result = {"values": values, "residual": residual / norm, "seconds": seconds}
    print(json.dumps({**result, "bytes": peak, "norm": norm}))


def run_peer(arguments, ordering):
    command = [sys.executable, __file__, "--ordering", ordering]
    for name in ("problem", "cells", "dimension", "pairs", "tolerance"):
        command += [f"--{name}", str(getattr(arguments, name))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def study_of(arguments, sides):
    """The input of a run."""
    names = AXES[: arguments.dimension]
    if arguments.problem == "stationary":
        axis = f"{{from: -3, to: 3, cells: {arguments.cells}}}"
        model = f"drift: [-x + y, -x - y], diffusion: {1 / BETA}"
        section = (f"stationary: {{solver: iterative, tolerance: {arguments.tolerance}, "
                   "error_estimate: false, current: false}")
    else:
        axis = f"{{from: {LOW}, to: {HIGH}, cells: {arguments.cells}}}"
        terms = ["(x^2-1)^2"] + [f"{name}^2" for name in names[1:]]
        model = f"potential: '{' + '.join(terms)}', diffusion: {1 / BETA}"
        section = (f"spectrum: {{pairs: {arguments.pairs}, tolerance: {arguments.tolerance}, "
                   f"sides: {sides}, error_estimate: false}}")
    return (f"model: {{kind: sde, variables: [{', '.join(names)}], {model}}}\n"
            f"grid: {{{', '.join(f'{name}: {axis}' for name in names)}}}\n{section}\n")


def run_komori(arguments, folder, sides="left"):
    """The phase `spectrum` or `stationary` of one run: solve, residuals, and densities or functions."""
    study = folder / "peer.yaml"
    study.write_text(study_of(arguments, sides))
    result = folder / "peer.h5"
    command = ["mpirun", "-n", str(arguments.ranks), "--quiet"]
    if arguments.ranks > (os.cpu_count() or 1):
        command.append("--oversubscribe")
    command += [str(arguments.build / "bin" / "fokker_planck"), str(study), "--quiet"]
    subprocess.run(command + ["--overwrite", "--output", str(result)], check=True)
    with h5py.File(result) as file:
        phases = [name.decode() if isinstance(name, bytes) else name for name in file["run/phases/name"]]
        at = phases.index(arguments.problem)
        if arguments.problem == "stationary":
            density = file["stationary/density"][:].ravel()
            values = list(density[:: max(1, density.size // 997)] / density.mean())
            residual = float(file["stationary"].attrs["residual"])
        else:
            values = sorted(-file["spectrum/eigenvalues"][:, 0])
            residual = float(file["spectrum/residuals"][:].max())
        return {
            "values": values,
            "residual": residual,
            "seconds": float(file["run/phases/seconds"][at]),
            "bytes": float(file["run/phases/mean_bytes"][at]) * arguments.ranks,
        }


# (problem, dimension): unknowns from which they hold, and by how much the default and the
# symmetric ordering must and should be slower
TARGETS = {
    ("spectrum", 2): (990_000, (6, 20), (3, 10)),
    ("spectrum", 3): (110_000, (30, 60), None),
    ("stationary", 2): (990_000, (6, 12), None),
}
# Bytes that komori must and should not exceed there: all processes together.
MEMORY = {("spectrum", 2): (2e9, 1e9)}


def held(value, target, at_least=True):
    """A value's verdict."""
    if target is None:
        return {}
    must, goal = target
    meets = (lambda bound: value >= bound) if at_least else (lambda bound: value <= bound)
    verdict = "goal met" if meets(goal) else "met" if meets(must) else "not met"
    return {"must": must, "goal": goal, "verdict": verdict}


def difference(problem, values, reference):
    """How far results differ, and how many copies of multiple eigenvalues `values` lacks.

    Lanczos iterations find one copy of a multiple eigenvalue and the others by rounding alone, so
    lists are compared by their distinct values, as far as both reach.
    """
    values, reference = np.array(values), np.array(reference)
    if problem == "stationary":
        return np.abs(values - reference).max(), 0
    reach = min(values.max(), reference.max()) + 1e-7 * np.abs(reference).max()
    first, second = values[values <= reach], reference[reference <= reach]
    distances = np.abs(first[:, None] - second[None, :])
    return max(distances.min(axis=0).max(), distances.min(axis=1).max()), max(0, second.size - first.size)


def ulam_with_numpy(cells, samples, counting, chunk=1_000_000):
    """Ulam's matrix of the standard map from samples^2 midpoints per cell, rows in chunks."""
    start = time.monotonic()
    inside = (np.arange(samples) + 0.5) / samples
    y = ((np.arange(cells)[:, None] + inside) / cells).ravel()
    size, share = cells * cells, 1 / samples**2
    step = max(1, chunk // (cells * samples**2))
    parts = []
    for first in range(0, cells, step):
        i = np.arange(first, min(cells, first + step))
        x = ((i[:, None] + inside) / cells).ravel()
        image_y = y[None, :] + (STANDARD_MAP_K / (2 * np.pi) * np.sin(2 * np.pi * x))[:, None]
        image_x = x[:, None] + image_y
        column = (np.floor((image_x % 1) * cells) * cells + np.floor((image_y % 1) * cells)).astype(np.int64)
        column = column.ravel()
        row = np.repeat(i - first, samples)[:, None] * cells + np.repeat(np.arange(cells), samples)[None, :]
        row = row.ravel()
        shape = (len(i) * cells, size)
        if counting == "unique":
            keys, counts = np.unique(row * size + column, return_counts=True)
            parts.append(sparse.csr_matrix((counts * share, (keys // size, keys % size)), shape=shape))
        else:
            triples = sparse.coo_matrix((np.full(row.size, share), (row, column)), shape=shape)
            parts.append(triples.tocsr())
    matrix = sparse.vstack(parts, format="csr")
    return {"seconds": time.monotonic() - start, "nonzeros": int(matrix.nnz)}


def ulam_with_komori(arguments, folder):
    """The phase `assembly` of one run."""
    study = folder / "ulam.yaml"
    axis = f"{{from: 0, to: 1, cells: {arguments.cells}, boundary: periodic}}"
    kick = "K/(2*pi)*sin(2*pi*x)"
    study.write_text(
        f"model: {{kind: map, variables: [x, y], parameters: {{K: {STANDARD_MAP_K}}}, "
        f"map: ['x + y + {kick}', 'y + {kick}']}}\n"
        f"grid: {{x: {axis}, y: {axis}}}\n"
        f"ulam: {{samples: {arguments.samples}}}\nstationary: {{}}\n"
    )
    result = folder / "ulam.h5"
    command = ["mpirun", "-n", str(arguments.ranks), "--quiet"]
    if arguments.ranks > (os.cpu_count() or 1):
        command.append("--oversubscribe")
    command += [str(arguments.build / "bin" / "koopman"), str(study), "--overwrite", "--output", str(result)]
    command += ["-stationary_eps_max_it", "1"]  # of a density that nothing is asked about here
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr}")
    said = done.stdout
    with h5py.File(result) as file:
        phases = [name.decode() if isinstance(name, bytes) else name for name in file["run/phases/name"]]
        seconds = float(file["run/phases/seconds"][phases.index("assembly")])
    return {"seconds": seconds, "nonzeros": int(re.search(r"assembly .* (\d+) nonzeros", said).group(1))}


def compare_ulam(arguments):
    load = os.getloadavg()[0]
    runs = {"komori": [], "NumPy, unique": [], "NumPy and SciPy, triples": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            runs["komori"].append(ulam_with_komori(arguments, pathlib.Path(folder)))
            runs["NumPy, unique"].append(ulam_with_numpy(arguments.cells, arguments.samples, "unique"))
            runs["NumPy and SciPy, triples"].append(
                ulam_with_numpy(arguments.cells, arguments.samples, "triples")
            )
    print(f"Ulam's matrix of the standard map, {arguments.cells**2} cells of {arguments.samples**2} points, "
          f"komori on {arguments.ranks} ranks, NumPy {np.__version__}, median of {arguments.repeats}, load "
          f"at the start {load:.2f}")
    print(f"{'':28}{'seconds':>10}{'ratio':>8}{'nonzeros':>12}")
    base = statistics.median(run["seconds"] for run in runs["komori"])
    table = []
    for name, results in runs.items():
        seconds = statistics.median(run["seconds"] for run in results)
        row = {"name": name, "seconds": seconds, "ratio": seconds / base, "nonzeros": results[0]["nonzeros"]}
        table.append(row)
        print(f"{name:28}{seconds:10.2f}{row['ratio']:8.1f}{row['nonzeros']:12d}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"load": load, "runs": table}, indent=1))
    # Images within rounding of a cell's edge may be counted on either side.
    entries = [row["nonzeros"] for row in table]
    if max(entries) - min(entries) > 1e-4 * max(entries):
        print("the numbers of entries differ: these are not the same matrix", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", default="spectrum", choices=("spectrum", "stationary", "ulam"))
    parser.add_argument("--samples", type=int, default=10, help="ulam: points per cell and axis")
    parser.add_argument("--cells", type=int, default=1000, help="per axis")
    parser.add_argument("--dimension", type=int, default=2, choices=(2, 3))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--tolerance", type=float, default=1e-10, help="of both solvers")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--ordering", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.problem == "stationary" and arguments.dimension != 2:
        parser.error("the stationary problem has two dimensions")
    if arguments.ordering:
        peer(arguments)
        return 0
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if arguments.problem == "ulam":
        return compare_ulam(arguments)
    orderings = {"SciPy, default": "default", "SciPy, symmetric ordering": "MMD_AT_PLUS_A"}
    ours = {"komori": "left"}
    if arguments.problem == "spectrum":
        ours["komori, eigenfunctions"] = "right"
    runs = {name: [] for name in (*ours, *orderings)}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats):
            for name, sides in ours.items():
                runs[name].append(run_komori(arguments, pathlib.Path(folder), sides))
            for name, ordering in orderings.items():
                runs[name].append(run_peer(arguments, ordering))
            print(f"repeat {repeat + 1} of {arguments.repeats} done", file=sys.stderr)
    reference = np.array(runs["komori"][0]["values"])
    for run in (run for name in ours for run in runs[name]):
        run["residual"] /= runs[next(iter(orderings))][0]["norm"]
    unknowns = arguments.cells**arguments.dimension
    what = f"{arguments.pairs} slowest pairs" if arguments.problem == "spectrum" else "stationary density"
    print(f"{what}, {unknowns} unknowns in {arguments.dimension}-D, komori on "
          f"{arguments.ranks} ranks, SciPy {scipy.__version__}, median of {arguments.repeats}, load "
          f"at the start {load:.2f}")
    blas = [line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line or "libblas" in line]
    print(f"BLAS of SciPy: {pathlib.Path(blas[0]).resolve() if blas else 'unknown'}")
    print(f"{'':28}{'seconds':>10}{'ratio':>8}{'MB':>9}{'residual':>11}{'differs by':>12}"
          f"{'must':>7}{'goal':>6}")
    case = (arguments.problem, arguments.dimension)
    least, *factors = TARGETS[case]
    targets = dict(zip(orderings, factors)) if unknowns >= least else {}
    table, failed = [], False
    base = statistics.median(run["seconds"] for run in runs["komori"])
    for name, results in runs.items():
        seconds = statistics.median(run["seconds"] for run in results)
        # Both find the values to their residuals; 1e-7 of the largest is far above these. (Densities
        # are compared at some thousand cells, in units of their mean.)
        found = [difference(arguments.problem, run["values"], reference) for run in results]
        gap, missing = max(one[0] for one in found), max(one[1] for one in found)
        failed = failed or gap > 1e-7 * abs(reference).max()
        row = {
            "name": name,
            "seconds": seconds,
            "ratio": seconds / base,
            "bytes": max(run["bytes"] for run in results),
            "residual": max(run["residual"] for run in results),
            "difference": gap,
            "copies_missing": int(missing),
            **held(seconds / base, targets.get(name)),
        }
        table.append(row)
        print(f"{name:28}{seconds:10.1f}{row['ratio']:8.2f}{row['bytes'] / 1e6:9.0f}"
              f"{row['residual']:11.1e}{gap:12.1e}{row.get('must', ''):>7}{row.get('goal', ''):>6}"
              f"  {row.get('verdict', '')}".rstrip())
        if missing:
            print(f"  (lacks {missing} cop{'y' if missing == 1 else 'ies'} of multiple eigenvalues)")
    memory = held(max(row["bytes"] for row in table[: len(ours)]), MEMORY.get(case) if unknowns >= least else None, at_least=False)
    if memory:
        print(f"memory of komori: must {memory['must'] / 1e9:g} GB, goal {memory['goal'] / 1e9:g} GB: "
              f"{memory['verdict']}")
    if arguments.json:
        report = {"problem": arguments.problem, "load": load, "unknowns": unknowns, "memory": memory}
        arguments.json.write_text(json.dumps({**report, "runs": table}, indent=1))
    if failed:
        print("the eigenvalues differ: these are not the same problem", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
