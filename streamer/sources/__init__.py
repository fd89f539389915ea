"""Devices, files and URLs of the server's own as streams."""
