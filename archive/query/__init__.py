"""Journals as tables: SQL and Parquet.  Reads journals and never writes one."""
