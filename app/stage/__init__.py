"""The canvas component: everything that moves is drawn in the browser from compact frames."""
