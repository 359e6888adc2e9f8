"""Journals as tables: SQL and Parquet."""
