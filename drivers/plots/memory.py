"""Memory kernels with their modes, decay rates, and what a shorter memory costs."""
import numpy as np
from matplotlib.colors import LogNorm

from plots.drawing import ACCENT, GREY, INK, WARM, colour_bar, text

MOST_CURVES = 4


def strongest(matrices):
    """The entries (a, b) of matrices [t, k, k] that are largest, at most a few."""
    size = np.abs(matrices).max(0)
    order = np.argsort(size, axis=None)[::-1][:MOST_CURVES]
    return [np.unravel_index(i, size.shape) for i in order if size.flat[i] > 0] or [(0, 0)]


def is_discrete(result, group="memory"):
    return text(result.attribute(group, "time", "continuous")) == "discrete"


def sequence(result, name, group="memory"):
    """(times, matrices) of Omega_l, l >= 1, or of K(t); `name` with _lower or _upper behind it."""
    times = result.get(f"{group}/times")
    if is_discrete(result, group):
        matrices = result.get(f"{group}/omega{name}")
        return (None, None) if matrices is None else (times[1:], matrices[1:])
    return times, result.get(f"{group}/kernel{name}")


def others(result):
    """(words, result, group) of kernels that are drawn into the same panel."""
    if "memory_operator" in result.file:
        yield "fitted operator", result, "memory_operator"
    if result.beside is not None and "memory" in result.beside.file:
        yield text(result.beside.attribute("memory", "source", "other")), result.beside, "memory"


def modes_at(result, exponents):
    """Sum of the modes at these times, or at these lags l - 1: [t, k, k]."""
    amplitudes = result.get("memory/amplitude_matrices")
    if amplitudes is None:
        return None
    amplitudes = amplitudes[..., 0] + 1j * amplitudes[..., 1]
    values = result.get("memory/orthogonal_eigenvalues")
    values = values[:, 0] + 1j * values[:, 1]
    discrete = is_discrete(result)
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = (values ** exponents[:, None] if discrete
                   else np.exp(values * exponents[:, None]))
    return np.einsum("tm,mab->tab", factors, np.nan_to_num(amplitudes)).real


def draw_kernel(ax, result):
    discrete = is_discrete(result)
    times, kernel = sequence(result, "")
    lower, upper = sequence(result, "_lower")[1], sequence(result, "_upper")[1]
    modes = modes_at(result, np.arange(len(kernel), dtype=float) if discrete else times)
    colours = [ACCENT, WARM, "#5b8e7d", "#8d6a9f"]
    entries = strongest(kernel)
    for colour, (a, b) in zip(colours, entries):
        name = (r"$\Omega_l$" if discrete else "K") + (f" [{a},{b}]" if kernel.shape[1] > 1 else "")
        ax.plot(times, kernel[:, a, b], color=colour, label=name,
                marker="o" if len(times) < 40 else None, markersize=3.5)
        if lower is not None:
            ax.fill_between(times, lower[:, a, b], upper[:, a, b], color=colour, alpha=0.2,
                            linewidth=0)
        for words, other, group in others(result):
            when, values = sequence(other, "", group)
            if values is not None and values.shape[1:] == kernel.shape[1:]:
                ax.plot(when, values[:, a, b], color=colour, linestyle=":", linewidth=1.8,
                        label=words if (a, b) == entries[0] else None)
        if modes is not None:
            ax.plot(times, modes[:, a, b], color=colour, linestyle="--", linewidth=1.1, alpha=0.8,
                    label="sum of modes" if (a, b) == entries[0] else None)
    # Modes that are all fast add up to much more than the kernel early on.
    size = np.abs(kernel).max() or 1.0
    ax.set_ylim(max(min(kernel.min(), 0) - 0.15 * size, -1.3 * size),
                min(max(kernel.max(), 0) + 0.15 * size, 1.3 * size))
    ax.axhline(0, color=GREY, linewidth=0.7)
    ax.set(xlabel=result.label("t", "memory/times"),
           ylabel=result.label("memory", "memory/omega" if discrete else "memory/kernel"))
    ax.set_xlim(times[0], times[-1])
    ax.legend(loc="best")


