"""The live page's files, read once: its own from `page/`, the charts' script from plotly's package."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plotly.offline import get_plotlyjs

PAGE = Path(__file__).parent / "page"
_SHEET = re.compile(r'getElementById\("([0-9a-f]{64})"\)')
"""Where the charts' script looks for the style sheet of its maps: without an element of that name it adds one, against the policy."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served: its content type, and its bytes in gzip."""

    type: str
    packed: bytes

    @property
    def content(self) -> bytes:
        """Its bytes as they are."""
        return gzip.decompress(self.packed)


class Assets:
    """All files by name. `digest` stands for their content: what has a URL with it never changes. `html` is the page, which names them."""

    def __init__(self) -> None:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.iterdir()) if path.suffix in _TYPES}
        texts["plotly.js"] = get_plotlyjs()
        self.files = {name: Asset(_TYPES[Path(name).suffix], gzip.compress(text.encode(), 6, mtime=0)) for name, text in texts.items()}
        content = b"".join(name.encode() + asset.packed for name, asset in sorted(self.files.items()))
        self.digest = hashlib.sha256(content).hexdigest()[:16]
        unused = "".join(f'<meta id="{name}">' for name in sorted(set(_SHEET.findall(texts["plotly.js"]))))
        html = (PAGE / "index.html").read_text(encoding="utf-8")
        self.html = html.replace("{{assets}}", f"assets/{self.digest}").replace("{{unused}}", unused)


@cache
def load_assets() -> Assets:
    """The files, read and packed once in a process: the charts' script takes 0.14 s."""
    return Assets()
