"""Functions element by element.

``arithmetic`` has sums, products, quotients and powers, ``exponential`` exponentials, logarithms and the sigmoid,
``trigonometric`` functions of angles and hyperbolic ones, ``piecewise`` abs, signs, scales and what replaces or
quantizes, ``selection`` where, clamp, maximum and minimum, ``complex_numbers`` parts, conjugates and angles;
``special`` and ``gamma`` what stands in ``torch.special``: error functions, Bessel functions, the gamma function;
``draws`` what torch.distributions draws by.
"""

from . import draws as draws
from .arithmetic import *
from .complex_numbers import *
from .exponential import *
from .gamma import *
from .piecewise import *
from .selection import *
from .special import *
from .trigonometric import *
