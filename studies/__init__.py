"""What we claim: the commands that make the pictures, tables and plots of the documents."""
