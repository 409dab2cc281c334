"""Compiles the engine's rooms, those of models of torch and some rules; for all else: pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler.Options import get_directive_defaults
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

SOURCES = Path("src/nexnet")
DIRECTIVES = {"binding": True, "embedsignature": False, "c_api_binop_methods": True, "wraparound": False}

# The rooms whose objects can't be in a reference cycle: these are kept from the garbage collector, which would
# otherwise scan a tape of a million nodes again and again while it grows. Cython knows this of a class, by a decorator;
# said of a whole room, the room needs no ``import cython``.
UNCOLLECTED = {"key", "products", "rule"}

get_directive_defaults().update(no_gc=False)

NO_COMPILER = """
nexnet's engine is compiled when it is installed, and that has failed; what the compiler said stands above.
Without a C compiler, or the headers of Python, install them and try again:
    Debian, Ubuntu   apt install gcc python3-dev
    Fedora           dnf install gcc python3-devel
    macOS            xcode-select --install
    Windows          the C++ build tools of Visual Studio
    conda            conda install c-compiler
Or set NEXNET_UNCOMPILED=1 to install the engine as plain Python: it gives the same results, and takes more time for
each operation."""


class compile_engine(build_ext):
    """Compiles the rooms side by side; says what to install where there is no C compiler.

    A slower engine is only for who asks for it.
    """

    def finalize_options(self) -> None:
        """Take as many compilers as there are processors, if nobody has said how many."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count() or 1

    def run(self) -> None:
        """Compile everything."""
        try:
            super().run()
        except (CCompilerError, ExecError, PlatformError) as error:
            sys.exit(f"{error}\n{NO_COMPILER}")


#: Torch's functions called below Python's arguments: the engine does without where there is no compiler of C++.
DIRECT = Extension(
    "nexnet.engine._direct",
    [str(SOURCES / "engine/_direct.cpp")],
    depends=[str(SOURCES / "engine" / each) for each in ("_forms.h", "_tensors.h")],
    language="c++",
    extra_compile_args=["/std:c++17"] if os.name == "nt" else ["-std=c++17"],
    optional=True,
)


def rooms_of(package: str) -> set[str]:
    """Name the rooms of a package that are compiled: those with declarations for C."""
    return {each.stem for each in (SOURCES / package).glob("*.pxd")} - {"cpython"}


def compiled(names: set[str], package: str = "engine", **directives: int) -> list[Extension]:
    """Translate rooms to C."""
    rooms = [
        Extension(f"nexnet.{package.replace('/', '.')}.{name}", [str(SOURCES / package / f"{name}.py")])
        for name in sorted(names)
    ]
    return cythonize(rooms, build_dir="build", language_level=3, compiler_directives=DIRECTIVES | directives)


def written_for_python(package: str) -> list[Extension]:
    """Translate the rooms of a package that count from the end, too, and whose annotations are no types of C's."""
    return compiled(rooms_of(package), package, wraparound=True, annotation_typing=False)


if os.environ.get("NEXNET_UNCOMPILED", "0") not in ("", "0"):
    setup()
else:
    setup(
        cmdclass={"build_ext": compile_engine},
        ext_modules=[
            DIRECT,
            *compiled(UNCOLLECTED, no_gc=True),
            *compiled(rooms_of("engine") - UNCOLLECTED),
            *compiled(rooms_of("modules"), "modules"),
            *[each for package in ("ops/layers", "ops/matrices", "ops/shapes") for each in written_for_python(package)],
            *compiled(rooms_of("transforms"), "transforms"),
        ],
    )
