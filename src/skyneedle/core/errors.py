"""Every way in which input can be bad, by name; messages say file, value, what was expected, what to do."""


class SkyneedleError(Exception):
    """Base of all errors that are the input's fault; tools print the message without a traceback."""


# --- configuration and workflow


class BadSetting(SkyneedleError, ValueError):
    """A configuration value that no code can act on."""


class UnknownNetwork(BadSetting):
    """A network name or source that cannot be built."""


class FolderBusy(SkyneedleError):
    """Another live process is writing to the same folder."""


class NotWeights(SkyneedleError):
    """A file that does not hold the weights of a network, or holds more than tensors."""


class WeightsMismatch(SkyneedleError):
    """Weights that belong to another network."""


class NoDevice(SkyneedleError):
    """A job asked for an accelerator that this machine does not show."""


# --- files and downloads


class SourceUnavailable(SkyneedleError):
    """No mirror and no network address delivered a file."""


class ChecksumMismatch(SkyneedleError):
    """The bytes of a file are not those that were recorded for it."""


class DiskTooSmall(SkyneedleError):
    """The volume to fetch does not fit on the disk."""


class NotHDF5(SkyneedleError):
    """The file is not HDF5 at all, for instance an HTML error page."""


class TruncatedFile(SkyneedleError):
    """The file ends before its own header says it should."""


class NotAStrainFile(SkyneedleError):
    """The file opens, but lacks the data sets of a strain file."""


class NotADataSet(SkyneedleError):
    """A folder or file that is not a data set of this package, or shards that do not belong together."""


# --- strain


class StrainHasNaN(SkyneedleError):
    """Strain with missing samples."""


class StrainHasGap(SkyneedleError):
    """Files that do not join without a gap."""


class StrainTooShort(SkyneedleError):
    """Fewer seconds than one analysis window."""


class WrongSampleRate(SkyneedleError):
    """Strain at a rate that the network was not trained on and that does not divide down to it."""


class ConstantStrain(SkyneedleError):
    """Strain that does not vary, which cannot be whitened."""


class DetectorMismatch(SkyneedleError):
    """Detectors that a network does not know, or files of different times."""


class GridMismatch(SkyneedleError, ValueError):
    """A frequency or time grid that does not fit the data."""


class NoQuietTime(SkyneedleError):
    """No stretch of background passes the selection."""


# --- images


class NotAStamp(SkyneedleError):
    """A file that is not FITS, or FITS without the image that is asked for."""


class NotACatalogue(SkyneedleError):
    """A table of objects that cannot be read or lacks columns."""


class MissingBand(SkyneedleError, ValueError):
    """A band that a network or a recipe needs is not there."""


class MissingChannel(SkyneedleError, ValueError):
    """An image of a triplet (template, search, difference) that is not there, or has an unknown name."""


class WrongStampSize(SkyneedleError, ValueError):
    """An image with other numbers of pixels, or covering less sky, than expected."""


class WrongPixelScale(SkyneedleError):
    """An image whose pixels have another size on the sky than expected."""


class ConstantStamp(SkyneedleError):
    """An image that holds one value only: the band is empty."""


class StampHasNaN(SkyneedleError, ValueError):
    """An image with pixels that are not finite."""


# --- transients


class NotAnArchive(SkyneedleError):
    """A file that is not an archive of stamps, or an archive without a usable one."""


class WrongPixelMode(SkyneedleError, ValueError):
    """Pixels of 8-bit pictures where fluxes are expected, or the other way round."""


class BadSplit(SkyneedleError, ValueError):
    """Shares that cannot be had, or a group of examples too large for them."""


class NoLabel(SkyneedleError):
    """Examples to learn from of which none has a label."""


# --- evaluation


class OneClassOnly(SkyneedleError, ValueError):
    """A metric that needs positives and negatives was given one class."""


class BadScores(SkyneedleError, ValueError):
    """Scores that are not numbers."""


class ConstraintBroken(SkyneedleError):
    """An optimised input does not obey its constraint, or its output does not belong to it."""


# --- labels and their review


class BadLabels(SkyneedleError, ValueError):
    """Labels, or scores to judge them by, that do not belong to each other or are neither 0 nor 1."""


class JudgedInSample(SkyneedleError, ValueError):
    """A score said to be out-of-fold came from a network that had seen the example."""


class NotAReviewLog(SkyneedleError):
    """A file that is no log of a review, or that of another review."""
