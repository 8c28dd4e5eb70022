"""Adds one step to the build: dvren._proto is made from the .proto files. All else stands in pyproject.toml."""

import pathlib
import shutil
import sys

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate_protos  # noqa: E402


class BuildWithProtos(build_py):
    def run(self):
        super().run()
        root = HERE / "src" if self.editable_mode else pathlib.Path(self.build_lib)
        generate_protos.generate(root / "dvren" / "_proto")


class SdistWithProtos(sdist):
    """The .proto files lie outside this folder; an sdist takes a copy along."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        source = generate_protos.proto_root()
        for path in generate_protos.proto_files():
            target = pathlib.Path(base_dir) / "proto" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithProtos, "sdist": SdistWithProtos})
