"""All orders so far, kept between runs."""
