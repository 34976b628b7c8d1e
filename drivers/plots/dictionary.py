"""Pseudospectra, and predictions from the modes of a dictionary."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plots.drawing import ACCENT, GREY, INK, WARM, colour_bar, text

LARGEST_COUNT = 5  # starting points drawn


def draw_pseudospectrum(ax, result):
    re, im = result.get("pseudospectrum/re"), result.get("pseudospectrum/im")
    floor = float(result.attribute("pseudospectrum", "floor", 1e-8))
    residual = np.clip(result.get("pseudospectrum/residual"), floor, None)
    low, high = residual.min(), max(residual.max(), 10 * residual.min())
    points = ax.pcolormesh(re, im, residual.T, norm=LogNorm(low, high), cmap="viridis_r",
                           shading="nearest")
    if min(residual.shape) > 1:
        levels = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        lines = ax.contour(re, im, residual.T, levels=levels, colors=INK, linewidths=0.7)
        ax.clabel(lines, fmt=lambda level: f"{level:.0e}", fontsize=7)
    letter = r"$z$"
    ax.set(xlabel="Re " + letter, ylabel="Im " + letter, xlim=(re[0], re[-1]),
           ylim=(im[0], im[-1]) if len(im) > 1 else None)
    if result.discrete_time() or "spectrum" not in result.file:
        ax.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.7))
    ax.set_aspect("equal", "box")
    values = result.get("spectrum/eigenvalues")
    if values is not None and len(values):
        verdict = np.array([text(v) for v in result.get("spectrum/verdict")])
        for word, marker, colour in (("converged", "o", ACCENT), ("suspect", "^", WARM)):
            these = verdict == word
            if these.any():
                ax.scatter(*values[these].T, s=22, marker=marker, facecolors="white",
                           edgecolors=colour, linewidths=1.2, label=word, zorder=3)
        ax.legend(loc="best", handletextpad=0.2, frameon=True)
    colour_bar(ax, points, result.label("least residual", "pseudospectrum/residual"))


def pseudospectrum_panels(result):
    if "pseudospectrum/residual" in result.file:
        yield "Pseudospectrum", lambda ax: draw_pseudospectrum(ax, result)


def amplitude_panels(result):
    values = result.get("modes/eigenvalues")
    for name in list(result.file["modes/amplitudes"])[:3]:

        def draw(ax, name=name):
            sizes = np.hypot(*result.get(f"modes/amplitudes/{name}").T)
            ax.bar(np.arange(len(sizes)), sizes, color=ACCENT)
            labels = [f"{re:.3g}" + (f"{im:+.3g}i" if im else "") for re, im in values]
            ax.set_xticks(np.arange(len(sizes)), labels, rotation=60, ha="right", fontsize="small")
            ax.set(xlabel="eigenvalue", ylabel=f"amplitude in {name}")

        yield f"Modes of {name}", draw


def mode_panels(result):
    """Predictions where there are some, else how much of each mode is in the observables."""
    if "modes/prediction" in result.file:
        yield from prediction_panels(result)
    elif "modes/amplitudes" in result.file:
        yield from amplitude_panels(result)


def prediction_panels(result):
    group = result.file.get("modes/prediction")
    for name in list(group or [])[:3]:

        def draw(ax, name=name):
            times = result.get("modes/times")
            path = result.get(f"modes/path/{name}")
            for i, values in enumerate(result.get(f"modes/prediction/{name}")[:LARGEST_COUNT]):
                line, = ax.plot(times, values, label="predicted" if i == 0 else None)
                if path is not None:
                    ax.plot(times, path[i], "o", markersize=3.5, color=line.get_color(),
                            label="path of the map" if i == 0 else None)
            ax.set(xlabel=result.label("time", "modes/times"), ylabel=name)
            ax.legend(loc="best")

        yield f"Prediction of {name}", draw
