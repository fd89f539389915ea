"""Overlay mode in a real browser: is each map on its own frame, how old is it when painted, what does that cost."""
