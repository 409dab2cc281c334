"""The suites: each module gives its cases, nexnet beside PyTorch eager on the same data."""

from . import hvp, maml, mlp_step, operator_chain

__all__ = ["CASES"]

CASES = [*mlp_step.cases(), *operator_chain.cases(), *maml.cases(), *hvp.cases()]
