"""`seekcam results`: train and score every row of the CUB-50 table, and write what came out to `docs/results/`."""
