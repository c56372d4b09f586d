"""The page: `reading` reads, `overview` and `disk_page` say what is shown of it, `rendering` writes HTML.

`answer` puts them together; `serve` asks `who_may_look` first. What the report says is never computed here.
"""
