"""Stationary densities with their currents, evolutions, and transitions."""
import numpy as np
from matplotlib.colors import Normalize

from plots.drawing import (colour_bar, draw_contours, draw_field, draw_image, draw_lines, middles,
                           text, thinned)

HIGHEST_ENERGY = 15.0       # above it a free energy is cut off


def draw_free_energy(ax, result, keep, density):
    label = r"$-\ln(p\,/\,p_{max})$"
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = -np.log(density / np.nanmax(density))
    energy = np.where(np.isfinite(energy), energy, np.nan)
    known = result.field("counts/connected")  # where data say anything
    if known is not None and len(keep) == len(result.shape):
        energy = np.where(known(0, result.shape[0]) > 0, energy, np.nan)
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


def stationary_panels(result):
    field = result.field("stationary/density")
    if field is None or "cover" in result.file:  # boxes have a panel of their own
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
