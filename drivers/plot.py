#!/usr/bin/env python3
"""Draws what is in a komori result file on one page.

    plot.py RESULT.h5 [-o OUT.png] [--show spectrum,stationary,...]

A density over more than two variables is shown by its marginals; other functions by their mean over
the variables left out, weighted with the stationary density where the file has it.
"""
import argparse
import collections
import itertools
import math
import os
import subprocess
import sys


def leave(message):
    """Ends with one line and the exit code of wrong input."""
    sys.stderr.write("plot.py: " + " ".join(str(message).split()) + "\n")
    sys.exit(2)


try:
    import matplotlib
    matplotlib.use("Agg")
    import h5py
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import LogNorm, Normalize
except ImportError as missing:
    if __name__ != "__main__":
        raise
    SYSTEM = "/usr/bin/python3"
    PROBE = [SYSTEM, "-c", "import h5py, matplotlib"]
    if "KOMORI_PLOT_RESTARTED" not in os.environ and os.path.exists(SYSTEM) \
            and subprocess.run(PROBE, capture_output=True, check=False).returncode == 0:
        os.environ["KOMORI_PLOT_RESTARTED"] = "1"
        os.execv(SYSTEM, [SYSTEM, os.path.abspath(__file__), *sys.argv[1:]])
    leave(f"{missing}; install h5py and matplotlib (Debian: apt install python3-h5py "
          "python3-matplotlib)")

LARGEST_CHUNK = 2**23       # values in memory at once
LARGEST_IMAGE = 500         # cells per axis that are drawn
HIGHEST_ENERGY = 15.0       # above it a free energy is cut off
INK, ACCENT, WARM, GREY = "#22303c", "#2a6f97", "#c8553d", "#8a949c"
VERDICTS = {"converged": ("o", ACCENT), "suspect": ("^", "#e09f3e"),
            "not converged": ("X", WARM)}
STYLE = {"font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.edgecolor": GREY,
         "axes.titlelocation": "left", "axes.labelcolor": INK, "text.color": INK,
         "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
         "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 8,
         "lines.linewidth": 1.6, "image.cmap": "viridis"}


