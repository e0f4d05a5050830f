"""Privacy mechanisms and what they guarantee. A figure is printed only where an accountant returned it."""
