"""What the distributions ship, and that an editable install works: wheel and sdist are built as for a release."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

import nexnet

ROOT = Path(__file__).parents[1]
PACKAGES = {"nexnet-core": "nexnet", "nexnet-nn": "nexnet_nn", "nexnet-verify": "nexnet_verify"}

QUICKLY = {"CFLAGS": "-O0"}  # what is compiled here is not to be fast


@dataclass
class Built:
    """The names of the files in a distribution's wheel and sdist, and the wheel's metadata."""

    wheel: list[str]
    sdist: list[str]
    metadata: Message


def copy_of(name: str, folder: Path) -> Path:
    """Copy a distribution's sources, so that building leaves nothing in the work tree."""
    built = shutil.ignore_patterns("build", "dist", "*.egg-info", "*.so", "*.c", "__pycache__", ".*")
    return Path(shutil.copytree(ROOT / "packages" / name, folder / name, ignore=built))


@pytest.fixture(scope="module", params=PACKAGES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Built]:
    folder = tmp_path_factory.mktemp(request.param)
    out = folder / "dist"
    python(sys.executable, "-m", "build", "--outdir", str(out), str(copy_of(request.param, folder)), **QUICKLY)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        in_wheel = wheel.namelist()
        metadata = next(each for each in in_wheel if each.endswith(".dist-info/METADATA"))
        parsed = Parser().parsestr(wheel.read(metadata).decode())
    with tarfile.open(next(out.glob("*.tar.gz"))) as sdist:
        in_sdist = [str(PurePosixPath(*PurePosixPath(each).parts[1:])) for each in sdist.getnames()]
    return request.param, Built(in_wheel, in_sdist, parsed)


def python(*command: str, **environment: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def sources(name: str) -> set[str]:
    src = ROOT / "packages" / name / "src"
    return {path.relative_to(src).as_posix() for path in src.rglob("*.py")}


def stubs(name: str) -> set[str]:
    src = ROOT / "packages" / name / "src"
    return {path.relative_to(src).as_posix() for path in src.rglob("*.pyi")}


def test_the_core_has_stubs_where_type_checkers_can_t_read_its_sources():
    assert stubs("nexnet-core") >= {"nexnet/ops/__init__.pyi"}


def test_a_wheel_holds_every_module_and_nothing_of_the_build(built):
    name, files = built
    assert sources(name) <= set(files.wheel)
    assert f"{PACKAGES[name]}/py.typed" in files.wheel
    assert stubs(name) <= set(files.wheel)
    assert not [each for each in files.wheel if each.endswith((".c", ".pyc")) or each.startswith(("tests/", "build/"))]
    assert {each.split("/")[0] for each in files.wheel if ".dist-info/" not in each} == {PACKAGES[name]}


def test_only_the_cores_wheel_is_compiled(built):
    name, files = built
    compiled = [each for each in files.wheel if each.endswith((".so", ".pyd"))]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    src = ROOT / "packages" / name / "src"
    declared = {path.relative_to(src).with_suffix("").as_posix() for path in src.rglob("*.pxd")}
    where_there_is_cpp = {f"nexnet/engine/_direct{suffix}"}
    assert set(compiled) - where_there_is_cpp == {f"{room}{suffix}" for room in declared - {"nexnet/engine/cpython"}}
    assert bool(compiled) == (name == "nexnet-core")


def test_an_sdist_holds_the_sources_the_tests_and_the_licence(built):
    name, files = built
    assert {f"src/{each}" for each in sources(name) | stubs(name)} <= set(files.sdist)
    assert ({"src/nexnet/engine/_direct.cpp", "src/nexnet/engine/_tensors.h"} <= set(files.sdist)) == (
        name == "nexnet-core"
    )
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= set(files.sdist)
    assert any(each.startswith("tests/") and each.endswith(".py") for each in files.sdist)
    assert not [each for each in files.sdist if each.endswith((".so", ".c", ".pyc"))]


def test_the_metadata_says_who_what_and_for_which_python(built):
    name, files = built
    metadata = files.metadata
    assert metadata["Name"] == name
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip().startswith(f"# {name}")
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    needed = {each.split(">")[0].split("<")[0].strip() for each in metadata.get_all("Requires-Dist")}
    allowed = {"nexnet-core": set(), "nexnet-nn": {"nexnet-core"}, "nexnet-verify": {"nexnet-core"}}
    assert {each for each in needed if each in PACKAGES} == allowed[name]


def test_the_three_share_one_version_which_the_core_tells():
    versions = {
        tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        for name in PACKAGES
    }
    assert versions == {nexnet.__version__}


def test_the_licence_is_the_same_everywhere():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    for name in PACKAGES:
        licence = ROOT / "packages" / name / "LICENSE"
        assert licence.read_text(encoding="utf-8") == text
        assert not licence.is_symlink()


def test_an_editable_install_of_the_core_compiles_its_engine_and_follows_the_sources(tmp_path):
    source = copy_of("nexnet-core", tmp_path)
    environment = tmp_path / "environment"
    python(sys.executable, "-m", "venv", "--without-pip", str(environment))
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    site = Path(python(str(scripts / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # torch comes from this environment; its own nexnet stands after the editable one on the path
    (site / "zz_outer.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    python(
        sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "--no-deps", "-e", str(source),
        PIP_CONSTRAINT="", **QUICKLY,
    )  # fmt: skip
    (source / "src" / "nexnet" / "added_later.py").write_text("ANSWER = 42\n", encoding="utf-8")
    check = (
        "import nexnet, nexnet.engine.call as engine, nexnet.added_later as added; "
        "print(engine.__file__, added.__file__, nexnet.grad(lambda x: x * x)(3.0).item())"
    )
    engine, added, slope = python(str(scripts / "python"), "-c", check, PYTHONPATH="").split()
    assert Path(engine).parent.parent == Path(added).parent == source / "src" / "nexnet"
    assert engine.endswith(sysconfig.get_config_var("EXT_SUFFIX"))
    assert float(slope) == 6.0


def wheel_of_the_core(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the core's wheel; give what was said."""
    return subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"),
         str(copy_of("nexnet-core", folder))],
        capture_output=True, text=True, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def test_without_a_c_compiler_the_build_says_what_to_install(tmp_path):
    done = wheel_of_the_core(tmp_path, CC="/bin/false")
    assert done.returncode != 0
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").iterdir())
    told = done.stdout + done.stderr
    assert "/bin/false" in told
    assert "apt install gcc python3-dev" in told
    assert "NEXNET_UNCOMPILED=1" in told


def test_the_engine_is_installed_as_plain_python_for_who_asks_for_it(tmp_path):
    done = wheel_of_the_core(tmp_path, CC="/bin/false", NEXNET_UNCOMPILED="1")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (built,) = (tmp_path / "dist").iterdir()
    assert built.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(tmp_path / "site")
    check = "import nexnet; print(nexnet.engine.COMPILED, nexnet.__file__, nexnet.grad(lambda x: x * x)(3.0).item())"
    compiled, file, slope = python(sys.executable, "-c", check, PYTHONPATH=str(tmp_path / "site")).split()
    assert (compiled, Path(file).parent) == ("False", tmp_path / "site" / "nexnet")
    assert float(slope) == 6.0
