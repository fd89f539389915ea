"""One file per network family; every network has `forward_features` and a linear head over global average pooling."""