# --- the file --------------------------------------------------------------------------------
class Result:
    """A result file: its axes, and projections of its fields that fit on paper."""

    def __init__(self, file):
        self.file = file
        names = [text(name) for name in np.atleast_1d(file.attrs.get("axes", []))]
        edges = file.get("grid_edges", {})
        self.names = [name for name in (names or list(edges)) if name in edges]
        self.edges = [edges[name][:] for name in self.names]
        self.widths = [np.diff(edge) for edge in self.edges]
        self.centres = middles(self.edges)
        self.shape = tuple(len(width) for width in self.widths)

    def get(self, name, default=None):
        """A small dataset as an array, or the default."""
        return self.file[name][()] if name in self.file else default

    def attribute(self, group, name, default=None):
        return self.file[group].attrs.get(name, default) if group in self.file else default

    def label(self, words, dataset):
        unit = text(self.attribute(dataset, "unit", "-"))
        return words if unit in ("-", words) else f"{words} [{unit}]"

    def spectrum(self):
        """(eigenvalues [n, 2], decay rates, the rate below which nothing decays)."""
        values = self.get("spectrum/eigenvalues")
        rates = self.get("spectrum/rates", -values[:, 0])
        return values, rates, 1e-9 * (np.abs(values).max() or 1.0)

    def discrete_time(self):
        """Whether eigenvalues are multipliers of a step, not rates."""
        return text(self.attribute("spectrum", "time", "continuous")) == "discrete"

    def field(self, name, index=None):
        """A function that reads cells of one field by a range of the first axis; None if absent."""
        if not self.shape or name not in self.file:
            return None
        data = self.file[name]
        if data.shape[0 if index is None else 1:] != self.shape:
            raise ValueError(f"{name} has shape {data.shape}, the grid has {self.shape}")
        return (lambda a, b: data[a:b]) if index is None else (lambda a, b: data[index, a:b])

    def integrated(self, field, keep, weight=None):
        """Integral of field (times weight) over all axes but those in `keep`."""
        total = np.zeros([self.shape[k] for k in keep])
        axes = range(len(self.shape))
        rows = max(1, LARGEST_CHUNK // max(1, math.prod(self.shape[1:])))
        for a in range(0, self.shape[0], rows):
            b = min(a + rows, self.shape[0])
            values = field(a, b) * (1.0 if weight is None else weight(a, b))
            widths = [(self.widths[k][a:b] if k == 0 else self.widths[k], [k])
                      for k in axes if k not in keep]
            part = total[a:b] if 0 in keep else total
            part += np.einsum(values, list(axes), *itertools.chain(*widths), list(keep))
        return total

    def mean(self, field, keep):
        """Conditional mean of a function given the axes in `keep`."""
        if len(keep) == len(self.shape):
            return field(0, self.shape[0])
        weight = self.field("stationary/density")
        weight = weight or (lambda a, b: np.ones((b - a, *self.shape[1:])))
        share = self.integrated(weight, keep)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(share > 1e-12 * share.max(),
                            self.integrated(field, keep, weight) / share, np.nan)

    def planes(self):
        """The pairs of axes worth a picture, at most six."""
        return list(itertools.combinations(range(len(self.shape)), 2))[:6]

    def listed(self, keep):
        return ", ".join(self.names[k] for k in keep)

    def whole_plane(self):
        """The first two axes, or the only one."""
        return tuple(range(min(2, len(self.shape))))

    def telling_plane(self, field):
        """(axes, mean on them) of the axes along which a function changes most."""
        if len(self.shape) <= 2:
            return self.whole_plane(), self.mean(field, self.whole_plane())
        means = {keep: self.mean(field, keep) for keep in self.planes()}
        keep = max(means, key=lambda k: np.nanvar(means[k]))
        return keep, means[keep]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def thinned(values, edges, largest=LARGEST_IMAGE):
    """Means over neighbours where an axis has more cells than `largest`, and their edges."""
    edges = list(edges)
    for k, edge in enumerate(edges):
        first = np.arange(0, values.shape[k], -(-values.shape[k] // largest))
        edges[k] = np.append(edge[first], edge[-1])
        sizes = np.diff(np.append(first, values.shape[k]))
        values = np.add.reduceat(values, first, axis=k)
        values = values / sizes.reshape([-1 if j == k else 1 for j in range(values.ndim)])
    return values, edges


def middles(edges):
    return [0.5 * (edge[1:] + edge[:-1]) for edge in edges]


# --- drawing ---------------------------------------------------------------------------------
def draw_image(ax, result, keep, values, label=None, **options):
    """Colours over a plane; the first of the two axes runs to the right."""
    values, edges = thinned(values, [result.edges[k] for k in keep])
    ax.set_facecolor("#d9dde0")  # where there is no value
    image = ax.pcolormesh(*edges, np.ma.masked_invalid(values).T, rasterized=True, **options)
    ax.set(xlabel=result.names[keep[0]], ylabel=result.names[keep[1]])
    if label:
        colour_bar(ax, image, label)


def colour_bar(ax, image, label):
    ax.figure.colorbar(image, ax=ax, label=label, pad=0.02).outline.set_visible(False)


def draw_contours(ax, result, keep, values, levels, colour):
    values, edges = thinned(values, [result.edges[k] for k in keep])
    if min(values.shape) > 1:
        ax.contour(*middles(edges), np.ma.masked_invalid(values).T, levels, colors=colour,
                   linewidths=0.6, alpha=0.8)


def draw_field(ax, result, keep, values, label, diverging=False, **options):
    """A curve over one axis or colours over two."""
    if len(keep) == 1:
        ax.plot(result.centres[keep[0]], values, color=ACCENT)
        if diverging:
            ax.axhline(0, color=GREY, linewidth=0.7)
        else:
            ax.fill_between(result.centres[keep[0]], values, 0, color=ACCENT, alpha=0.15)
        ax.set(xlabel=result.names[keep[0]], ylabel=label)
        ax.margins(x=0)
        return
    if diverging:
        # A few extreme cells must not bleach all others.
        size = np.nanquantile(np.abs(values), 0.995) or np.nanmax(np.abs(values)) or 1.0
        options = {"cmap": "RdBu_r", "vmin": -size, "vmax": size, **options}
    draw_image(ax, result, keep, values, label, **options)


def draw_spectrum(ax, result):
    values, rates, still = result.spectrum()
    count = len(values)
    error = result.get("spectrum/discretisation_error", np.zeros(count))
    residual = result.get("spectrum/residuals", np.full(count, np.nan))
    verdict = [text(v) for v in result.get("spectrum/verdict", [b"converged"] * count)]
    discrete = result.discrete_time()
    planar = discrete or np.abs(values[:, 1]).max() > 0.1 * still
    if planar:
        symbol = r"$\mu$" if discrete else r"$\lambda$"
        x, y, bars = values[:, 0], values[:, 1], "xerr"
        ax.axvline(0, color=GREY, linewidth=0.7)
        ax.set(xlabel=result.label("Re " + symbol, "spectrum/eigenvalues"),
               ylabel=result.label("Im " + symbol, "spectrum/eigenvalues"))
        if discrete:
            ax.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.7))
            ax.set_aspect("equal", "datalim")
    else:
        x, y, bars = np.arange(count), rates, "yerr"
        ax.set(xlabel="number", ylabel=result.label("decay rate", "spectrum/rates"))
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.axhline(0, color=GREY, linewidth=0.7)
    ax.errorbar(x, y, fmt="none", ecolor=GREY, elinewidth=1.2, capsize=2.5, zorder=2,
                **{bars: np.nan_to_num(error)})
    colours = {}
    if np.isfinite(residual).any():
        residual = np.clip(residual, 1e-17, None)
        colours = {"cmap": "Blues", "norm": LogNorm(np.nanmin(residual) / 2,
                                                    2 * np.nanmax(residual))}
    for word in dict.fromkeys(verdict):
        marker, colour = VERDICTS.get(word, ("s", GREY))
        these = np.array([v == word for v in verdict])
        points = ax.scatter(x[these], y[these], s=42, marker=marker, edgecolors=colour,
                            c=residual[these] if colours else colour, linewidths=1.3, label=word,
                            zorder=3, **colours)
    if colours:
        colour_bar(ax, points, result.label("residual", "spectrum/residuals"))
    lively = rates[np.isfinite(rates) & (rates > still)]
    if not planar and len(lively) and lively.max() > 100 * lively.min():
        ax.set_yscale("symlog", linthresh=lively.min())
    ax.margins(x=0.12, y=0.16)
    if set(verdict) != {"converged"}:
        ax.legend(loc="best", handletextpad=0.2)
    slow = [i for i in np.argsort(rates) if rates[i] > still and values[i, 1] >= 0]
    taken = []  # time scales stand beside their modes where there is room, slowest first
    for i in slow[:6]:
        place = ax.transData.transform((x[i], y[i]))
        if all(abs(place[0] - p[0]) > 90 or abs(place[1] - p[1]) > 18 for p in taken):
            ax.annotate(rf"$\tau$ = {1 / rates[i]:.4g}", (x[i], y[i]), fontsize=7.5, zorder=4,
                        xytext=(6, 5 if planar else -11), textcoords="offset points")
            taken.append(place)


def draw_free_energy(ax, result, keep, density):
    label = r"$-\ln(p\,/\,p_{max})$"
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = -np.log(density / np.nanmax(density))
    energy = np.where(np.isfinite(energy), energy, np.nan)
    top = min(np.nanmax(energy), HIGHEST_ENERGY) or 1.0
    if len(keep) == 1:
        draw_field(ax, result, keep, energy, label)
        ax.set_ylim(0, 1.05 * top)
        return
    energy = np.minimum(energy, top)
    draw_image(ax, result, keep, energy, label, cmap="cividis", vmax=top)
    draw_contours(ax, result, keep, energy, np.linspace(0, top, 9)[1:-1], "white")


def draw_current(ax, result, keep, density, flows):
    """Arrows on the density. Lengths go with the root of the size so that weak currents show, too;
    colours tell sizes apart."""
    edges = [result.edges[k] for k in keep]
    flows = [thinned(flow, edges, largest=22) for flow in flows]
    (u, coarse), (v, _) = flows
    size = np.hypot(u, v)
    draw_image(ax, result, keep, density, cmap="Greys", alpha=0.55)
    shown = size > 0.01 * size.max()
    length = np.sqrt(size[shown] / size.max()) / size[shown]
    x, y = (place[shown] for place in np.meshgrid(*middles(coarse), indexing="ij"))
    arrows = ax.quiver(x, y, u[shown] * length, v[shown] * length, size[shown], cmap="plasma",
                       scale=16, width=0.007, pivot="mid", norm=Normalize(0, size.max()))
    colour_bar(ax, arrows, "size of the current")


def draw_lines(ax, curves, x, xlabel, ylabel):
    """Several named curves over one axis."""
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, max(len(curves), 2)))
    for colour, (name, curve) in zip(colours, curves.items()):
        ax.plot(x, curve, color=colour, label=name, markersize=3.5,
                marker="o" if len(x) < 12 else None)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(x=0.01)
    ax.legend(loc="best")


