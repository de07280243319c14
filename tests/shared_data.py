"""Where the shared market data lies; tests fail, they do not skip, when it is missing."""

from pathlib import Path

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
NSE_INDEX = SHARED / "market" / "nse_index"
NSE_STOCKS = SHARED / "market" / "nse_stocks"
NSE_INTRADAY = SHARED / "market" / "nse_intraday_utc"
FIXTURES = SHARED / "fixtures"
