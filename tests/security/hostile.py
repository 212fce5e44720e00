"""Texts that would act in a page that shows them carelessly (security.md T21 and matrix D, "text"), and how to tell whether they do.

Each carries the word ``CANARY``, so that it is found wherever it ends up.
"""

import re
from html.parser import HTMLParser

CANARY = "zaunkoenig"

HOSTILE = [
    f"<script>{CANARY}()</script>",
    f"<svg/onload={CANARY}()>",
    f"<img src=x onerror={CANARY}()>",
    f'"><script>{CANARY}()</script>',
    f"'\"><img src=x onerror={CANARY}()>",
    f"</textarea><script>{CANARY}()</script>",
    f"</title></style><svg onload={CANARY}()>",
    f"<iframe srcdoc='<script>{CANARY}()</script>'></iframe>",
    f"<iframe src=javascript:{CANARY}()></iframe>",
    f"<a href='javascript:{CANARY}()'>x</a>",
    f"<a href='java\tscript:{CANARY}()'>x</a>",
    f"<form action=javascript:{CANARY}()><button>x</button></form>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={CANARY}()>",
    f"<object data=data:text/html;base64,{CANARY}></object>",
    f"<embed src=javascript:{CANARY}()>",
    f"<base href=https://{CANARY}.example/>",
    f"<link rel=stylesheet href=https://{CANARY}.example/x.css>",
    f"<meta http-equiv=refresh content='0;url=https://{CANARY}.example/'>",
    f"<style>@import 'https://{CANARY}.example/x.css'</style>",
    f"<details open ontoggle={CANARY}()>",
    f"<scr<script>ipt>{CANARY}()</scr</script>ipt>",
    f"<noscript><p title='</noscript><img src=x onerror={CANARY}()>'>",
    f"<!--><script>{CANARY}()</script>-->",
    f"<![CDATA[<script>{CANARY}()</script>]]>",
    f"[{CANARY}](javascript:{CANARY}())",
    f"{{{{7*7}}}} {{% debug %}} ${{{CANARY}}} %({CANARY})s %s",
    f"=HYPERLINK({CANARY})",
    f"javascript:{CANARY}()",
    f"\u202e{CANARY}\u202d\u200b{CANARY}",
    f"{CANARY}" + "\u0301" * 50,
    f"\U0001f468\u200d\U0001f469\u200d\U0001f467 {CANARY}",
    f"%00 ../../{CANARY} &lt;script&gt;{CANARY}()&lt;/script&gt;",
]

RUNS = {"script", "style", "iframe", "object", "embed", "svg", "math", "base", "link", "meta", "form", "noscript", "details", "template"}
LEADS = {"href", "src", "action", "formaction", "data", "srcdoc", "xlink:href", "content"}
SCHEME = re.compile(r"(javascript|vbscript|data):")


class _Parts(HTMLParser):
    """Elements and attributes that carry the canary and would do something with it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self.open.append(tag)
        text = (self.get_starttag_text() or "").lower()
        if CANARY not in text:
            return
        for name, value in attrs:
            held = (value or "").lower()
            if name == "srcdoc":
                self.found += active_parts(value or "")
            elif CANARY not in held and CANARY not in name:
                continue
            elif name.startswith("on") or CANARY in name or (name in LEADS and tag in RUNS):
                self.found.append(f"<{tag} {name}>")
            elif name in LEADS and SCHEME.match(re.sub(r"[\x00-\x20]", "", held)):
                self.found.append(f"<{tag} {name}={held[:20]}>")

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and CANARY in data.lower():
            self.found.append(f"<{self.open[-1]}> with the text in it")


def active_parts(html: str) -> list[str]:
    """Where the canary stands in something that acts: a script, an event handler, an address of such a scheme. [] when it is inert."""
    parser = _Parts()
    parser.feed(html)
    parser.close()
    return parser.found


__all__ = ["CANARY", "HOSTILE", "active_parts"]