# --- panels: (section, title, function of an Axes) ------------------------------------------
def spectrum_panels(result):
    if "spectrum/eigenvalues" in result.file and len(result.file["spectrum/eigenvalues"]):
        verdict = result.get("spectrum/verdict", np.array([]))
        sure = len(verdict) and all(text(word) == "converged" for word in verdict)
        yield "Spectrum" + (" (all converged)" if sure else ""), lambda ax: draw_spectrum(
            ax, result)


def stationary_panels(result):
    field = result.field("stationary/density")
    if field is None:
        return
    verdict = text(result.attribute("stationary", "verdict", "converged"))
    remark = "" if verdict == "converged" else f" ({verdict})"
    many = len(result.shape) > 2
    kept = [(k,) for k in range(len(result.shape))] + result.planes() if many else \
        [result.whole_plane()]
    densities = {keep: result.integrated(field, keep) for keep in kept}
    for keep in kept:
        title = "Marginal of " + result.listed(keep) if many else "Stationary density"
        yield title + remark, lambda ax, keep=keep: draw_field(
            ax, result, keep, densities[keep], "probability density")
    plane = max((keep for keep in kept if len(keep) > many),
                key=lambda keep: np.nanvar(np.log(np.maximum(densities[keep], 1e-12))))
    where = " of " + result.listed(plane) if many else ""
    fields = [result.field("stationary/current/" + result.names[k]) for k in plane]
    flows = [] if None in fields else [result.integrated(field, plane) for field in fields]
    # What differences leave of a density in equilibrium is rounding.
    rounding = 1e-14 * result.attribute("grid", "generator_norm", 0.0) * max(
        densities[plane].max() * result.widths[k].max() for k in plane)
    still = bool(flows) and max(np.abs(flow).max() for flow in flows) <= rounding
    yield "Free energy" + where + (" (no current)" if still else ""), \
        lambda ax: draw_free_energy(ax, result, plane, densities[plane])
    if still or not flows:
        return
    production = result.attribute("stationary", "entropy_production_rate")
    note = "" if production is None else f" (entropy production {float(production):.3g})"
    yield "Current" + where + note, lambda ax: (
        draw_current(ax, result, plane, densities[plane], flows) if len(plane) == 2 else
        draw_field(ax, result, plane, flows[0], "probability / time", diverging=True))


