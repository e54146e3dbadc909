"""The routes, a file for each kind; what they answer is made by the modules beside this package."""

from taskgroup.service.routes import about, controls, events, files, health, jobs, page, results, uploads

ROUTERS = (
    jobs.router,
    controls.router,
    events.router,
    results.router,
    files.router,
    uploads.router,
    about.router,
    health.router,
    page.router,
)
"""In the order in which they are documented."""
