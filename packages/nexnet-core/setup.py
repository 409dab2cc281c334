"""Compiles the engine; everything else about this distribution stands in pyproject.toml."""

import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

NO_COMPILER = """
nexnet's engine is compiled when it is installed, and that has failed; what the compiler said stands above.
Without a C compiler, or the headers of Python, install them and try again:
    Debian, Ubuntu   apt install gcc python3-dev
    Fedora           dnf install gcc python3-devel
    macOS            xcode-select --install
    Windows          the C++ build tools of Visual Studio
    conda            conda install c-compiler
Or set NEXNET_UNCOMPILED=1 to install the engine as plain Python: it gives the same results, takes more time for each
operation, and needs Cython to run as well (pip install cython)."""


class compile_engine(build_ext):
    """Says what to install where there is no C compiler; a slower engine is only for who asks for it."""

    def run(self) -> None:
        """Compile everything."""
        try:
            super().run()
        except (CCompilerError, ExecError, PlatformError) as error:
            sys.exit(f"{error}\n{NO_COMPILER}")


if os.environ.get("NEXNET_UNCOMPILED", "0") not in ("", "0"):
    setup()
else:
    setup(
        cmdclass={"build_ext": compile_engine},
        ext_modules=cythonize(
            [Extension("nexnet._engine", ["src/nexnet/_engine.py"])],
            build_dir="build",
            language_level=3,
            compiler_directives={"binding": True, "embedsignature": False, "c_api_binop_methods": True},
        ),
    )
