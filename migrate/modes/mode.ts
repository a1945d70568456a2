// What distinguishes one mode of moving from another: which effects stand between "the target is prepared" and "the target decides".
// A mode is a value; the reducers follow it and know no mode by name. modes/<mode>.ts holds one each, mode-table.ts finds them.

import type { MoveMode } from '../../placement/view.ts'
import type { SectionName } from '../protocol.ts'

/** A step of the source while the service is frozen. */
export type FrozenStep =
  | { readonly do: 'pause' }
  | { readonly do: 'cut' }
  | { readonly do: 'checkpoint' }
  | { readonly do: 'section'; readonly name: SectionName }

export interface ModePlan {
  readonly mode: MoveMode
  /** In order; the first freezes. All of them are undone by `heal` and `unpause`. */
  readonly frozen: readonly FrozenStep[]
  /** What the target must have received, in any order, before it takes a hand-over. */
  readonly sections: readonly SectionName[]
}
