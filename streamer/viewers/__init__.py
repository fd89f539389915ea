"""One person who watches: what comes back, painted or as messages."""
