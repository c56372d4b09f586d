"""Whether a program asks rather than a browser, by the header `Accept` (RFC 9110: 12.5.1). Pure functions."""

_HTML, _JSON = ("text", "html"), ("application", "json")


def prefers_json(accept: str) -> bool:
    """Return whether JSON is preferred to HTML; where both are as welcome, HTML is."""
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    return _quality(ranges, _JSON) > _quality(ranges, _HTML)


type _Range = tuple[tuple[str, str], float]


def _range(text: str) -> _Range:
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    kind, _, subtype = media.partition("/")
    quality = next((value for name, _, value in (part.partition("=") for part in parameters) if name == "q"), "1")
    try:
        return (kind, subtype), min(1.0, max(0.0, float(quality)))
    except ValueError:
        return (kind, subtype), 0.0


def _quality(ranges: list[_Range], media: tuple[str, str]) -> float:
    """Return how welcome a type is: the most precise range that it is in says so."""
    for wanted in (media, (media[0], "*"), ("*", "*")):
        found = [quality for media_range, quality in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0