def eigenfunction_panels(result):
    side = next((s for s in ("right", "left") if f"spectrum/{s}" in result.file), None)
    if side is None or "spectrum/eigenvalues" not in result.file or not result.shape:
        return
    values, rates, still = result.spectrum()
    name, symbol = ("Eigenfunction", r"$\psi$") if side == "right" else ("Eigendensity", r"$\phi$")
    stored = min(len(values), len(result.file[f"spectrum/{side}"]))
    for i in [i for i in range(stored) if rates[i] > still and values[i, 1] >= 0][:4]:
        oscillates = values[i, 1] > 0.1 * still

        def draw(ax, i=i, label=("real part of " if oscillates else "") + symbol):
            field = result.field(f"spectrum/{side}", i)
            if side == "right":
                keep, values = result.telling_plane(field)
            else:
                keep = result.whole_plane()
                values = result.integrated(field, keep)
            draw_field(ax, result, keep, values, label, diverging=True)

        number = f"{values[i, 0]:.4g}" + (f" ± {values[i, 1]:.4g}i" if oscillates else "")
        letter = r"\mu" if result.discrete_time() else r"\lambda"
        yield rf"{name} {i}: ${letter}$ = {number}", draw


def evolve_panels(result):
    times = result.get("evolve/times")
    if times is None or not len(times):
        return
    if result.shape and "evolve/density" in result.file:
        wanted = 4 if len(result.shape) == 2 else 7
        chosen = sorted({round(i) for i in np.linspace(0, len(times) - 1, wanted)})
        if len(result.shape) == 2:
            for i in chosen:
                yield f"Density at t = {times[i]:.4g}", lambda ax, i=i: draw_field(
                    ax, result, (0, 1), result.field("evolve/density", i)(0, result.shape[0]),
                    "probability density")
        else:
            for k in range(min(len(result.shape), 3)):
                curves = {f"t = {times[i]:.4g}": result.integrated(
                    result.field("evolve/density", i), (k,)) for i in chosen}
                yield "Density over time", lambda ax, k=k, curves=curves: draw_lines(
                    ax, curves, result.centres[k], result.names[k], "probability density")
    if len(times) < 2:
        return

    def draw_course(ax, curves, label):
        draw_lines(ax, curves, times, "time", label)
        ax.ticklabel_format(axis="y", useOffset=False)
        later = times[times > 0]
        if len(later) > 2 and later.max() > 200 * later.min():
            ax.set_xscale("symlog", linthresh=later.min())

    mass = result.get("evolve/mass", np.ones(1))
    lost = np.abs(mass - mass[0]).max()
    group = result.file.get("evolve/observables", {})
    observables = {name: group[name][:] for name in group}
    if observables:
        kept = f" (mass kept to {lost:.0e})" if len(mass) > 1 and lost < 1e-6 else ""
        yield "Observables" + kept, lambda ax: draw_course(ax, observables, "expectation")
    if len(mass) > 1 and (lost >= 1e-6 or not observables):
        yield "Mass on the grid", lambda ax: draw_course(ax, {"mass": mass}, "probability left")


