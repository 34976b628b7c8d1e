"""What is estimated from time series: implied time scales and the test of Chapman and Kolmogorov."""
import numpy as np
import matplotlib.pyplot as plt

from plots.drawing import ACCENT, GREY, WARM, text

MOST_SETS = 3               # whose probabilities are drawn from and to each other


def draw_time_scales(ax, result):
    lags, values = result.get("time_scales/lags"), result.get("time_scales/values")
    lower, upper = result.get("time_scales/lower"), result.get("time_scales/upper")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, values.shape[1]))
    for i, colour in enumerate(colours):
        ax.fill_between(lags, lower[:, i], upper[:, i], color=colour, alpha=0.2, linewidth=0)
        ax.plot(lags, values[:, i], color=colour, marker="o", markersize=3.5)
    # A process faster than the lag is not seen.
    ax.fill_between(lags, 0, lags, color=GREY, alpha=0.35, linewidth=0)
    ax.set(xlabel="lag", ylabel="implied time scale", yscale="log")
    if len(lags) > 1:
        ax.set_xlim(lags.min(), lags.max())
    smallest = np.nanmin(np.append(values, lags))
    ax.set_ylim(0.7 * smallest, 1.6 * np.nanmax(np.append(upper, values)))


def time_scale_panels(result):
    if "time_scales/values" in result.file:
        share = result.attribute("time_scales", "confidence", 0)
        bands = f" ({100 * share:g} % bands)" if result.attribute("time_scales", "samples", 0) else ""
        yield "Implied time scales" + bands, lambda ax: draw_time_scales(ax, result)


def draw_chapman_kolmogorov(ax, result, i, j):
    group = "chapman_kolmogorov/"
    times = result.get(group + "steps") * result.attribute("chapman_kolmogorov", "lag", 1)
    predicted, estimated = (result.get(group + what)[:, i, j] for what in ("predicted", "estimated"))
    alone = len(times) == 1  # of a single number of steps there is no line
    ax.plot(times, predicted, color=ACCENT, marker="_" if alone else None, markersize=18, label="predicted")
    if group + "predicted_lower" in result.file:
        low, high = (result.get(f"{group}predicted_{end}")[:, i, j] for end in ("lower", "upper"))
        if alone:
            ax.vlines(times, low, high, color=ACCENT, alpha=0.2, linewidth=12)
        else:
            ax.fill_between(times, low, high, color=ACCENT, alpha=0.2, linewidth=0)
        low, high = (result.get(f"{group}estimated_{end}")[:, i, j] for end in ("lower", "upper"))
        bars = np.maximum(0, [estimated - low, high - estimated])
        ax.errorbar(times, estimated, bars, color=WARM, fmt="o", markersize=3.5, capsize=2,
                    linewidth=1, label="counted")
    else:
        ax.plot(times, estimated, "o", color=WARM, markersize=3.5, label="counted")
    ax.set(xlabel="time", ylabel="probability")
    ax.legend(loc="best")


def chapman_kolmogorov_panels(result):
    names = result.get("chapman_kolmogorov/sets")
    if names is None:
        return
    shown = range(min(len(names), MOST_SETS))
    pairs = [(i, j) for i in shown for j in shown if len(names) <= 2 or i == j]
    for i, j in pairs:
        yield f"Chapman-Kolmogorov: {text(names[i])} to {text(names[j])}", \
            lambda ax, i=i, j=j: draw_chapman_kolmogorov(ax, result, i, j)
