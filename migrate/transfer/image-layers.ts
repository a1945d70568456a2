// Which layers of an image must travel? Pure; images are compared by diff ids, because image ids differ between the engine's stores.

export const sameLayers = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((layer, index) => layer === b[index])

/** Layers of `wanted` that are not known, each once, lowest first. */
export const missingLayers = (wanted: readonly string[], known: ReadonlySet<string>): string[] => [
  ...new Set(wanted.filter(layer => !known.has(layer))),
]
