# SPDX-License-Identifier: Apache-2.0
"""What Python code inside a Vivarium session can use of it."""

__version__ = "0.1.0"
__all__ = ["DistinctSymbol", "Interrupted", "Symbol", "Term", "display", "set_custom_encoder"]


class Interrupted(BaseException):
    """Raised in code that is stopped from outside: a deadline, a cancellation. Clean up and let it
    pass; code that goes on is killed after a grace period."""


from _vivarium import set_custom_encoder  # noqa: E402
from vivarium._display import display  # noqa: E402
from vivarium._values import DistinctSymbol, Symbol, Term  # noqa: E402
