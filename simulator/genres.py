"""The genres and scenes of the simulated world, and how people spell them.

In: nothing. Out: constant tables. The genres are those the source's users name; a scene is a
part of a genre, and what a listener's taste is made of. The names of scenes are what tracks
mostly carry in their free text, as the source's track genres are mostly none of the genres.
"""

from __future__ import annotations

SCENES_BY_GENRE: dict[str, tuple[str, str, str]] = {
    # neighbours in this order (and the last and the first) share listeners
    "Rock": ("Garage Rock", "Psychedelic Rock", "Grunge"),
    "Indie": ("Shoegaze", "Lo-Fi", "Chamber Pop"),
    "Alternative": ("Post-Rock", "Noise Rock", "Slowcore"),
    "Punk": ("Hardcore", "Ska Punk", "Post-Punk"),
    "Metal": ("Thrash", "Doom", "Black Metal"),
    "Electronic": ("Ambient", "Downtempo", "Drum and Bass"),
    "Techno": ("Minimal", "Acid", "Dub Techno"),
    "Pop": ("Synth-Pop", "Dance-Pop", "Power Ballad"),
    "R&B": ("Neo Soul", "New Jack Swing", "Quiet Storm"),
    "Hip Hop": ("Boom Bap", "Trap", "Grime"),
    "Funk": ("P-Funk", "Afrobeat", "Boogie"),
    "Reggae": ("Dub", "Dancehall", "Rocksteady"),
    "Jazz": ("Bebop", "Swing", "Fusion"),
    "Classical": ("Baroque", "Opera", "Minimalism"),
    "Folk": ("Singer-Songwriter", "Celtic", "Freak Folk"),
    "Country": ("Bluegrass", "Honky Tonk", "Outlaw"),
    "Blues": ("Delta Blues", "Chicago Blues", "Boogie-Woogie"),
}

GENRES = tuple(SCENES_BY_GENRE)
SCENES = tuple(scene for scenes in SCENES_BY_GENRE.values() for scene in scenes)
SCENES_PER_GENRE = 3

OTHER_SPELLINGS: dict[str, tuple[str, ...]] = {
    "Alternative": ("Alt", "alternative"),
    "Electronic": ("electronic", "Electronica"),
    "Hip Hop": ("Hip-Hop", "hiphop", "HIP HOP"),
    "R&B": ("RnB", "R & B", "r&b"),
    "Rock": ("rock", "ROCK", "Rock "),
}
"""How some people write a genre; the others fall back to lower and upper case."""

GENDERS = (
    "Agender",
    "Bigender",
    "Female",
    "Genderfluid",
    "Genderqueer",
    "Male",
    "Non-binary",
    "Polygender",
    "Two-Spirit",
)


def spellings(genre: str) -> tuple[str, ...]:
    """The ways of writing a genre that differ from its usual name."""
    return OTHER_SPELLINGS.get(genre, (genre.lower(), genre.upper()))
