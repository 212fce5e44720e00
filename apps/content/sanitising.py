"""From text of people to HTML that anybody's page may show: the only place where such HTML is made.

Posts and answers are Markdown, comments are plain text. What comes out holds the elements, attributes and schemes of the lists
below and nothing else, whatever went in (security T21). Two layers say so: the Markdown parser takes no HTML, and nh3 (an HTML5
parser with an allowlist) is run over what it made. The text stays beside its HTML, so a new policy means to make it anew:
raise ``POLICY_VERSION`` with every change here, and ``manage.py sanitise_content`` (or the job of the night) does the rest.
"""

import re
from html import escape

import nh3
from markdown_it import MarkdownIt

POLICY_VERSION = 1

TAGS = frozenset(
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr img li ol p pre s strong table tbody td th thead tr ul".split()  # noqa: SIM905
)
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
SCHEMES = {"https", "http", "mailto", "tel"}
COMMENT_TAGS = frozenset({"p", "br"})

BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_posts = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(),
    attributes=ATTRIBUTES,
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer nofollow",
)
_comments = nh3.Cleaner(tags=set(COMMENT_TAGS), clean_content_tags=set(), attributes={}, link_rel=None)


def article_html(markdown: str) -> str:
    """Markdown as HTML: headings, emphasis, lists, quotes, code, tables, links and pictures."""
    return _posts.clean(_markdown.render(markdown))


def comment_html(text: str) -> str:
    """Plain text as HTML: paragraphs and line breaks. Nothing in it becomes markup, addresses no links."""
    paragraphs = BLANK_LINES.split(text.replace("\r\n", "\n").replace("\r", "\n").strip())
    made = "".join(f"<p>{escape(one).replace(chr(10), '<br>')}</p>" for one in paragraphs if one.strip())
    return _comments.clean(made)


def is_clean(html: str) -> bool:
    """Whether stored HTML holds nothing that the policy would take away."""
    return _posts.clean(html) == html


__all__ = ["POLICY_VERSION", "article_html", "comment_html", "is_clean"]
