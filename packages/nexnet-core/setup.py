"""Compiles the engine; everything else about this distribution stands in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        [Extension("nexnet._engine", ["src/nexnet/_engine.py"])],
        build_dir="build",
        language_level=3,
        compiler_directives={"binding": True, "embedsignature": False, "c_api_binop_methods": True},
    )
)
