"""What a change must pass: a bare ``nox``. ``nox -l`` lists the sessions, ``nox -s mnist`` runs the experiment.

Every session has an environment of its own and tests what a user would install: wheels built from sdists, at the
versions of constraints.txt. Dependencies and the Pythons that will do are read from each distribution's pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = {name: ROOT / "packages" / name for name in ("nexnet-core", "nexnet-nn", "nexnet-verify")}
PROJECTS = {name: nox.project.load_toml(path / "pyproject.toml")["project"] for name, path in PACKAGES.items()}

nox.options.sessions = [
    "lint", "types", "core", "nn", "verify", "peers-quick", "fuzz", "documents", "docs", "bench-quick",
]  # fmt: skip
nox.options.error_on_external_run = True

for name, project in PROJECTS.items():
    if not SpecifierSet(project["requires-python"]).contains(".".join(map(str, sys.version_info[:3]))):
        sys.exit(f"{name} needs Python {project['requires-python']}; nox runs on {sys.version.split()[0]}")

# Run in a process of its own: what `import nexnet` has loaded, beside what it may load.
LOADS_NOTHING_ELSE = """
import importlib.util, sys
import nexnet
strangers = ("jax", "nexnet_nn", "nexnet_verify", "rich", "hypothesis", "matplotlib", "safetensors")
loaded = [name for name in strangers if name in sys.modules]
assert not loaded, f"import nexnet has loaded {loaded}"
assert nexnet.grad(lambda x: x * nexnet.grad(lambda y: x + y)(x))(2.0).item() == 1.0
siblings = [name for name in ("jax", "nexnet_nn", "nexnet_verify") if importlib.util.find_spec(name)]
assert not siblings, f"the environment is not the core's alone: {siblings}"
print("import nexnet loads none of", *strangers)
"""

# What the core is tested on beside the one Python and torch of the other sessions.
PYTHONS = ("3.11", "3.12", "3.13")
TORCHES = ("2.13.0", "2.14.1")

_built: dict[tuple[str, str], Path] = {}


def make_room(session: nox.Session) -> None:
    """Remove the environments of the sessions before this one: ten of them, each with a torch, are 10 GB."""
    own = Path(session.virtualenv.location)
    for other in own.parent.iterdir():
        if other != own and (other / "pyvenv.cfg").exists():
            shutil.rmtree(other)


def install(session: nox.Session, *what: str, constraints: Path = CONSTRAINTS, **environment: str) -> None:
    """Install at the versions of constraints.txt; ``--no-compile`` leaves bytecode to be written when it is used."""
    if "CI" in os.environ:  # nobody comes back to an environment there
        make_room(session)
    session.install("--no-compile", "-c", str(constraints), *what, env=environment)


def install_packages(session: nox.Session, *names: str, constraints: Path = CONSTRAINTS) -> None:
    """Build these distributions (an sdist, and the wheel from it; once per Python) and install the wheels."""
    python = str(session.python or "")
    for name in names:
        if (name, python) not in _built:
            install(session, "build")
            out = session.cache_dir / f"dist{python}" / name
            shutil.rmtree(out, ignore_errors=True)
            session.run(
                "python", "-m", "build", "--outdir", str(out), str(PACKAGES[name]),
                env={"PIP_CONSTRAINT": str(CONSTRAINTS)}, silent=True,
            )  # fmt: skip
            (_built[name, python],) = out.glob("*.whl")
    wheels = [str(_built[name, python]) for name in names]
    install(session, "--force-reinstall", "--no-deps", *wheels)
    install(session, *wheels, constraints=constraints)


def constrained(session: nox.Session, torch: str) -> Path:
    """Write constraints.txt anew, for another torch, which says itself which triton it wants."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    others = [each for each in lines if not each.startswith(("torch==", "triton=="))]
    constraints = Path(session.create_tmp(), "constraints.txt")
    constraints.write_text("\n".join([*others, torch, ""]), encoding="utf-8")
    return constraints


def requirements(*names: str, extra: str | None = None) -> list[str]:
    """Read what these distributions depend on beside each other, or only what an extra of theirs adds."""
    found = []
    for name in names:
        project = PROJECTS[name]
        found += project.get("optional-dependencies", {}).get(extra, []) if extra else project["dependencies"]
    return [each for each in found if Requirement(each).name not in PACKAGES]


def pytest(session: nox.Session, *args: str, checked: bool = False) -> None:
    """Run pytest with the repository's root on the path; ``checked``, in the debug form of the engine."""
    session.run("python", "-m", "pytest", "-q", *args, env={"NEXNET_CHECK": str(int(checked))})


@nox.session
def core(session: nox.Session) -> None:
    """The core alone in a clean environment: its tests on the compiled engine, and on the plain one in its debug form.

    Where every promise is checked the fast forms stand aside: the engine's own tests run on the plain one without, too.
    """
    install_packages(session, "nexnet-core")
    install(session, "cython", "pytest-xdist", *requirements("nexnet-core", extra="test"))
    session.run("python", "-I", "-c", LOADS_NOTHING_ELSE)
    tests = PACKAGES["nexnet-core"] / "tests"
    pytest(session, str(tests), "--engine=compiled", "-n", "auto", *session.posargs)
    pytest(session, str(tests), "--engine=python", "-n", "auto", *session.posargs, checked=True)
    engines_own = [str(each) for each in (*sorted(tests.glob("test_*.py")), tests / "transforms")]
    pytest(session, *engines_own, "--engine=python", "-n", "auto", *session.posargs)


