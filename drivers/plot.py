#!/usr/bin/env python3
"""Draws what is in a komori result file on one page.

    plot.py RESULT.h5 [-o OUT.png] [--show spectrum,stationary,...] [--beside OTHER.h5]

A density over more than two variables is shown by its marginals; other functions by their mean over
the variables left out, weighted with the stationary density where the file has it.
"""
import argparse
import collections
import contextlib
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

# The panels lie beside this script, or where an installation keeps shared files.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "share", "komori")]
from plots import PANELS  # noqa: E402
from plots.drawing import GREY, INK, Result, text  # noqa: E402

STYLE = {"font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.edgecolor": GREY,
         "axes.titlelocation": "left", "axes.labelcolor": INK, "text.color": INK,
         "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
         "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 8,
         "lines.linewidth": 1.6, "image.cmap": "viridis"}


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
    parser.add_argument("--beside", metavar="OTHER.h5",
                        help="a second result, whose memory is drawn into the panel of the first's")
    chosen = parser.parse_args()
    chosen.show = [word.strip() for word in chosen.show.split(",")]
    for word in chosen.show:
        if word not in PANELS:
            leave(f"--show {word}: there is no such part; choose from {', '.join(PANELS)}")
    chosen.output = chosen.output or os.path.splitext(chosen.result)[0] + ".png"
    if os.path.abspath(chosen.output) == os.path.abspath(chosen.result):
        leave(f"'{chosen.output}' would overwrite the result; give -o another name")
    return chosen


def opened(path):
    if not os.path.isfile(path):
        leave(f"'{path}': there is no such file")
    try:
        return h5py.File(path, "r")
    except OSError as problem:
        leave(f"'{path}' is not a whole HDF5 file ({problem})")


def main():
    chosen = arguments()
    with contextlib.ExitStack() as files:
        file = files.enter_context(opened(chosen.result))
        try:
            beside = chosen.beside and Result(files.enter_context(opened(chosen.beside)))
            result = Result(file, beside)
            panels = [panel for section in chosen.show for panel in PANELS[section](result)]
        except (OSError, KeyError, ValueError, TypeError, IndexError) as problem:
            leave(f"'{chosen.result}' is no komori result, or damaged: {problem}")
        if not panels:
            leave(f"'{chosen.result}' holds nothing to draw of: {', '.join(chosen.show)}")
        draw_page(result, panels, chosen.output, os.path.basename(chosen.result))
    print(chosen.output)


if __name__ == "__main__":
    main()
