"""What can happen to posts and comments. Events say what was done to which of them; the words themselves stay in the rows."""

from apps.core.events import declare

declare(
    "content.blogpost",
    {
        "post.created": ("A post was written; it is a draft.", ("slug",)),
        "post.updated": ("A post was changed; `fields` are the names of what was.", ("fields", "slug")),
        "post.scheduled": ("A post will be published at a time.", ("status", "published_at")),
        "post.published": (
            "A post can be read by everybody, because somebody has published it or its time has come.",
            ("status", "published_at"),
        ),
        "post.archived": ("A post is not shown any more.", ("status",)),
        "post.deleted": ("A post was deleted, with its comments and likes.", ("slug",)),
    },
)
declare(
    "content.blogcomment",
    {
        "comment.created": (
            "A reader wrote a comment. It is `pending` or, by the account's setting, `approved` at once.",
            ("post", "status"),
        ),
        "comment.approved": ("A comment is shown below its post.", ("post", "status")),
        "comment.rejected": ("A comment is not shown.", ("post", "status")),
        "comment.marked_as_spam": ("A comment is spam and not shown.", ("post", "status")),
        "comment.deleted": ("A comment was deleted.", ("post",)),
    },
)
