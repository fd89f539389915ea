"""Objectness: what in a picture is a thing at all, learnt from class maps without boxes."""
