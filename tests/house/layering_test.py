#!/usr/bin/env python3
"""The layering check finds what it is there to find, and the source tree passes it."""
import pathlib
import tempfile
import unittest

import layering

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tree(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("src/base/error.hpp", "src/io/hdf5.hpp", "src/analyses/driver.hpp"):
                files.setdefault(name, "#pragma once\n")
            (root / "drivers").mkdir()
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return layering.check(root)

    def test_accepts_what_the_table_allows(self):
        files = {
            "src/io/hdf5.cpp": '#include "io/hdf5.hpp"\n#include <string>\n#include "base/error.hpp"\n',
            "drivers/some.cpp": '#include "analyses/driver.hpp"\n',
        }
        self.assertEqual(self.problems(files), [])

    def test_finds_an_include_against_the_layers(self):
        files = {"src/base/error.cpp": '\n#include "io/hdf5.hpp"\n'}
        self.assertEqual(
            self.problems(files),
            ["src/base/error.cpp:2: includes 'io/hdf5.hpp', but base/ may include no other folder"],
        )

    def test_finds_other_ways_round_the_layers(self):
        for line, problem in {
            '#include "../io/hdf5.hpp"': "includes '../io/hdf5.hpp'; name files from src/ on",
            "#include <io/hdf5.hpp>": 'includes <io/hdf5.hpp>; write "io/hdf5.hpp"',
            '#include "hdf5.hpp"': "includes 'hdf5.hpp', which is in no folder of src/",
            '#include "io/gone.hpp"': "includes 'io/gone.hpp', which does not exist",
            '#include "drivers/some.hpp"': "includes 'drivers/some.hpp', which is in no folder of src/",
        }.items():
            with self.subTest(line):
                self.assertEqual(
                    self.problems({"src/io/new.cpp": line + "\n"}), [f"src/io/new.cpp:1: {problem}"]
                )

    def test_finds_a_folder_outside_the_layers(self):
        found = self.problems({"src/utils/all.hpp": "#pragma once\n"})
        self.assertEqual(found, ["src/utils: is in no layer; add it to layering.py"])

    def test_finds_long_files_macros_and_missing_guards(self):
        files = {
            "src/io/a.hpp": "\n",
            "src/io/b.hpp": "#pragma once\n" + 299 * "\n",
            "src/io/c.cpp": 500 * "\n",
            "src/io/d.cpp": "#define TWICE(x) (2 * (x))\n#define PLAIN 1\n",
        }
        self.assertEqual(
            self.problems(files),
            [
                "src/io/a.hpp:1: lacks '#pragma once'",
                "src/io/b.hpp:300: has 300 lines, but must have fewer than 300",
                "src/io/c.cpp:500: has 500 lines, but must have fewer than 500",
                "src/io/d.cpp:1: defines a function-like macro; write a function",
            ],
        )

    def test_finds_two_types_of_one_name(self):
        files = {
            "src/io/a.hpp": "#pragma once\nclass Twice {\n};\nclass Told;\n",
            "src/io/b.hpp": "#pragma once\nclass Told {\n};\nstruct Twice final : Told {\n};\n",
            "src/base/c.hpp": "#pragma once\nclass Twice {\n};\n",
        }
        self.assertEqual(self.problems(files), ["src/io/b.hpp:4: defines Twice, as src/io/a.hpp does"])

    def test_the_sources_pass(self):
        self.assertEqual(layering.check(ROOT), [])


if __name__ == "__main__":
    unittest.main()
