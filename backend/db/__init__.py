"""The database: engine, column types, statements, the writer."""
