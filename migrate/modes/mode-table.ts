// Which modes can this build move in? Asked by the mover for both sides; `undefined` is refused with MOVE_MODE_UNAVAILABLE.

import type { MoveMode } from '../../placement/view.ts'
import type { ModePlan } from './mode.ts'
import { stopCopy } from './stop-copy.ts'

const plans: readonly ModePlan[] = [stopCopy]

export const modePlan = (mode: MoveMode): ModePlan | undefined => plans.find(plan => plan.mode === mode)