def transition_panels(result):
    rate = result.attribute("transitions", "rate")
    note = "" if rate is None else f" (rate {float(rate):.4g})"
    drawn = (("committor_forward", "Committor" + note, "probability to reach B first",
              {"cmap": "coolwarm", "vmin": 0, "vmax": 1}),
             ("mean_first_passage_time", "Mean first passage time", "time", {"cmap": "magma"}),
             ("reactive_density", "Reactive density", "probability density", {}))
    for name, title, label, options in drawn:
        field = result.field("transitions/" + name)
        if field is None:
            continue

        def draw(ax, name=name, field=field, label=label, options=options):
            if name == "reactive_density":
                keep = result.whole_plane()
                values = result.integrated(field, keep)
            else:
                keep, values = result.telling_plane(field)
            draw_field(ax, result, keep, values, result.label(label, "transitions/" + name),
                       **options)
            if name == "committor_forward" and len(keep) == 2:
                draw_contours(ax, result, keep, values, [0.5], "black")

        yield title, draw


PANELS = {"spectrum": spectrum_panels, "stationary": stationary_panels,
          "eigenfunctions": eigenfunction_panels, "evolve": evolve_panels,
          "transitions": transition_panels}


# --- the page --------------------------------------------------------------------------------
def footer(result):
    if "run" not in result.file:
        return ""
    fact = collections.defaultdict(lambda: "?")
    fact.update((name, text(value)) for name, value in result.file["run"].attrs.items())
    parts = {"driver": "{driver}, komori {version} ({git_hash})", "cells": "{cells} cells",
             "ranks": "ranks: {ranks} on {host}", "seconds": "{start_time}, {seconds:.5s} s",
             "early_exit": "incomplete: {early_exit}"}
    return "   ·   ".join(words.format_map(fact) for key, words in parts.items() if fact.get(key))


