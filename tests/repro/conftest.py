from dvc_project import project

__all__ = ["project"]
