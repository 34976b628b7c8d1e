"""Coarse sets, coherent sets, and the boxes of a cover."""
import matplotlib.pyplot as plt
import numpy as np

from plots.drawing import GREY, colour_bar, draw_field, draw_lines, text

MOST_BOXES = 200_000        # drawn as points


def set_colours(count):
    return plt.get_cmap("tab10" if count <= 10 else "tab20")(np.arange(count) % 20)


def draw_boxes(ax, result, values, label, diverging=False):
    """Colours of boxes at their places in the first two variables."""
    centres = result.file["cover/centres"]
    names = [text(name) for name in result.file["cover"].attrs["variables"]]
    every = -(-len(centres) // MOST_BOXES)
    places, values = centres[::every], values[::every]
    options = {}
    if diverging:
        size = np.nanquantile(np.abs(values), 0.995) or 1.0
        options = {"cmap": "RdBu_r", "vmin": -size, "vmax": size}
    if len(names) == 1:
        ax.plot(places[:, 0], values, ".", markersize=1)
        ax.set(xlabel=names[0], ylabel=label)
        return
    size = max(0.2, min(20.0, 2e4 / len(values)))
    points = ax.scatter(places[:, 0], places[:, 1], c=values, s=size, marker="s", linewidths=0,
                        rasterized=True, **options)
    ax.set(xlabel=names[0], ylabel=names[1])
    colour_bar(ax, points, label)


def draw_function(ax, result, dataset, index, label, diverging=False):
    """One function of the state space, on boxes, states or a grid."""
    if "cover" in result.file:
        draw_boxes(ax, result, result.file[dataset][index], label, diverging)
        return
    keep, values = result.telling_plane(result.field(dataset, index))
    draw_field(ax, result, keep, values, label, diverging)


def draw_assignment(ax, result, count):
    colours = set_colours(count)
    palette = plt.matplotlib.colors.ListedColormap(colours[:, :3])
    if "cover" in result.file:
        draw_boxes(ax, result, result.get("coarse_sets/assignment"), "set")
        return
    if len(result.shape) == 1:
        chi = result.file["coarse_sets/memberships"]
        for j in range(count):
            ax.plot(result.centres[0], chi[j], color=colours[j], label=f"set {j}",
                    marker="o" if result.shape[0] < 40 else None, markersize=3.5)
        ax.set(xlabel=result.names[0], ylabel="membership")
        ax.legend(loc="best")
        return
    keep = result.whole_plane()
    middle = tuple(slice(None) if k in keep else result.shape[k] // 2
                   for k in range(len(result.shape)))
    values = result.file["coarse_sets/assignment"][middle]
    image = ax.pcolormesh(*[result.edges[k] for k in keep], np.ma.masked_less(values, 0).T,
                          cmap=palette, vmin=-0.5, vmax=count - 0.5, rasterized=True)
    ax.set(xlabel=result.names[keep[0]], ylabel=result.names[keep[1]], facecolor="#d9dde0")
    bar = ax.figure.colorbar(image, ax=ax, label="set", pad=0.02, ticks=range(count))
    bar.outline.set_visible(False)


def draw_crispness(ax, result):
    numbers = result.get("coarse_sets/numbers")
    crispness = result.get("coarse_sets/crispness")
    chosen = result.attribute("coarse_sets", "sets")
    ax.plot(numbers, crispness, "o-", color=GREY)
    ax.plot(numbers[numbers == chosen], crispness[numbers == chosen], "o", markersize=9,
            fillstyle="none", markeredgewidth=1.6)
    ax.set(xlabel="number of sets", ylabel="crispness", ylim=(0, 1.03))
    ax.xaxis.get_major_locator().set_params(integer=True)


def draw_coarse_matrix(ax, result):
    matrix = result.get("coarse_sets/transition_matrix")
    size = np.abs(matrix).max() or 1.0
    image = ax.imshow(matrix, cmap="Blues" if matrix.min() >= -1e-9 else "RdBu_r",
                      vmin=0 if matrix.min() >= -1e-9 else -size, vmax=size)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            ax.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=7,
                    color="white" if abs(value) > 0.6 * size else "black")
    ax.set(xlabel="to set", ylabel="from set", xticks=range(len(matrix)), yticks=range(len(matrix)))
    colour_bar(ax, image, result.label("transition", "coarse_sets/transition_matrix"))


def coarse_set_panels(result):
    if "coarse_sets/memberships" not in result.file:
        return
    count = len(result.file["coarse_sets/memberships"])
    method = {"gpcca": "G-PCCA", "seba": "SEBA"}.get(
        text(result.attribute("coarse_sets", "method", "")), "")
    yield f"{count} coarse sets ({method})", lambda ax: draw_assignment(ax, result, count)
    if len(result.get("coarse_sets/crispness", ())) > 1:
        yield "Crispness", lambda ax: draw_crispness(ax, result)
    yield "Between sets", lambda ax: draw_coarse_matrix(ax, result)
    if len(result.shape) == 1 and "cover" not in result.file:
        return  # the curves are there already
    for j in range(min(count, 6)):
        weight = result.get("coarse_sets/weights")[j]
        yield f"Set {j} (probability {weight:.3g})", lambda ax, j=j: draw_function(
            ax, result, "coarse_sets/memberships", j, "membership")


def coherent_set_panels(result):
    values = result.get("coherent_sets/singular_values")
    if values is None or not len(values):
        return
    yield "Singular values", lambda ax: draw_lines(
        ax, {"singular value": values, "coherence": result.get("coherent_sets/coherence")},
        np.arange(len(values)), "number", "")
    for i in range(1, min(len(values), 4)):
        for when in ("beginning", "end"):
            yield f"Coherent pair {i}, {when} ($\\sigma$ = {values[i]:.5g})", \
                lambda ax, i=i, when=when: draw_function(
                    ax, result, f"coherent_sets/{when}", i, "singular function", diverging=True)


def draw_counts(ax, result):
    counts = result.get("cover/counts")
    ax.semilogy(np.arange(len(counts)), counts, "o-", markersize=3)
    dimension = result.attribute("cover", "box_dimension")
    ax.set(xlabel="depth", ylabel="boxes", title=f"Boxes (dimension about {dimension:.3g})")


def cover_panels(result):
    if "cover/centres" not in result.file:
        return
    density = result.get("stationary/density")
    if density is not None:
        with np.errstate(divide="ignore"):
            shown = np.log10(np.maximum(density, 1e-300))
        shown = np.maximum(shown, np.nanmax(shown) - 4)
        yield "Stationary density on the boxes", lambda ax: draw_boxes(
            ax, result, shown, r"$\log_{10}$ density")
    else:
        yield "Cover", lambda ax: draw_boxes(
            ax, result, np.ones(len(result.file["cover/centres"])), "kept")
    yield "Boxes", lambda ax: draw_counts(ax, result)
    for i in range(1, min(len(result.file.get("spectrum/right", ())), 4)):
        yield f"Eigenfunction {i}", lambda ax, i=i: draw_function(
            ax, result, "spectrum/right", i, "right eigenfunction", diverging=True)
