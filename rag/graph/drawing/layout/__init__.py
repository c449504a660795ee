"""Where everything of a picture is drawn: a layered layout, one step of it in each module."""
