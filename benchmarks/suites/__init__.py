"""The suites: each module gives its cases, nexnet beside its peers on the same data.

``operators`` stands apart: its cases are hundreds, and have a table of their own.
"""

from . import (
    deep_mlp,
    deep_transformer,
    engines,
    hvp,
    imports,
    lenet,
    maml,
    mlp_step,
    models,
    operator_chain,
    optimisers,
    programs,
    tape_growth,
    tracing,
    transformer,
)

__all__ = ["CASES"]

STEPS = (mlp_step, operator_chain, maml, hvp, lenet, transformer, models, optimisers, programs)
COSTS = (engines, tape_growth, deep_mlp, deep_transformer, tracing, imports)

CASES = [case for suite in (*STEPS, *COSTS) for case in suite.cases()]
