"""`python -m harness.reference`: write every page that is made from the code again, and say which."""

from __future__ import annotations

import sys

from harness.reference.pages import PAGES, ROOT


def main() -> int:
    """Write them all; the exit code."""
    for name, make in PAGES.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = make()
        changed = not path.is_file() or path.read_text(encoding="utf-8") != text
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}{'' if changed else ' (as it was)'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
