"""The HTTP routes, their document, and who may use them."""
