"""The classifiers that judge samples: their training, and the features that they extract."""
