# SPDX-License-Identifier: Apache-2.0
"""matplotlib's backend in a session: Agg, whose show() displays the open figures and closes them."""

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vivarium._display import display


def show(*args, **options):
    for manager in Gcf.get_all_fig_managers():
        display(manager.canvas.figure)
    Gcf.destroy_all()


class FigureManager(FigureManagerBase):
    def show(self):
        display(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
