"""Many requests in one context: `scheduler` says what is evaluated next, `owner` is the thread that does it."""
