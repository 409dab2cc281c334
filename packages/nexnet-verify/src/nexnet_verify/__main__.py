"""``python -m nexnet_verify``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
