"""What bytes cost, by prices that somebody has said. Pure functions."""

from dataclasses import dataclass, fields
from typing import NamedTuple

from shared.model.sizes import Bytes

_GIB = 1024**3
_MOST = 1_000_000


class Money(NamedTuple):
    """An amount of money for each month, or as much as is known of it.

    Attributes:
        at_least, at_most: it lies between these.
    """

    at_least: float
    at_most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a GiB costs for a month; None where nobody has said so.

    Attributes:
        backup_gib_month: in the backup account.
        disk_gib_month: in the accounts of the disks.
        currency: of which money; for people.
    """

    backup_gib_month: float | None = None
    disk_gib_month: float | None = None
    currency: str = ""

    @property
    def are_known(self) -> bool:
        """Whether there is any."""
        return self.backup_gib_month is not None or self.disk_gib_month is not None


def read_prices(values: object) -> Prices:
    """Read prices as they are configured.

    Raises:
        ValueError: they are none; the message says what is wrong.
    """
    if not isinstance(values, dict):
        raise ValueError("they must be an object")  # noqa: TRY004 - of the file, not of a type
    names = {field.name for field in fields(Prices)}
    for name, value in values.items():
        if name not in names:
            raise ValueError(f"{name!r} is none of {', '.join(sorted(names))}")
        if name == "currency":
            if not isinstance(value, str):
                raise ValueError("currency must be a text")
        elif not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MOST:
            raise ValueError(f"{name} must be a number, the price of a GiB for a month")
    return Prices(**values)


def cost(size: Bytes, price: float | None) -> Money | None:
    """Return what bytes cost for a month; None where there is no price."""
    return None if price is None else Money(size.at_least / _GIB * price, size.at_most / _GIB * price)


def total(*amounts: Money | None) -> Money | None:
    """Add amounts; None if one is not known."""
    if any(amount is None for amount in amounts):
        return None
    known = [amount for amount in amounts if amount]
    return Money(sum(one.at_least for one in known), sum(one.at_most for one in known))


def shown(money: Money | None, currency: str = "") -> str:
    """Write an amount for people: `1.20 EUR`, `0 to 3.50 EUR`; empty if there is none."""
    if money is None:
        return ""
    least, most = _number(money.at_least), _number(money.at_most)
    return f"{least if least == most else f'{least} to {most}'} {currency}".strip()


def _number(value: float) -> str:
    """Write a number with two digits that say something."""
    if value == 0:
        return "0"
    return f"{value:,.2f}" if value >= 0.01 else "<0.01"  # noqa: PLR2004 - the smallest coin
