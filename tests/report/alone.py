"""What a page must not do: fetch, run or send anything that is not its own."""

import re
from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found, self.scripts = [], 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "srcset", "href", "xlink:href", "action", "data", "poster", "background"):
                self.found += [] if (value or "").startswith(("data:image/", "data:,", "#")) else [f"{tag} {name}={value}"]
            elif name.startswith("on") or (name == "http-equiv" and value.lower() != "content-security-policy"):
                self.found.append(f"{tag} {name}={value}")


def outside(page: str) -> list[str]:
    """Return what a page would fetch or run beside its own one script; nothing, if it stands alone."""
    reader = _Reader()
    reader.feed(page)
    styles = re.findall(r"@import[^;]*|url\([^)]*\)", "".join(re.findall(r"<style>.*?</style>", page, re.DOTALL)))
    return reader.found + styles + ["script"] * (reader.scripts - 1)
