"""Opens the board, the profiles and the previews when a front end is ready."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..cli import program
from ..errors import needs
from ..hydrate.previews import static_host
from ..pictures import PictureReader
from ..recommend import PostGraph, PostInfo
from ..recommend.favorites import read_source
from .commands import Command
from .conversation import Conversation
from .fetch_favorites import FavoritesFetcher
from .fetch_previews import Fetcher
from .profiles import Profiles
from .reload import Watch, give_back_memory, pass_over
from .sessions import Sessions


@dataclass(frozen=True)
class Room:
    """The options that all front ends share; opens board, profiles and previews on demand.

    The fields are options of bot.py; see `PostGraph.open`, `Profiles` and
    `Fetcher`.
    """

    index: str
    ratings: str
    blacklist: str | Path | None
    profiles: str
    max_users: int | None
    keep_days: int | None
    previews: Path
    fetch_previews: bool
    static_url: str | None
    user_agent: str | None
    allow_favorites: bool = False

    @contextmanager
    def conversation(self, user: str, favorites: str | None = None) -> Iterator[Conversation]:
        """Open a talk with one user, who is the operator.

        Parameters
        ----------
        favorites : to take in first: a name on the site, or a file; None for none.
        """
        graph = self._open_graph()
        site = graph.posts.site
        with (
            self._fetcher(site) as fetch,
            closing(FavoritesFetcher(site, self.user_agent, own=True)) as fetcher,
            self._open_profiles() as profiles,
        ):
            made = Conversation(
                graph, profiles, user, self.previews, fetch=fetch, favorites=fetcher
            )
            if favorites is not None:
                named = read_source(favorites, site, self.user_agent)
                print(made.take_favorites(*named).text, flush=True)
            yield made

    @contextmanager
    def sessions(self, commands: Mapping[str, Command]) -> Iterator[Sessions]:
        """Open talks with many users, which go on when the index is replaced.

        Parameters
        ----------
        commands : what /help lists; see `Conversation`.
        """
        with needs("threadpoolctl"):
            from threadpoolctl import threadpool_limits
        give_back_memory()
        watch = Watch(self.index)
        graph = self._warm_graph()
        with (
            # Several answers are computed at a time. With more threads each, BLAS's wait
            # for each other, busily: a picture's answer takes three times the processor.
            threadpool_limits(1, "blas"),
            self._fetcher(graph.posts.site) as fetch,
            self._open_profiles() as profiles,
            closing(PictureReader()) as reader,
            closing(FavoritesFetcher(graph.posts.site, self.user_agent)) as favorites,
        ):
            reader.start()
            sessions = Sessions(
                graph,
                profiles,
                self.previews,
                commands=commands,
                fetch=fetch,
                reader=reader,
                favorites=favorites if self.allow_favorites else None,
            )
            del graph  # so that its memory is free once the sessions have a newer one
            end = watch.start(self._warm_graph, sessions.renew)
            try:
                yield sessions
            finally:
                end()

    def _open_graph(self) -> PostGraph:
        """Open the board; print what its blacklist asks for in vain."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            graph = PostGraph.open(
                index=self.index, ratings=self.ratings, blacklist=self.blacklist
            )
        for warning in caught:
            print(f"{program()}: {warning.message}", file=sys.stderr, flush=True)
        # What somebody's /only asks for in vain is told to them, and is no word for a log.
        warnings.filterwarnings("ignore", "only: ", UserWarning)
        return graph

    def _warm_graph(self) -> PostGraph:
        graph = self._open_graph()
        graph.warm()  # everything is loaded, so a script may replace the files
        pass_over()
        return graph

    def _open_profiles(self) -> Profiles:
        return Profiles(self.profiles, self.max_users, self.keep_days)

    @contextmanager
    def _fetcher(self, site: str) -> Iterator[Callable[[PostInfo], bool] | None]:
        """Give what starts to fetch the preview of a post, or None."""
        if not self.fetch_previews:
            yield None
            return
        host = self.static_url or static_host(site)
        with closing(Fetcher(self.previews, host, self.user_agent)) as fetcher:
            yield fetcher.want
