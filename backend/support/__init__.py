"""Dead letters: seen, explained, sent again, edited, discarded, and who did what with them."""
