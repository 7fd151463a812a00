"""alpaca-py imports a part of websockets that is deprecated; that is its own affair and no error of ours."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import alpaca.trading.client  # noqa: F401  # imported for the warning it gives once
