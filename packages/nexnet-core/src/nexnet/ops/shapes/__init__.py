"""Where elements stand: views, joins, and what is picked from places or put there.

``reshaping`` has the same elements in another shape, ``views`` in other orders, ``diagonals`` diagonals and triangles,
``windows`` ``Tensor.unfold``, ``copies`` the views as copies (``expand_copy``); ``joining`` cat, stack, split, repeat
and flip, ``arranging`` rot90, meshgrid, repeat_interleave and the like, ``padding`` pad; ``indexing`` ``x[...]`` in
every form, ``index_updates`` ``x.at[...]``, ``gathering`` and ``scattering`` what an index tensor picks and puts,
``placing`` a part replaced by another tensor.
"""

from .arranging import *
from .copies import *
from .diagonals import *
from .gathering import *
from .index_updates import *
from .indexing import *
from .joining import *
from .padding import *
from .placing import *
from .reshaping import *
from .scattering import *
from .views import *
from .windows import *