@nox.session(default=False)
def triton(session: nox.Session) -> None:
    """The Triton kernels in their interpreter (on a GPU, compiled), each on 200 drawn shapes. ``-- --drawn 1000``."""
    install_packages(session, "nexnet-core")
    install(session, "pytest-xdist", *requirements("nexnet-core", extra="test"))
    install(session, *requirements("nexnet-core", extra="triton"))
    tests = PACKAGES["nexnet-core"] / "tests" / "triton"
    pytest(session, str(tests), "--drawn=200", "--numprocesses=auto", *session.posargs)


@nox.session(default=False, python=PYTHONS)
@nox.parametrize("torch", TORCHES)
def matrix(session: nox.Session, torch: str) -> None:
    """The core's tests on each Python that the machine has and each torch that can be installed; ``nox -l`` names them.

    A Python that is not there is skipped, and so is a torch that has no build for one.
    """
    constraints = constrained(session, f"torch=={torch}")
    try:
        install(session, f"torch=={torch}", constraints=constraints)
    except nox.command.CommandFailed:
        session.skip(f"torch {torch} can't be installed for Python {session.python} here")
    install_packages(session, "nexnet-core", constraints=constraints)
    tools = ("cython", "pytest-xdist", *requirements("nexnet-core", extra="test"))
    install(session, *tools, constraints=constraints)
    pytest(session, str(PACKAGES["nexnet-core"] / "tests"), "-n", "auto", *session.posargs)


@nox.session
def nn(session: nox.Session) -> None:
    """The layers, losses and optimisers; once more with every promise of a rule checked."""
    install_packages(session, "nexnet-core", "nexnet-nn")
    install(session, "pytest-xdist", *requirements("nexnet-nn", extra="test"))
    for checked in (False, True):
        pytest(session, str(PACKAGES["nexnet-nn"] / "tests"), "-n", "auto", *session.posargs, checked=checked)


@nox.session(default=False)
def processes(session: nox.Session) -> None:
    """Several processes under torchrun: the examples, processes that die, runs that go on."""
    install_packages(session, "nexnet-core", "nexnet-nn")
    install(session, *requirements("nexnet-nn", extra="test"))
    pytest(session, str(PACKAGES["nexnet-nn"] / "processes"), *session.posargs)


@nox.session
def verify(session: nox.Session) -> None:
    """Every gradient against its references, as reports/verify.html and .json. For a night: ``-- --examples 500``."""
    install_packages(session, *PACKAGES)
    install(session, "pytest-xdist", *requirements("nexnet-verify", extra="test"))
    reports = ROOT / "reports"
    reports.mkdir(exist_ok=True)
    pages = ("--html", str(reports / "verify.html"), "--json", str(reports / "verify.json"))
    elsewhere = any(each.startswith("--device") for each in session.posargs)  # that makes no page
    session.run("nexnet-verify", *(() if elsewhere else pages), *(session.posargs or ("--examples", "5")))
    if not session.posargs:
        session.run("python", "-m", "nexnet_verify.referee")
        pytest(session, str(PACKAGES["nexnet-verify"] / "tests"), "-n", "auto")


@nox.session(default=False)
def referee(session: nox.Session) -> None:
    """The verifier judged: how many wrong rules it misses, and right ones it turns down, over 5 seeds."""
    install_packages(session, "nexnet-core", "nexnet-verify")
    install(session, *requirements("nexnet-verify"))
    session.run("python", "-m", "nexnet_verify.referee", *session.posargs)


def _peers(session: nox.Session, *args: str) -> None:
    """In workers, of which one may die: that is a failure of its test, and another takes its place."""
    install_packages(session, "nexnet-core")
    install(session, "expecttest", "pytest-xdist", *requirements("nexnet-core", extra="test"))
    pytest(session, "peers", "-n", "auto", "--dist", "worksteal", *args)


def _tests_of_autograd(session: nox.Session) -> Path:
    """Fetch the sdist of HIPS autograd, whose wheel has no tests; give the folder with these."""
    folder = Path(session.create_tmp(), "autograd")
    shutil.rmtree(folder, ignore_errors=True)
    fetch = ("pip", "download", "-q", "--no-deps", "--no-binary", "autograd", "-c", str(CONSTRAINTS))
    session.run("python", "-m", *fetch, "-d", str(folder), "autograd")
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder, filter="data")
    (tests,) = folder.glob("*/tests")
    return tests


@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """PyTorch's databases of operators and layers, in every mode, and autograd's tests. ``-- -k linalg`` for some."""
    _peers(session, "--hips", str(_tests_of_autograd(session)), *session.posargs)


