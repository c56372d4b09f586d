"""The page: `reading` reads, `overview` and `disk_page` say what is shown of it, `rendering` writes HTML.

`answer` puts them together. What the report says is never computed here.
"""
