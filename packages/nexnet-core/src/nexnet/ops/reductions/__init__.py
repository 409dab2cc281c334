"""Many elements become fewer: over all of them, over dimensions, or along one.

``sums`` has sums and means, ``variance`` var and std, ``products`` prod and cumprod, ``extrema`` max, min and median,
``cumulative`` running sums and extremes, ``ordering`` sort, topk and quantiles, ``differences`` diff, gradient and the
trapezoidal rule; ``norms`` vector norms, ``distance`` distances between points and vectors brought to a size,
``covariance`` cov and corrcoef.
"""

from .covariance import *
from .cumulative import *
from .differences import *
from .distance import *
from .extrema import *
from .norms import *
from .ordering import *
from .products import *
from .sums import *
from .variance import *
