"""The alerts service is killed again and again while alerts are raised; none may be lost."""
