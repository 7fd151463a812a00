"""The simulated server held to the real clients and to the document that Alpaca publishes."""
