"""Compiles the engine's rooms; everything else about this distribution stands in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler.Options import get_directive_defaults
from setuptools import Extension, setup

ROOMS = Path("src/nexnet/engine")
DIRECTIVES = {"binding": True, "embedsignature": False, "c_api_binop_methods": True}

# The rooms whose objects can't be in a reference cycle: these are kept from the garbage collector, which would
# otherwise scan a tape of a million nodes again and again while it grows. Cython knows this of a class, by a decorator;
# said of a whole room, the room needs no ``import cython``.
UNCOLLECTED = {"tensor", "products", "rule", "arithmetic"}
get_directive_defaults().update(no_gc=False, freelist=0)


def compiled(names: set[str], **directives: int) -> list[Extension]:
    """Translate rooms to C."""
    rooms = [Extension(f"nexnet.engine.{name}", [str(ROOMS / f"{name}.py")]) for name in sorted(names)]
    return cythonize(rooms, build_dir="build", language_level=3, compiler_directives=DIRECTIVES | directives)


every = {room.stem for room in ROOMS.glob("*.pxd")} - {"cpython"}
setup(
    ext_modules=[
        *compiled({"tensor"}, no_gc=True, freelist=512),  # keys come and go with every call
        *compiled(UNCOLLECTED - {"tensor"}, no_gc=True),
        *compiled(every - UNCOLLECTED),
    ]
)