def draw_page(result, panels, output, name):
    # Few empty places, and somewhat wider than high.
    columns = min(range(1, 7), key=lambda c: 1.7 * (-len(panels) % c) / c + abs(
        math.log(1.3 * c / -(-len(panels) // c) / 1.4)))
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(4.7 * columns, 3.6 * rows + 0.7),
                                    squeeze=False, layout="constrained", dpi=130)
        figure.get_layout_engine().set(h_pad=0.10, w_pad=0.10)
        for ax in axes.flat[len(panels):]:
            ax.set_axis_off()
        for ax, (title, draw) in zip(axes.flat, panels):
            ax.set_title(title)
            try:
                draw(ax)
            except Exception as problem:  # one bad dataset must not cost the whole page
                sys.stderr.write(f"plot.py: '{title}' is not drawn: {problem}\n")
                ax.text(0.5, 0.5, "not drawn", ha="center", color=GREY, transform=ax.transAxes)
        title = text(result.file.attrs.get("title", "")) or name
        figure.suptitle(title, fontsize=14, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel(footer(result), fontsize=7.5, color=GREY, x=0.01, ha="left")
        partial = output + ".partial"
        try:
            figure.savefig(partial, format=os.path.splitext(output)[1][1:] or "png")
            os.replace(partial, output)
        except (OSError, ValueError) as problem:
            if os.path.exists(partial):
                os.remove(partial)
            leave(f"'{output}' cannot be written: {problem}")
        finally:
            plt.close(figure)


def arguments():
    parser = argparse.ArgumentParser(description="Draws what is in a komori result file.")
    parser.add_argument("result", metavar="RESULT.h5")
    parser.add_argument("-o", "--output", metavar="OUT.png",
                        help="default: beside the result; .pdf and .svg also work")
    parser.add_argument("--show", metavar="WHAT", default=",".join(PANELS),
                        help="some of " + ",".join(PANELS) + "; default: all there is")
    chosen = parser.parse_args()
    chosen.show = [word.strip() for word in chosen.show.split(",")]
    for word in chosen.show:
        if word not in PANELS:
            leave(f"--show {word}: there is no such part; choose from {', '.join(PANELS)}")
    chosen.output = chosen.output or os.path.splitext(chosen.result)[0] + ".png"
    if os.path.abspath(chosen.output) == os.path.abspath(chosen.result):
        leave(f"'{chosen.output}' would overwrite the result; give -o another name")
    return chosen


def main():
    chosen = arguments()
    if not os.path.isfile(chosen.result):
        leave(f"'{chosen.result}': there is no such file")
    try:
        file = h5py.File(chosen.result, "r")
    except OSError as problem:
        leave(f"'{chosen.result}' is not a whole HDF5 file ({problem})")
    with file:
        try:
            result = Result(file)
            panels = [panel for section in chosen.show for panel in PANELS[section](result)]
        except (OSError, KeyError, ValueError, TypeError, IndexError) as problem:
            leave(f"'{chosen.result}' is no komori result, or damaged: {problem}")
        if not panels:
            leave(f"'{chosen.result}' holds nothing to draw of: {', '.join(chosen.show)}")
        draw_page(result, panels, chosen.output, os.path.basename(chosen.result))
    print(chosen.output)


if __name__ == "__main__":
    main()
