# Filled in with the report assets.
