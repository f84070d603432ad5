"""The Tree tab's side of the server: text runs, what a browser sees of them, and what may be asked of them."""
