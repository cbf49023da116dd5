"""What can be shown: programs that try the claims of the documents at a size that no test has time for."""