@nox.session(name="peers-quick")
def peers_quick(session: nox.Session) -> None:
    """One sample of each operator and dtype, and of each layer, of PyTorch's databases."""
    _peers(session, "--part", "1")


@nox.session(default=False)
def models(session: nox.Session) -> None:
    """The published models of transformers, torchvision and timm: gradients, and 20 steps of training, as PyTorch's.

    torchvision is built for one torch alone, that of its own release: the newest of both serves.
    """
    constraints = constrained(session, f"torch=={TORCHES[-1]}")
    install_packages(session, "nexnet-core", constraints=constraints)
    tools = ("pytest-xdist", *requirements("nexnet-core", extra="test"), *requirements("nexnet-core", extra="models"))
    install(session, *tools, constraints=constraints)
    tests = ("peers/test_families.py", "peers/test_training.py")
    pytest(session, *tests, "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Random programs, interrupts, hostile arguments: a minute of each. For a night: ``-- --minutes 120 --seed 1``."""
    install_packages(session, "nexnet-core", "nexnet-verify")
    install(session, "cython", *requirements("nexnet-core", "nexnet-verify"))
    session.run("python", "-m", "nexnet_verify.fuzz", *(session.posargs or ["--minutes", "1", "--jobs", "2"]))


SITE = ("sphinx>=9,<10", "myst-parser>=5,<6", "furo", "sphinx-copybutton>=0.5,<1")


def _models(session: nox.Session) -> None:
    """Install what the first page takes its model from."""
    install(session, *[each for each in requirements("nexnet-core", extra="models") if each.startswith("transformers")])


@nox.session
def documents(session: nox.Session) -> None:
    """Every document, docstring and example, executed; what the wheels and sdists hold."""
    install_packages(session, *PACKAGES)
    install(
        session, "build", "cython", "matplotlib", "pytest-xdist", "rich", *requirements("nexnet-core", extra="test")
    )
    install(session, *requirements("nexnet-core", extra="triton"))  # for docs/how-to/triton.md
    install(session, *SITE)
    _models(session)
    pytest(session, "tests", "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in ``site/index.html``: no warning, no link that leads nowhere, and a browser finds what it looks for.

    The pages with pictures are run for these. The engine is plain Python here, which needs no compiler's time.
    """
    install(session, "setuptools", "cython", *requirements(*PACKAGES), *SITE)
    _models(session)
    sources = [str(path) for path in PACKAGES.values()]
    install(session, "--no-deps", "--no-build-isolation", "--force-reinstall", *sources, NEXNET_UNCOMPILED="1")
    session.run("python", "-m", "tests.pages")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto", "docs", "site")
    session.run("python", "-m", "tests.site", "site")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: what it finds, and the format."""
    install(session, "ruff")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


def beside_a_stub(path: Path) -> bool:
    """Say whether mypy, given a folder, reads the stub of this module in its place."""
    return path.with_suffix(".pyi").exists() and path.name != "__init__.py"


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the three source trees; and over a user's code, as pyright sees it too."""
    install(session, "mypy", "basedpyright", "cython", "pytest", *requirements(*PACKAGES))
    session.run("mypy", *(str(path / "src") for path in PACKAGES.values()), *session.posargs)
    session.run("mypy", *(str(path) for path in (PACKAGES["nexnet-core"] / "src").rglob("*.py") if beside_a_stub(path)))
    session.run("python", str(PACKAGES["nexnet-core"] / "tests" / "typing" / "check.py"))


def _bench(session: nox.Session, *args: str) -> None:
    install_packages(session, *PACKAGES)  # nexnet-verify has the operators' inputs, and brings JAX
    tools = ("cython", "pytest-benchmark", "pytest-xdist", "matplotlib", "rich")
    install(session, "autograd>=1.7,<2", *tools, *requirements("nexnet-core", extra="test"))
    session.env["OMP_NUM_THREADS"] = "1"
    harmless = "default::pytest_benchmark.logger.PytestBenchmarkWarning"  # such as: no saved times to compare with
    pytest(session, "-W", harmless, *args)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Speed beside PyTorch. ``-- --quick`` runs each once; ``-- --save NAME`` and ``--compare NAME`` keep figures."""
    _bench(session, "benchmarks/test_suites.py", "benchmarks/test_operators.py", *session.posargs)


@nox.session(name="bench-quick")
def bench_quick(session: nox.Session) -> None:
    """Every benchmark once: whether it runs, and whether its results are PyTorch's; the tests of the experiment."""
    _bench(session, "benchmarks", "--quick", "-n", "auto")


@nox.session(default=False)
def instructions(session: nox.Session) -> None:
    """Instructions of whole programs beside the committed table, where valgrind is; ``-- --write`` writes that."""
    install_packages(session, *PACKAGES)
    session.run("python", "-m", "benchmarks.instructions", *(session.posargs or ["--compare"]))


@nox.session(default=False)
def mnist(session: nox.Session) -> None:
    """The MNIST experiment, nexnet beside PyTorch; ``-- --help`` lists its options."""
    install_packages(session, "nexnet-core", "nexnet-nn")
    install(session, "matplotlib", "rich")
    session.run("python", "-m", "benchmarks.mnist", *session.posargs)
