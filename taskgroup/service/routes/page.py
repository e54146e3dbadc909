"""The page: files that come with the package."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parents[1] / "page"

router = APIRouter(include_in_schema=False)
static = StaticFiles(directory=PAGE, check_dir=False)


@router.get("/")
def index() -> FileResponse:
    """The page itself."""
    return FileResponse(PAGE / "index.html", media_type="text/html")
