"""What the transforms are called, and how: a script that is written today runs tomorrow."""

import inspect

import pytest

import nexnet as nx

SIGNATURES = {
    "grad": "fn, argnums=0, has_aux=False, *, low_rank=False",
    "value_and_grad": "fn, argnums=0, has_aux=False, *, low_rank=False",
    "vjp": "fn, *primals, has_aux=False",
    "jvp": "fn, primals, tangents, has_aux=False",
    "linearize": "fn, *primals, has_aux=False",
    "jacobian": "fn, argnums=0, has_aux=False, *, mode=None, chunk_size=None",
    "value_and_jacobian": "fn, argnums=0, has_aux=False, *, mode=None, chunk_size=None",
    "jacrev": "fn, argnums=0, **options",
    "jacfwd": "fn, argnums=0, **options",
    "hessian": "fn, argnums=0, has_aux=False, *, chunk_size=None",
    "hvp": "fn, primals, vectors",
    "gnvp": "inner, outer, primals, vectors",
    "vmap": "fn, in_dims=0, out_dims=0, randomness='error', chunk_size=None, *, axis_size=None",
    "checkpoint": "fn, *, check=True, policy=None",
    "stop_gradient": "x",
    "no_tape": "",
    "clip_gradient": "x, min=None, max=None, *, max_norm=None",
    "reverse_gradient": "x, scale=1.0",
    "scale_gradient": "x, scale",
    "straight_through": "fn",
    "surrogate": "forward, backward_fn",
    "custom_root": "fn, solve, transpose_solve=None",
    "custom_fixed_point": "fn, solve=None, transpose_solve=None, *, tolerance=None, max_steps=1000",
    "tree.map": "fn, tree, *rest",
    "tree.leaves": "tree",
    "tree.flatten": "tree",
    "tree.unflatten": "structure, leaves",
    "tree.structure": "tree",
    "tree.ravel": "tree",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature(name):
    found = nx
    for part in name.split("."):
        found = getattr(found, part)
    signature = inspect.signature(found)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    expected = f"({SIGNATURES[name]})"
    assert str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)) == expected
