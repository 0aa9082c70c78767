"""wineexp: does dropout help on this table? does batch normalization, and before or after the activation?"""
