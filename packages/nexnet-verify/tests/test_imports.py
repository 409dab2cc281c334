import subprocess
import sys


def loaded_by(statement):
    code = f"import sys; {statement}; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_core_loads_neither_jax_nor_the_verifier():
    assert not {"jax", "hypothesis", "nexnet_verify"} & loaded_by("import nexnet")


def test_checking_without_a_reference_needs_no_jax():
    assert "jax" not in loaded_by("import nexnet_verify")
