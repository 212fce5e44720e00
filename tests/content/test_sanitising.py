"""What a text becomes before anybody's page shows it."""

from html.parser import HTMLParser

import pytest

from apps.content.sanitising import ATTRIBUTES, COMMENT_TAGS, TAGS, article_html, comment_html, is_clean
from tests.security.hostile import HOSTILE, active_parts

ARTICLE = """# Title

A *quick* **look** at ~~nothing~~ `code`.

1. one
2. two

> quote

| a | b |
|---|---|
| 1 | 2 |

[here](https://example.org "there") ![pic](https://example.org/p.png)
"""


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, [name for name, _ in attrs]))


def test_an_article_becomes_headings_lists_quotes_tables_links_and_pictures():
    assert article_html(ARTICLE) == (
        "<h1>Title</h1>\n<p>A <em>quick</em> <strong>look</strong> at <s>nothing</s> <code>code</code>.</p>\n"
        "<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n<blockquote>\n<p>quote</p>\n</blockquote>\n"
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table>\n"
        '<p><a href="https://example.org" title="there" rel="noopener noreferrer nofollow">here</a> '
        '<img src="https://example.org/p.png" alt="pic"></p>\n'
    )


def test_a_comment_becomes_paragraphs_and_lines_and_nothing_else():
    assert comment_html(' a\r\nb\n \n\n<b>*c*</b> & "d" https://example.org ') == (
        '<p>a<br>b</p><p>&lt;b&gt;*c*&lt;/b&gt; &amp; "d" https://example.org</p>'
    )
    assert comment_html(" \n\n ") == ""


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("make", [article_html, comment_html])
def test_hostile_text_becomes_nothing_that_acts(make, text):
    html = make(f"before {text} after\n\n{text}\n\n- {text}\n\n    {text}\n\n[{text}]({text}) ![{text}](<{text}> '{text}')")

    assert active_parts(html) == []
    allowed = COMMENT_TAGS if make is comment_html else TAGS
    for tag, attributes in Elements(html).seen:
        assert tag in allowed
        assert set(attributes) <= ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
    assert is_clean(html)


@pytest.mark.parametrize("text", [text for text in HOSTILE if active_parts(text)])
def test_what_counts_as_hostile_would_act_if_it_came_through(text):
    """The control: unchanged, it is active, and stored HTML that holds it is not clean."""
    assert not is_clean(text)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd"])
def test_addresses_of_other_schemes_lead_nowhere(link):
    html = article_html(f"[x]({link}) ![y]({link}) <{link}>")

    assert Elements(html).seen == [("p", [])]


def test_an_address_that_only_looks_like_one_is_a_page_of_the_own_site():
    assert (
        article_html("[x](java&#10;script:alert(1))")
        == '<p><a href="java%0Ascript:alert(1)" rel="noopener noreferrer nofollow">x</a></p>\n'
    )


def test_code_may_speak_of_what_is_not_allowed():
    html = article_html('```\n<a href="javascript:alert(1)" onclick="x">\n```')

    assert html == '<pre><code>&lt;a href="javascript:alert(1)" onclick="x"&gt;\n</code></pre>\n'
    assert is_clean(html)


def test_sanitising_twice_changes_nothing():
    assert is_clean(article_html(ARTICLE))
    assert is_clean(comment_html("a\nb\n\nc & <d>"))
