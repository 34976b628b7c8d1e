"""Layers of a network: expectations, densities, norms and memory."""
import matplotlib.pyplot as plt
import numpy as np

from plots.drawing import ACCENT, GREY, INK, WARM, colour_bar, text


def layer_points(result, layer):
    """The points along every variable of a layer, by name in the order of its fields."""
    group = result.file[f"layers/{layer}"]
    return {name: group[name][:] for name in group}


def fields(result, group):
    """(layer, dataset) of all fields of a group, from the inputs on."""
    names = [name for name in result.file.get(group, {}) if name.startswith("layer_")]
    return sorted((int(name[6:]), result.file[group][name]) for name in names)


def axes_of(dataset):
    return [text(name) for name in np.atleast_1d(dataset.attrs["axes"])]


def draw_layers(ax, result, group, label, skip=()):
    """One line per layer of one variable, darker with depth."""
    chosen = [(n, data) for n, data in fields(result, group)
              if data.ndim == 1 and n not in skip]
    for i, (n, data) in enumerate(chosen):
        points = layer_points(result, n)[axes_of(data)[0]]
        shade = plt.get_cmap("viridis")(0.9 - 0.8 * i / max(1, len(chosen) - 1))
        ax.plot(points, data[:], color=shade, label=f"layer {n}")
    ax.set(xlabel="value of the layer", ylabel=label)
    ax.legend(loc="best")


