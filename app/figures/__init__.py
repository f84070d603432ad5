"""Still pictures and charts, pure functions of a trace or a table."""
