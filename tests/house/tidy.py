#!/usr/bin/env python3
"""Runs clang-tidy on src/ and drivers/, several files at a time.

    tidy.py BUILD_DIR [-j JOBS] [FILE...]

A file that passed is not looked at again until it, a header it includes, or .clang-tidy changes.
"""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def with_headers(path, seen):
    """The file and all headers of ours that it includes, directly or not."""
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        with_headers(ROOT / "src" / name, seen)
    return seen


def state_of(path, command):
    """Changes when anything changes that clang-tidy's verdict depends on."""
    digest = hashlib.sha256(command.encode())
    for part in [ROOT / ".clang-tidy", *sorted(with_headers(path, set()))]:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def run(path, build):
    start = time.monotonic()
    result = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(build), str(path)],
        capture_output=True, text=True, check=False,
    )
    return result.returncode == 0, result.stdout, result.stderr, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    chosen = {path.resolve() for path in arguments.files}

    work = {}
    for entry in json.loads((arguments.build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        ours = path.is_relative_to(ROOT / "src") or path.is_relative_to(ROOT / "drivers")
        if ours and path.exists() and (not chosen or path in chosen):
            work[path] = state_of(path, entry["command"])
    known = arguments.build / "clang-tidy-passed.json"
    passed = json.loads(known.read_text()) if known.exists() else {}
    todo = [path for path, state in work.items() if passed.get(str(path)) != state]
    print(f"clang-tidy: {len(todo)} of {len(work)} files", flush=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.j) as pool:
        runs = {pool.submit(run, path, arguments.build): path for path in todo}
        for done in concurrent.futures.as_completed(runs):
            path = runs[done]
            good, out, err, seconds = done.result()
            print(f"  {seconds:5.1f} s  {path.relative_to(ROOT)}", flush=True)
            if good:
                passed[str(path)] = work[path]
                known.write_text(json.dumps(passed))
            else:
                failed += 1
                print(out, err, sep="\n", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
