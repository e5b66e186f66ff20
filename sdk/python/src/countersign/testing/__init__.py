"""For the tests of applications: a platform in memory, and a signer of single proofs."""

from .._signer import Signable, Signer, create_signer
from ._platform import FakePlatform, Fault, Seen

__all__ = ["FakePlatform", "Fault", "Seen", "Signable", "Signer", "create_signer"]
