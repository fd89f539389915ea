"""How good a model's classes, maps and boxes are, by the field's own metrics."""
