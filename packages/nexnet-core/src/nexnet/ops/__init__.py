from .arithmetic import *
from .shape import *
from .reduction import *
from .reduction import expand
