"""The docs' commands find the local Azure that the tests of the whole app find."""

from tests.app.conftest import cloud

__all__ = ["cloud"]
