"""Images, volumes and other grids, with their channels.

``convolutions`` has convolutions and transposed ones, ``pooling`` averages and power means over windows,
``max_pooling`` maxima over them, ``interpolation`` other sizes, ``pixel`` pixel_shuffle, fold and unfold, ``grid``
grid_sample and affine_grid.
"""

from .convolutions import *
from .grid import *
from .interpolation import *
from .max_pooling import *
from .pixel import *
from .pooling import *
