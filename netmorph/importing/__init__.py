"""Networks of users become architectures of ours, with their weights, as the start of a search."""

from netmorph.importing.files import ImportedNetwork as ImportedNetwork
from netmorph.importing.files import read as read
from netmorph.importing.preparation import Preparation as Preparation
