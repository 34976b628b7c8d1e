#!/usr/bin/env python3
"""Runs clang-tidy on src/ and drivers/, several files in one run and several runs at a time.

    tidy.py BUILD_DIR [-j JOBS] [FILE...]

Most of clang-tidy's time goes to the headers of others. Files that define no name twice share a run;
where such a run finds anything, its files are checked again one by one, and only that counts. They are
compiled without the precompiled headers of the build, which clang cannot read.

A file that passed is not looked at again until it, a header it includes, .clang-tidy, the compiler's
options or clang-tidy change. What passed is kept in ~/.cache/komori/tidy (or $KOMORI_TIDY_CACHE), for
any copy of the source tree.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
UNNAMED = re.compile(r"^namespace \{$(.*?)^\} // namespace$", re.MULTILINE | re.DOTALL)
# A definition at the left margin: struct Name, double name(, constexpr int name =.
DEFINED = re.compile(
    r"^(?!using\b)(?:(?:struct|class|enum class|enum)\s+(\w+)|\w[^;={}()#\n]*?\b(\w+)\s*[(={;])", re.MULTILINE)
# using name = other; using space::name; these may be said again.
USED = re.compile(r"^using\s+(?:(\w+)\s*=\s*([^;]+)|([\w:]*::)(\w+));", re.MULTILINE)
FILES_PER_RUN = 12
CACHE = pathlib.Path(os.environ.get("KOMORI_TIDY_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "komori" / "tidy")
FORGET_AFTER = 60 * 24 * 3600  # seconds since a verdict was last used


def with_headers(path, seen):
    """The file and all headers of ours that it includes, directly or not."""
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        with_headers(ROOT / "src" / name, seen)
    return seen


def options_of(command):
    """What the compiler is told, without files and the precompiled header."""
    kept, words = [], iter(shlex.split(command))
    for word in words:
        if word == "-c":
            break  # the source follows
        if word in ("-include", "-o", "-MF", "-MT", "-x"):
            next(words)
        elif word.startswith(("-D", "-I", "-std=")):
            kept.append(word)
        elif word == "-isystem":
            kept += [word, next(words)]
    return kept


def state_of(path, options, version):
    """Changes when anything changes that clang-tidy's verdict depends on."""
    text = " ".join([version, *options]).replace(str(ROOT), "")
    digest = hashlib.sha256(text.encode())
    for part in [ROOT / ".clang-tidy", *sorted(with_headers(path, set()))]:
        digest.update(str(part.relative_to(ROOT)).encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()


def names_of(path):
    """What would clash with another file of the same namespace, unless it means the same: the content of unnamed
    namespaces, as {(namespace, name): meaning}."""
    names = {}
    for block in UNNAMED.findall(path.read_text(encoding="utf-8")):
        for alias, other, space, name in USED.findall(block):
            names[path.parent.name, alias or name] = other or space
        for pair in DEFINED.findall(block):
            names.update({(path.parent.name, name): path for name in pair if name})
    if path.parent.name == "drivers":
        names["main"] = path
    return names


def runs_of(files):
    """Files in groups of which no two mean different things by the same name."""
    groups = []
    for path in sorted(files, key=lambda file: len(names_of(file)), reverse=True):
        names = names_of(path)
        group = next((group for group in groups if len(group["files"]) < FILES_PER_RUN
                      and all(group["names"].get(name, means) == means for name, means in names.items())), None)
        if group is None:
            group = {"files": [], "names": {}}
            groups.append(group)
        group["files"].append(path)
        group["names"].update(names)
    return [group["files"] for group in groups]


def check(source, options):
    """Whether clang-tidy finds nothing in a source, and what it says."""
    command = ["clang-tidy", "--quiet", f"--config-file={ROOT / '.clang-tidy'}", str(source), "--", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode == 0, result.stdout + result.stderr


def check_together(files, options):
    """Checks files in one run, and one by one if that finds anything: [(file, clean, text)]."""
    if len(files) > 1:
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as together:
            for path in files:
                print(f'#include "{path}" // NOLINT(bugprone-suspicious-include)', file=together)
            together.flush()
            if check(together.name, options)[0]:
                return [(path, True, "") for path in files]
    return [(path, *check(path, options)) for path in files]


def forget_old_verdicts():
    for verdict in CACHE.iterdir():
        if time.time() - verdict.stat().st_mtime > FORGET_AFTER:
            verdict.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    chosen = {path.resolve() for path in arguments.files}
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout
    CACHE.mkdir(parents=True, exist_ok=True)

    states, todo = {}, {}
    for entry in json.loads((arguments.build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        ours = path.is_relative_to(ROOT / "src") or path.is_relative_to(ROOT / "drivers")
        if not ours or not path.exists() or (chosen and path not in chosen):
            continue
        options = options_of(entry["command"])
        states[path] = state_of(path, options, version)
        if (CACHE / states[path]).exists():
            (CACHE / states[path]).touch()
        else:
            todo.setdefault(tuple(options), []).append(path)
    runs = [(files, options) for options, group in todo.items() for files in runs_of(group)]
    print(f"clang-tidy: {sum(len(files) for files, _ in runs)} of {len(states)} files, in {len(runs)} runs",
          flush=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.j) as pool:
        pending = [pool.submit(check_together, *run) for run in runs]
        for done in concurrent.futures.as_completed(pending):
            for path, clean, text in done.result():
                if clean:
                    (CACHE / states[path]).touch()
                else:
                    failed += 1
                    print(path.relative_to(ROOT), text, sep="\n", flush=True)
    forget_old_verdicts()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
