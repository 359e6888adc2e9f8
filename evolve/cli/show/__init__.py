"""What commands print: progress, endings, text and JSON.  Opens and changes nothing."""