def draw_plane(ax, result, layer, data, label):
    """A field over a layer of two variables."""
    points = layer_points(result, layer)
    first, second = axes_of(data)
    stride = [max(1, size // 400) for size in data.shape]
    image = ax.pcolormesh(points[first][::stride[0]], points[second][::stride[1]],
                          data[::stride[0], ::stride[1]].T, shading="nearest", rasterized=True)
    colour_bar(ax, image, label)
    ax.set(xlabel=first, ylabel=second)


def widths_of(points):
    """What each point stands for, for sums over a layer."""
    edges = np.concatenate([points[:1], (points[1:] + points[:-1]) / 2, points[-1:]])
    return np.diff(edges) if len(points) > 1 else np.ones(1)


def draw_marginals(ax, result, layer, data, label):
    """The density of every single variable of a layer of three or more."""
    points = layer_points(result, layer)
    names = axes_of(data)
    values = data[:]
    for k, name in enumerate(names):
        marginal = values
        for other in reversed(range(len(names))):
            if other != k:
                marginal = np.tensordot(marginal, widths_of(points[names[other]]), (other, 0))
        ax.plot(points[name], marginal, label=name)
    ax.set(xlabel="value of the variable", ylabel=f"{label}, marginal")
    ax.legend(loc="best")


def draw_section(ax, result, layer, data, label):
    """A field over a layer of three or more variables: the plane of the first two through the middle of the others."""
    points = layer_points(result, layer)
    names = axes_of(data)
    middle = tuple(size // 2 for size in data.shape[2:])
    stride = [max(1, size // 400) for size in data.shape[:2]]
    image = ax.pcolormesh(points[names[0]][::stride[0]], points[names[1]][::stride[1]],
                          data[(slice(None), slice(None), *middle)][::stride[0], ::stride[1]].T,
                          shading="nearest", rasterized=True)
    colour_bar(ax, image, label)
    at = ", ".join(f"{name} = {points[name][i]:.2g}" for name, i in zip(names[2:], middle))
    ax.set(xlabel=f"{names[0]}   (at {at})", ylabel=names[1])


def draw_points(ax, result, group, label):
    """Values at the points that were asked for, with their errors."""
    values = result.get(f"{group}/values")
    points = result.get(f"{group}/points")
    errors = result.get(f"{group}/discretisation_error", result.get(f"{group}/sampling_error", np.zeros(len(values))))
    one = points.shape[1] == 1
    ax.errorbar(points[:, 0] if one else np.arange(len(values)), values, yerr=errors, fmt="o", color=ACCENT)
    ax.set(xlabel="value of the variable" if one else "point", ylabel=label)
    if not one:
        ax.xaxis.get_major_locator().set_params(integer=True)


def field_panels(result, group, title, label):
    found = fields(result, group)
    if any(data.ndim == 1 for _, data in found):
        yield title, lambda ax: draw_layers(ax, result, group, label)
    for layer, data in found:
        if data.ndim == 2:
            yield (f"{title}, layer {layer}",
                   lambda ax, n=layer, d=data: draw_plane(ax, result, n, d, label))
        elif data.ndim > 2:
            draw = draw_marginals if group == "density" else draw_section
            yield (f"{title}, layer {layer}",
                   lambda ax, n=layer, d=data: draw(ax, result, n, d, label))


def point_panels(result, group, title, label):
    # The models of other drivers have points of their own kind.
    if np.ndim(result.get(f"{group}/points")) == 2 and f"{group}/values" in result.file:
        yield f"{title} at points", lambda ax: draw_points(ax, result, group, label)


def expectation_panels(result):
    yield from field_panels(result, "expectation", "Conditional expectation", "E[u | layer]")
    yield from point_panels(result, "expectation", "Conditional expectation", "E[u | point]")


def probability_panels(result):
    yield from field_panels(result, "probability", "Probability of the set", "P(set | layer)")
    yield from point_panels(result, "probability", "Probability of the set", "P(set | point)")


def draw_deviations(ax, result):
    """What operators and sampled paths differ by, beyond the error that operators state."""
    operators, error, paths, deviation = result.get("monte_carlo/values").T
    beyond = np.maximum(np.abs(operators - paths) - error, 0)
    known = deviation > 0
    ax.plot(np.flatnonzero(known), beyond[known] / deviation[known], ".", color=ACCENT)
    ax.axhline(4, color=GREY, linewidth=0.7)
    ax.set(xlabel="quantity", ylabel="standard errors", ylim=(0, None))


def monte_carlo_panels(result):
    if np.ndim(result.get("monte_carlo/values")) == 2:
        yield "Operators against sampled paths", lambda ax: draw_deviations(ax, result)


def density_panels(result):
    if fields(result, "density"):
        yield from field_panels(result, "density", "Density of the layers", "density")


def draw_norms(ax, result):
    values = result.get("norms/singular_values")[:, 0]
    steps = np.arange(len(values))
    bound = np.exp(0.5 * result.get("norms/log_K", np.full(len(values), np.nan)))
    error = result.get("norms/discretisation_error", np.zeros((len(values), 1)))[:, 0]
    if np.isfinite(bound).any():
        ax.plot(steps, bound, "_", color=GREY, markersize=18, label=r"bound $K_n^{1/2}$")
    ax.errorbar(steps, values, yerr=error, fmt="o", color=ACCENT, label="norm of M(n, n+1)")
    products = result.get("norms/products")
    if products is not None:
        ax.plot(steps, products[:, 0], "s", color=WARM, markersize=4, label="norm of M(n, L)")
    ax.axhline(1, color=GREY, linewidth=0.7)
    ax.set(xlabel="layer n", ylabel="norm", ylim=(0, 1.05 * ax.get_ylim()[1]))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="best")


def norm_panels(result):
    if "norms/singular_values" in result.file:
        yield "Norms of the layers", lambda ax: draw_norms(ax, result)


def draw_memory(ax, result, group):
    last = result.get(f"{group}/memory")[-1]
    lags = np.arange(1, len(last) + 1)
    ax.semilogy(lags, np.where(last > 0, last, np.nan), "o-", color=ACCENT, label="memory")
    bound = result.get(f"{group}/memory_bound")
    if bound is not None and np.isfinite(bound[-1]).all():
        ax.semilogy(lags, bound[-1], "--", color=GREY, label="bound from the noise")
    error = result.get(f"{group}/memory_error")
    if error is not None and (last > 0).any():
        # An error of the size of the term reaches down to the end of the axis.
        least = 0.1 * last[last > 0].min()
        ax.fill_between(lags, np.maximum(last - error[-1], least), np.maximum(last + error[-1], least),
                        color=ACCENT, alpha=0.2, linewidth=0)
    streaming = result.get(f"{group}/streaming")[-1]
    ax.axhline(streaming, color=INK, linewidth=0.8, linestyle=":", label="streaming")
    ax.set(xlabel="lag", ylabel="norm of the term")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="best")


def memory_panels(result):
    for direction, words in (("backward", "expectations"), ("forward", "densities")):
        group = f"memory/{direction}"
        if f"{group}/memory" in result.file:
            yield (f"Memory of {words} by lag",
                   lambda ax, g=group: draw_memory(ax, result, g))


def draw_lags(ax, result):
    measured = result.get("reduction/measured_error")
    lags = np.arange(len(measured))
    ax.semilogy(lags, np.maximum(result.get("reduction/predicted_error"), 1e-17), "_", color=GREY,
                markersize=18, label="predicted")
    ax.semilogy(lags, np.maximum(measured, 1e-17), "o-", color=ACCENT, label="measured")
    ax.set(xlabel="lags of memory kept", ylabel="relative error of the reduced layers")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="best")


def draw_course(ax, result, name):
    """Accuracy, or else the change, of networks that shrink, against the weights they have left."""
    course = result.get(f"reduction/{name}")
    accuracy = result.get(f"reduction/{name}_accuracy")
    if accuracy is None:
        ax.plot(course[:, 0], course[:, 1], "o-", color=ACCENT, markersize=3)
        ax.set(ylabel="relative change of what is kept")
    else:
        for column, colour, label in ((1, INK, "fitted rows"), (2, WARM, "held out")):
            if np.isfinite(accuracy[:, column]).all():
                ax.plot(course[:, 0], accuracy[:, column], "o-", color=colour, markersize=3, label=label)
        ax.set(ylabel="accuracy")
        ax.legend(loc="best")
    ax.set(xlabel="weights and biases left")
    ax.invert_xaxis()


def reduction_panels(result):
    if "reduction/measured_error" in result.file:
        yield "Reduced layers", lambda ax: draw_lags(ax, result)
    for name, words in (("course", "neurons"), ("shallow_course", "layers")):
        if f"reduction/{name}" in result.file and len(result.get(f"reduction/{name}")) > 1:
            yield f"Networks with fewer {words}", lambda ax, n=name: draw_course(ax, result, n)
