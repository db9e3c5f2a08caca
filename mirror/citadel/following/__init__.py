"""What a followed server is asked, how often, and what is found out by that without reading all of it again."""
