"""A trace as a page to walk through, and as a drawing.

The rooms::

    drawing   dot, mermaid and svg
    data      what the page shows, as JSON
    layout    where each node stands: layers from the inputs to the outputs
    html      the page: one file, without a network
"""

from .drawing import to_dot, to_mermaid, to_svg
from .html import to_html

__all__ = ["to_dot", "to_html", "to_mermaid", "to_svg"]
