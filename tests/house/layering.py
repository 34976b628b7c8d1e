#!/usr/bin/env python3
"""House rules a compiler does not check: who includes whom, file lengths, no function-like macros, no two types of
one name.

    layering.py [SOURCE_DIR]

A folder of src/ may include itself and the folders listed for it here.
"""
import pathlib
import re
import sys

LOWER = {
    "base": [],
    "config": ["base"],
    "io": ["base"],
    "linalg": ["base", "io"],
    "spaces": ["base", "config", "io"],
    "models": ["base", "config", "spaces"],
    "operators": ["base", "config", "io", "linalg", "spaces", "models"],
    "analyses": ["base", "config", "io", "linalg", "spaces", "models", "operators"],
}
GENERATED = {"komori_version.hpp"}
HEADER_LINES = 300
SOURCE_LINES = 500

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MACRO = re.compile(r"^\s*#\s*define\s+\w+\(")
# At the left margin of a header: one of the namespace of its folder, which no other file may define.
TYPE = re.compile(r"^(?:struct|class|enum class|enum|union)\s+(\w+)[^;]*$")


def include_problem(folder, bracket, target, root):
    """What is wrong with one include of a file in `folder`, None if nothing."""
    if bracket == "<":
        ours = target.split("/")[0] in LOWER and (root / "src" / target).exists()
        return f"includes <{target}>; write \"{target}\"" if ours else None
    if target in GENERATED:
        return None
    if ".." in target.split("/"):
        return f"includes '{target}'; name files from src/ on"
    other = target.split("/")[0]
    if other not in LOWER:
        return f"includes '{target}', which is in no folder of src/"
    if not (root / "src" / target).exists():
        return f"includes '{target}', which does not exist"
    if folder in LOWER and other != folder and other not in LOWER[folder]:
        allowed = ", ".join(LOWER[folder]) or "no other folder"
        return f"includes '{target}', but {folder}/ may include {allowed}"
    return None


def problems_of(path, root):
    lines = path.read_text(encoding="utf-8").splitlines()
    top, folder = path.relative_to(root).parts[:2]
    limit = HEADER_LINES if path.suffix == ".hpp" else SOURCE_LINES
    if len(lines) >= limit:
        yield len(lines), f"has {len(lines)} lines, but must have fewer than {limit}"
    if path.suffix == ".hpp" and "#pragma once" not in lines:
        yield 1, "lacks '#pragma once'"
    for number, line in enumerate(lines, 1):
        if MACRO.match(line):
            yield number, "defines a function-like macro; write a function"
        match = INCLUDE.match(line) if top != "tests" else None
        problem = match and include_problem(folder, match[1], match[2], root)
        if problem:
            yield number, problem


def check(root):
    """All problems below `root`, as text."""
    found = []
    for folder in sorted(p for p in (root / "src").iterdir() if p.is_dir()):
        if folder.name not in LOWER:
            found.append(f"src/{folder.name}: is in no layer; add it to {pathlib.Path(__file__).name}")
    files = [p for top in ("src", "drivers", "tests") for p in (root / top).rglob("*.?pp")]
    types = {}
    for path in sorted(files):
        for line, problem in problems_of(path, root):
            found.append(f"{path.relative_to(root)}:{line}: {problem}")
        if path.suffix != ".hpp" or not path.is_relative_to(root / "src"):
            continue
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = TYPE.match(text)
            where = match and types.setdefault((path.parent, match[1]), path)
            if where and where != path:
                found.append(f"{path.relative_to(root)}:{line}: defines {match[1]}, as {where.relative_to(root)} does")
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = check(root)
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
