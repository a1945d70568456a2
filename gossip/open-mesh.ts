// Opens a node's mesh: from here on it finds, founds or joins one by itself and keeps its place in it. daemon/compose.ts is the only
// caller outside tests. Reading order: mesh-parts.ts (what there is) → mesh-life.ts (what happens by itself) → mesh-surface.ts (what is asked).

import { InvariantError } from '../placement/shoal-error.ts'
import type { Mesh } from './mesh.ts'
import { MeshLife } from './mesh-life.ts'
import type { MeshOptions } from './mesh-options.ts'
import { assembleMesh } from './mesh-parts.ts'
import type { MeshReactions } from './mesh-parts.ts'
import { meshSurface } from './mesh-surface.ts'

/** @throws MESH_PORT_TAKEN, what the store throws */
export async function openMesh(options: MeshOptions): Promise<Mesh> {
  let life: MeshLife | undefined
  const reactions = (): MeshReactions => {
    if (life === undefined) throw new InvariantError('a part of the mesh reported before the mesh was built')
    return life
  }
  const parts = await assembleMesh(options, reactions)
  life = new MeshLife(parts)
  const mesh = meshSurface(parts, life)
  await life.start()
  return mesh
}
