"""A result file as its panels see it, and what they draw with."""
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np

LARGEST_CHUNK = 2**23       # values in memory at once
LARGEST_IMAGE = 500         # cells per axis that are drawn
INK, ACCENT, WARM, GREY = "#22303c", "#2a6f97", "#c8553d", "#8a949c"


class Result:
    """A result file: its axes, and projections of its fields that fit on paper."""

    def __init__(self, file, beside=None):
        self.file = file
        self.beside = beside  # another Result, to be held against this one
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
            known = self.field("counts/connected")  # where data say anything
            values = field(0, self.shape[0])
            return values if known is None else np.where(known(0, self.shape[0]) > 0, values, np.nan)
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


def draw_lines(ax, curves, x, xlabel, ylabel):
    """Several named curves over one axis."""
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, max(len(curves), 2)))
    for colour, (name, curve) in zip(colours, curves.items()):
        ax.plot(x, curve, color=colour, label=name, markersize=3.5,
                marker="o" if len(x) < 12 else None)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(x=0.01)
    ax.legend(loc="best")
