"""What a run leaves behind: facts with a schema, tables and models, read from its folder."""
