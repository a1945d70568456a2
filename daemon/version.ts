// Which Shoal is this? Kept equal to package.json by a test; a constant, so that no file is read to say it.

/** Semantic version of this release. */
export const VERSION = '0.1.0'