def draw_rates(ax, result, group):
    rates = result.get(f"{group}/rates")
    strength = result.get(f"{group}/amplitudes")
    visible = result.get(f"{group}/visible").astype(bool)
    number = np.arange(len(rates))
    if visible.any():
        shown = np.clip(strength[visible], 1e-300, None)
        points = ax.scatter(number[visible], rates[visible], c=shown, cmap="Blues", s=46,
                            edgecolors=ACCENT, label="visible",
                            norm=LogNorm(shown.min() / 2, 2 * shown.max()), zorder=3)
        colour_bar(ax, points, result.label("amplitude", f"{group}/amplitudes"))
    ax.scatter(number[~visible], rates[~visible], marker="x", color=GREY, label="invisible",
               zorder=3)
    whole = result.get("spectrum/rates")
    if whole is not None:
        for i, rate in enumerate(whole[np.isfinite(whole) & (whole <= 1.1 * np.nanmax(rates))]):
            ax.axhline(rate, color=WARM, linewidth=0.8, alpha=0.7,
                       label="whole system" if i == 0 else None)
    ax.set(xlabel="number", ylabel=result.label("decay rate of the memory", f"{group}/rates"))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.1, y=0.15)
    ax.legend(loc="best")


def draw_truncation(ax, result):
    lags = result.get("memory/truncation_lags")
    error = result.get("memory/truncation_error")
    lags, error = lags[error > 1e-14], error[error > 1e-14]  # the whole memory errs by nothing
    ax.semilogy(lags, error, color=ACCENT, marker="o", markersize=4)
    accuracy = float(result.attribute("memory", "accuracy", 0))
    enough = float(result.attribute("memory", "shortest_memory", np.nan))
    if accuracy > 0:
        ax.axhline(accuracy, color=GREY, linewidth=0.8, linestyle=":")
    if np.isfinite(enough):
        ax.axvline(enough, color=WARM, linewidth=0.9)
        ax.annotate(f"{enough:.3g}", (enough, accuracy), xytext=(5, 5),
                    textcoords="offset points", fontsize=8, color=WARM)
    ax.set(xlabel=result.label("memory kept", "memory/truncation_lags"),
           ylabel="largest error of the propagator")


def draw_propagator(ax, result):
    times = result.get("memory/propagator_times")
    whole = result.get("memory/propagator")
    model = result.get("memory/model")
    for colour, (a, b) in zip([ACCENT, WARM], strongest(whole)[:2]):
        name = f" [{a},{b}]" if whole.shape[1] > 1 else ""
        ax.plot(times, whole[:, a, b], color=colour, label="whole system" + name)
        if model is not None:
            ax.plot(times, model[:, a, b], color=INK, linestyle=":", linewidth=1.4,
                    label="from the memory" + name)
    ax.axhline(0, color=GREY, linewidth=0.7)
    ax.set(xlabel=result.label("t", "memory/propagator_times"), ylabel="C(t) / C(0)")
    ax.margins(x=0.01)
    ax.legend(loc="best")


def memory_panels(result):
    verdict = text(result.attribute("memory", "verdict", ""))
    if "memory/kernel" in result.file or (
            is_discrete(result) and len(result.get("memory/omega", ())) > 1):
        yield f"Memory ({verdict})", lambda ax: draw_kernel(ax, result)
    for group, words in (("memory", ""), ("memory_operator", ", fitted operator")):
        if f"{group}/rates" in result.file:
            yield (f"Decay rates of the memory{words}",
                   lambda ax, group=group: draw_rates(ax, result, group))
    if "memory/propagator" in result.file:
        yield "What is seen, over time", lambda ax: draw_propagator(ax, result)
    if "memory/truncation_error" in result.file:
        yield "Error of a shorter memory", lambda ax: draw_truncation(ax, result)
