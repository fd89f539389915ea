"""Maps, boxes and labels on pixels."""
