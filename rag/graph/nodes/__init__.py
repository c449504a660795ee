"""The node types that come with ragloom: thin functions over its parts."""
