"""Every operator on a device without values, to second order, and what a difference between devices looks like."""

import pytest
import torch

import nexnet
from nexnet_verify.cases import Case, Sample, all_cases
from nexnet_verify.cli import main
from nexnet_verify.elsewhere import WITHOUT_META, difference_on, differences_of, moved

KINDS = sorted({case.kind for case in all_cases()})


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_has_the_same_kinds_of_results_on_meta(kind):
    """Shapes, dtypes and devices: an operator that looks at values or makes a tensor on the CPU by name can't."""
    cases = [case for case in all_cases() if case.kind == kind and case.name not in WITHOUT_META]
    assert [f"{case.name}: {line}" for case in cases for line in differences_of(case, "meta", 1)] == []


def test_what_is_left_out_on_meta_is_a_case():
    assert set(WITHOUT_META) <= {case.name for case in all_cases()}


@pytest.mark.parametrize("name", ["ctc_loss", "linalg_lstsq", "masked_select", "multi_margin_loss"])
def test_what_is_left_out_on_meta_could_not_run_there(name):
    (case,) = (case for case in all_cases() if case.name == name)
    assert all("Error" in line for line in differences_of(case, "meta", 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_has_the_same_results_on_a_gpu(kind):
    cases = [case for case in all_cases() if case.kind == kind]
    assert [f"{case.name}: {line}" for case in cases for line in differences_of(case, "cuda", 1)] == []


def case_of(call):
    return Case(name="mine", inputs=lambda d: None, call=call, without_jax="none", without_torch="none")


def ones():
    return Sample(nexnet.ones(2, 3))


def test_a_tensor_made_on_the_cpu_by_name_is_found():
    case = case_of(lambda x: x * torch.ones(3, device="cpu"))
    assert difference_on(case, ones(), "cpu") == ""
    assert difference_on(case, ones(), "meta").startswith("output: ")


def test_a_look_at_values_is_found():
    assert "item" in difference_on(case_of(lambda x: x * float(x.data.sum())), ones(), "meta")


def test_other_numbers_are_found(monkeypatch):
    calls = []
    case = case_of(lambda x: (calls.append(1), x * (1.0 if len(calls) < 5 else 2.0))[1])
    assert "of the largest, 6 of 6 elements" in difference_on(case, ones(), "cpu")


def test_strides_are_kept_when_a_sample_is_moved():
    x = nexnet.LiteTensor(torch.zeros(4, 6).t()[::2].expand(2, 3, 4))
    there = moved(Sample(x, [x], scale=2), "meta")
    assert there.args[0].data.stride() == there.args[1][0].data.stride() == x.data.stride()
    assert (there.args[0].device.type, there.kwargs) == ("meta", {"scale": 2})


def test_the_command(capsys):
    assert main(["--device", "meta", "--op", "exp", "--op", "matmul", "--examples", "2"]) == 0
    assert "2 cases on meta: 0 of their examples differ" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_command_without_a_gpu(capsys):
    assert main(["--device", "cuda", "--op", "exp"]) == 2
    assert "needs an NVIDIA GPU" in capsys.readouterr().err


def test_the_command_writes_no_page_of_a_device(capsys, tmp_path):
    assert main(["--device", "meta", "--html", str(tmp_path / "page.html")]) == 2
    assert "--html is for the checks on the CPU" in capsys.readouterr().err
