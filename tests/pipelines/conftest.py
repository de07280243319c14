"""The state that a small demo leaves, made once; and no test meets the instance of another."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from kasauti.home import Home
from kasauti.operations.progress import Progress
from pipelines.demo import Demo
from resources.project import Project
from tests.execution.conftest import postgres as postgres
from tests.execution.conftest import postgres_server as postgres_server


@pytest.fixture(scope="session")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The settings of the small demo: the sample, and a search of a few seconds."""
    home = tmp_path_factory.mktemp("demo")
    return Project(home=str(home), bars="sample", evaluations=300, population=50)


@pytest.fixture(scope="session")
def demo_home(demo_project: Project) -> Iterator[Home]:
    """The state folder after the demo; whoever changes something copies it first."""
    with pytest.MonkeyPatch.context() as patch:
        # Opening the instance names the state in the environment; that ends with this fixture.
        for name in ("DAGSTER_HOME", "KASAUTI_DAGSTER"):
            patch.setenv(name, "")
        Demo(demo_project, Progress(quiet=True)).run()
    yield demo_project.workspace().home


@pytest.fixture(autouse=True)
def _no_instance_of_before() -> Iterator[None]:
    """Begin without a current instance: Dagster may still name one that an earlier test closed.

    It keeps the storage of definitions' state in a context variable, and contexts that end in
    another order than they began leave that of a dead instance behind (dagster 1.13).
    """
    with set_defs_state_storage(None):
        yield
