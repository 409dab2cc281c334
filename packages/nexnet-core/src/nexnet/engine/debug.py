"""The debug form of the engine, in which promises are checked: see ``promises``."""

from __future__ import annotations

import os

#: Whether this process checks them.
CHECKED = os.environ.get("NEXNET_CHECK", "0") not in ("", "0")
