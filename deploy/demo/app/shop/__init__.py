"""A small shop: the application whose database the demonstration migrates.

Two releases live in this tree. `release_1` works on the schema of revision 0005_stock, `release_2` on that of
0011_totals; `SHOP_VERSION`, set in the image, says which one runs.
"""
