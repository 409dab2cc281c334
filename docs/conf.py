"""How Sphinx builds the site: ``nox -s docs``, or ``sphinx-build -W docs site`` where the packages are installed."""

import sys
from pathlib import Path

import nexnet

HERE = Path(__file__).parent
ARGUMENTS = HERE.parent / "packages" / "nexnet-core" / "tests" / "spelling"  # of every operator, for its example
sys.path[:0] = [str(HERE), str(ARGUMENTS)]

project = "nexnet"
author = "the founders of nexnet"
version = release = nexnet.__version__

extensions = ["myst_parser", "sphinx.ext.viewcode", "sphinx_copybutton", "_extension"]
exclude_patterns = ["_drawn", "seed"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may begin with a heading of its own depth
highlight_language = "python3"

html_theme = "furo"
html_title = "nexnet"
html_static_path = ["_static"]
html_extra_path = ["_drawn"]  # traces to walk through, notebooks
html_css_files = ["site.css"]
html_js_files = ["operators.js"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#14692f", "color-brand-content": "#14692f"},
    "dark_css_variables": {"color-brand-primary": "#6fcf8f", "color-brand-content": "#6fcf8f"},
}
copybutton_exclude = ".linenos, .gp, .go"
viewcode_line_numbers = True
toc_object_entries = False  # a page of the reference lists its names itself
