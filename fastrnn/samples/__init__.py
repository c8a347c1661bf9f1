"""Small data sets that are made, not read: every task can be tried and tested on any machine."""
