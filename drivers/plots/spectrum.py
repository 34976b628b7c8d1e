"""Eigenvalues, and the functions that belong to the slowest of them."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plots.drawing import ACCENT, GREY, WARM, colour_bar, draw_field, text

VERDICTS = {"converged": ("o", ACCENT), "suspect": ("^", "#e09f3e"),
            "not converged": ("X", WARM)}


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


def spectrum_panels(result):
    if "spectrum/eigenvalues" in result.file and len(result.file["spectrum/eigenvalues"]):
        verdict = result.get("spectrum/verdict", np.array([]))
        sure = len(verdict) and all(text(word) == "converged" for word in verdict)
        yield "Spectrum" + (" (all converged)" if sure else ""), lambda ax: draw_spectrum(
            ax, result)


def eigenfunction_panels(result):
    side = next((s for s in ("right", "left") if f"spectrum/{s}" in result.file), None)
    if side is None or "spectrum/eigenvalues" not in result.file or not result.shape \
            or "cover" in result.file:
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
